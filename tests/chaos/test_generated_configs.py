"""Thousands of generated configs: each is read, or refused with exit code 2, key and line."""

import random
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from made_chaos import counts
from nas_cifar10.config_file import load
from nas_cifar10.errors import ConfigError

pytestmark = pytest.mark.chaos

DEFAULT = Path(__file__).parents[2] / "configs" / "default.yaml"
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 7, 10**30, 0.5, -0.1, 1e-300, float("nan"), float("inf"), "",
    "x", "auto", "none", "1e-3", "\u202eabc", "<script>", "../..", "é" * 300, [], [1], [[1]],
    [3, 3], [2, "x"], {}, {"low": 1, "high": 2}, {"low": 5, "high": 1}, {"low": "a"}, {"low": 1e-4,
    "high": 1e-2, "log": True}, {"name": "tpe"}, {"a": {"b": {"c": 1}}},
)  # fmt: skip
TEXTS = (
    "\t",
    ":",
    "- ",
    "{",
    "}",
    "[",
    "&a ",
    "*a",
    "!!python/none ",
    "#",
    "\x00",
    "\u2028",
    "'",
    '"',
)


def paths_of(values: dict[str, Any], above: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for key, value in values.items():
        found.append((*above, key))
        found += paths_of(value, (*above, key)) if isinstance(value, dict) else []
    return found


def spoilt(generator: random.Random) -> bytes:
    """Return the default config with one to three things changed."""
    values = yaml.safe_load(DEFAULT.read_text(encoding="utf-8"))
    for _ in range(generator.randint(1, 3)):
        *above, key = generator.choice(paths_of(values))
        section = values
        for name in above:
            section = section[name]
        what = generator.random()
        if what < 0.6:
            section[key] = generator.choice(VALUES)
        elif what < 0.8:
            del section[key]
        else:
            section[key + generator.choice("sx_")] = generator.choice(VALUES)
        if not values:
            break
    text = yaml.safe_dump(values, allow_unicode=True, sort_keys=False)
    if generator.random() < 0.3:
        place = generator.randrange(len(text) + 1)
        text = text[:place] + generator.choice(TEXTS) + text[place:]
    return text.encode("utf-8", "surrogatepass")


def refusal(path: Path) -> str | None:
    """Return what is said about a config, or None where it is good."""
    try:
        load(path, ())
    except ConfigError as error:
        return str(error)
    return None


def test_a_generated_config_is_read_or_refused_in_lines_that_name_key_and_place(
    tmp_path: Path,
) -> None:
    path, refused = tmp_path / "config.yaml", 0
    number = counts(short=400, full=10_000)
    for seed in range(number):
        path.write_bytes(spoilt(random.Random(seed)))
        said = refusal(path)
        refused += said is not None
        for line in said.split("\n") if said else ():
            assert line.isprintable(), (seed, line)
            named = re.match(rf"{re.escape(str(path))}(:\d+)?: ", line)
            assert named or re.match(r"… and [\d,]+ more$", line), (seed, line)
        assert [p.name for p in tmp_path.iterdir()] == ["config.yaml"]
    assert refused > number / 2
