"""docs/configuration.md is what the schema says, and nothing else."""

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from nas_cifar10.config.messages import FIELDS
from nas_cifar10.config.rules import RULES

ROOT = Path(__file__).parents[2]
SCRIPT: dict[str, Any] = runpy.run_path(str(ROOT / "scripts" / "write_configuration.py"))
PAGE = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")


def test_the_page_is_fresh() -> None:
    assert SCRIPT["page"]() == PAGE
    assert SCRIPT["main"](["--check"]) == 0


def test_a_stale_page_fails_the_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stale = tmp_path / "configuration.md"
    monkeypatch.setitem(SCRIPT["main"].__globals__, "PAGE", stale)
    assert SCRIPT["main"](["--check"]) == 1
    stale.write_text(PAGE + "more\n")
    assert SCRIPT["main"](["--check"]) == 1
    assert "is stale: run" in capsys.readouterr().out
    assert SCRIPT["main"]([]) == 0
    assert stale.read_text(encoding="utf-8") == PAGE


def test_every_key_of_the_schema_has_a_row_with_a_meaning() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+) \| (.+) \| (.+) \|$", PAGE, re.MULTILINE)
    assert [row[0] for row in rows] == [name.rpartition(".")[2] for name in SCRIPT["key_rules"]()]
    assert all(meaning.strip() for *_, meaning in rows)


def test_the_rules_cover_every_key_but_those_of_ranges() -> None:
    documented = {name.replace(".N.", ".") for name in SCRIPT["key_rules"]()}
    schema = {".".join(map(str, path)) for path in FIELDS}
    ends = {name for name in schema if name.endswith((".low", ".high", ".log"))}
    assert documented == schema - ends


def test_every_rule_between_keys_is_on_the_page() -> None:
    for rule in RULES:
        assert f"- `{rule.__name__}`: " in PAGE


WORDS = {
    "search.trials": "whole number, 1 to 1,000,000,000",
    "search.objective": "one of accuracy, macro_f1",
    "search.objectives": "a list: accuracy or macro_f1 first, then one or more of parameters, macs "
    "and latency; or null",
    "search.workers": "auto; or whole number, 1 to 1,024",
    "training.threads": "auto; or whole number, 1 to 1,024",
    "training.learning_rate": "number above 0, up to 100",
    "space.kernel_size": ("whole number, 1 to 31, odd; a list of such values; or {low, high, log}"),
    "space.training.learning_rate": (
        "number above 0, up to 100; a list of such values; or {low, high, log}; or null"
    ),
    "data.limit": "whole number, 1 to 1,000,000,000; or null",
    "data.test_images": "whole number, 1 to 1,000,000,000; or number above 0, below 1",
    "search.baseline": "a mapping; or null",
    "search.baseline.architecture.blocks": "a list of 1 to 10 mappings",
    "retrain.test": "true or false",
    "name": "text of at most 200 characters, not blank, without control characters",
}


@pytest.mark.parametrize(("key", "words"), WORDS.items())
def test_a_rule_is_put_in_words(key: str, words: str) -> None:
    assert SCRIPT["key_rules"]()[key] == words
