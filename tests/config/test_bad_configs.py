"""At least two bad configs for every rule of docs/configuration.md, each with one clear message."""

import re
import runpy
from pathlib import Path

import pytest
from typer.testing import CliRunner

from made_bad_configs import BAD_CONFIGS, GOOD, Bad
from nas_cifar10.cli.app import app
from nas_cifar10.config.load import load_config
from nas_cifar10.errors import ConfigError

SCRIPT = Path(__file__).parents[2] / "scripts" / "write_configuration.py"
RULE_NAMES: list[str] = runpy.run_path(str(SCRIPT))["rule_names"]()


def test_the_config_that_the_bad_ones_are_made_from_is_good(tmp_path: Path) -> None:
    path = tmp_path / "good.yaml"
    path.write_text(GOOD)
    load_config(path)


@pytest.mark.parametrize("bad", BAD_CONFIGS, ids=lambda bad: f"{bad.rule}-{bad.says}"[:60])
def test_a_bad_config_gets_one_clear_message_and_exit_code_2(bad: Bad, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_bytes(bad.content)
    with pytest.raises(ConfigError) as caught:
        load_config(path, bad.overrides)
    assert caught.value.exit_code == 2
    message = str(caught.value)
    assert "\n" not in message
    assert message.isprintable()
    assert message.startswith((str(path), "--set "))
    without_file = message.removeprefix(str(path)).removeprefix("--set ")
    without_line = re.sub(r"^:\d+: ", "", without_file)
    assert without_file.startswith(bad.says) or (
        bad.line is None and without_line.startswith(bad.says)
    )


@pytest.mark.parametrize("bad", BAD_CONFIGS, ids=lambda bad: f"{bad.rule}-{bad.says}"[:60])
def test_a_bad_config_ends_a_command_before_anything_is_created(bad: Bad, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_bytes(bad.content)
    sets = [word for override in bad.overrides for word in ("--set", override)]
    words = ["run", "--config", str(path), "--run", str(tmp_path / "out"), *sets]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2
    assert isinstance(result.exception, SystemExit)
    assert (result.stdout, result.stderr.count("\n")) == ("", 1)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("rule", RULE_NAMES)
def test_every_rule_in_the_docs_has_at_least_two_bad_configs(rule: str) -> None:
    assert sum(bad.rule == rule for bad in BAD_CONFIGS) >= 2


def test_every_entry_of_the_table_names_a_rule() -> None:
    assert {bad.rule for bad in BAD_CONFIGS} <= set(RULE_NAMES)
