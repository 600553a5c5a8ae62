"""Thousands of generated configs: each is read, or refused with exit code 2, key and line."""

import copy
import random
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from made_bad_configs import BAD_CONFIGS
from made_chaos import Tally, counts
from nas_cifar10.cli.app import app

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


def spoilt(generator: random.Random) -> tuple[bytes, set[str]]:
    """Return the default config with one to three things changed, and the keys they are about."""
    values, changed = yaml.safe_load(DEFAULT.read_text(encoding="utf-8")), set()
    for _ in range(generator.randint(1, 3)):
        *above, key = generator.choice(paths_of(values))
        section = values
        for name in above:
            section = section[name]
        what = generator.random()
        if what < 0.6:
            section[key] = copy.deepcopy(generator.choice(VALUES))  # or else YAML names it once
        elif what < 0.8:
            del section[key]
        else:
            key += generator.choice("sx_")
            section[key] = copy.deepcopy(generator.choice(VALUES))
        changed.add(".".join((*above, key)))
        if not values:
            break
    text = yaml.safe_dump(values, allow_unicode=True, sort_keys=False)
    if generator.random() < 0.3:
        place, changed = generator.randrange(len(text) + 1), set()
        text = text[:place] + generator.choice(TEXTS) + text[place:]
    return text.encode("utf-8", "surrogatepass"), changed


def said_of(path: Path) -> str | None:
    """Return what is said about a config, or None where it is good; nothing is created."""
    checked = CliRunner().invoke(app, ["validate", str(path)])
    assert isinstance(checked.exception, SystemExit | None), path.read_bytes()
    if checked.exit_code == 0:
        return None
    searched = CliRunner().invoke(app, ["search", "--config", str(path), "--run", str(path.parent)])
    assert (checked.exit_code, searched.exit_code) == (2, 2)
    assert searched.stderr == checked.stderr
    assert checked.stdout == ""
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    return checked.stderr.removesuffix("\n")


def test_a_generated_config_is_read_or_refused_in_lines_that_name_key_and_place(
    tmp_path: Path, tally: Tally
) -> None:
    path, refused = tmp_path / "config.yaml", 0
    number = counts(short=400, full=10_000)
    for seed in range(number):
        content, changed = spoilt(random.Random(seed))
        path.write_bytes(content)
        said = said_of(path)
        if said is None:
            continue
        refused += 1
        for line in said.split("\n"):
            assert line.isprintable(), (seed, line)
            assert names_its_place(line, path), (seed, line)
        assert not changed or any(near(key, said) for key in changed), (seed, changed, said)
    assert refused > number / 2
    tally("generated configs", written=number, refused=refused, tracebacks=0, files_created=0)


def names_its_place(line: str, path: Path) -> bool:
    """Say whether a line begins with file and line, or says how many more there are."""
    whole = r"is empty|must be a mapping of keys|is larger than"
    place = rf"{re.escape(str(path))}(:\d+: |: (?={whole}))\S"
    return bool(re.match(rf"{place}|… and [\d,]+ more$", line))


def near(key: str, said: str) -> bool:
    """Say whether what is said names a key, or the section it was taken from."""
    return key in said or f"{key.rpartition('.')[0]}: " in said


def test_enough_bad_configs_are_written_by_hand() -> None:
    assert len(BAD_CONFIGS) >= 300
