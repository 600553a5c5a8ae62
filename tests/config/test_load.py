"""From a file and `--set` to a Config: what is read, and where each error is placed."""

import copy
import json
import os
from pathlib import Path
from typing import Any

import pytest

from nas_cifar10.config.load import config_from_plain, load_config
from nas_cifar10.config.schema import Config
from nas_cifar10.config.yaml_text import MAX_CHARACTERS, MAX_DEPTH
from nas_cifar10.errors import ConfigError, MissingInputError

GOOD = """\
name: good
data:
  source: cifar10
space:
  training:
    learning_rate: {low: 1e-4, high: 1e-2, log: true}
"""
PLAIN: dict[str, Any] = {"name": "good", "data": {"source": "cifar10"}, "space": {}}


def complaints(path: Path, text: str, *overrides: str) -> list[str]:
    """Return the lines of the error, with the path as `x.yaml`."""
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(path, overrides)
    return str(caught.value).replace(str(path), "x.yaml").split("\n")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "x.yaml"


def test_a_good_file_loads(file: Path) -> None:
    file.write_text(GOOD)
    config = load_config(file)
    assert config.name == "good"
    assert config.search.trials == 10
    assert config.space.depth == (2, 3, 4)


def test_a_byte_order_mark_and_windows_line_ends_change_nothing(file: Path) -> None:
    file.write_text(GOOD)
    plain = load_config(file)
    file.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert load_config(file) == plain


def test_every_error_is_named_at_once_with_its_line(file: Path) -> None:
    text = """\
data:
  source: mnist
  limit: 0
space:
  depth: [2, 6]
  kernel_size: [3, 4]
  training:
    learning_rate: {low: -0.1, high: 1e-2}
training:
  lr: 0.1
epochs: 3
training:
  epochs: 4
retrain: {test: false}
"""
    assert complaints(file, text, "seed=-1", "search.trials") == [
        "x.yaml:12: training: given twice, on lines 9 and 12; remove one",
        "--set search.trials: must be KEY=VALUE, such as search.trials=20",
        "x.yaml:1: name: is required: free text; folders use its slug",
        "--set seed: must be ≥ 0, got -1",
        "x.yaml:2: data.source: must be 'cifar10', 'image_folder' or 'digits', got 'mnist'",
        "x.yaml:3: data.limit: must be ≥ 1, got 0",
        "x.yaml:6: space.kernel_size.1: must be odd, got 4",
        "x.yaml:8: space.training.learning_rate.low: must be > 0, got -0.1",
        "x.yaml:10: training.lr: no such key; did you mean learning_rate?",
        "x.yaml:11: epochs: no such key here; did you mean training.epochs or retrain.epochs?",
        "x.yaml:14: retrain.monitor: test would read the test set that retrain.test=false leaves "
        "unread; use validation or none",
    ]


def test_rules_between_keys_are_silent_about_keys_that_are_wrong_by_themselves(file: Path) -> None:
    text = "name: x\ndata: {source: digits, image_size: 0}\nspace: {depth: 9}\n"
    assert complaints(file, text) == ["x.yaml:2: data.image_size: must be ≥ 2, got 0"]


def test_a_rule_between_keys_points_at_the_line_within_a_list(file: Path) -> None:
    text = """\
name: x
data: {source: cifar10}
space: {}
search:
  baseline:
    architecture:
      blocks:
        - {channels: 16, kernel_size: 3}
        - channels: 17
          kernel_size: 3
"""
    assert complaints(file, text) == [
        "x.yaml:9: search.baseline.architecture.blocks.1.channels: must be in space.channels, "
        "which is [16, 32, 64], got 17"
    ]


OVERRIDES: dict[str, tuple[str, Any]] = {
    "name=a # b: c": ("name", "a # b: c"),
    "name=*x": ("name", "*x"),
    "name = padded ": ("name", "padded"),
    "name='3'": ("name", "3"),
    r"name='a\tb'": ("name", r"a\tb"),
    "name=a=b": ("name", "a=b"),
    "data.limit=": ("data.limit", None),
    "data.limit=null": ("data.limit", None),
    "search.trials=7": ("search.trials", 7),
    "space.depth=[2, 3]": ("space.depth", (2, 3)),
    "training.learning_rate=1e-3": ("training.learning_rate", 0.001),
    "search.sampler={name: random}": ("search.sampler.name", "random"),
    "search.sampler.name=random": ("search.sampler.name", "random"),
}


@pytest.mark.parametrize(("override", "expected"), OVERRIDES.items())
def test_an_override_sets_one_key(override: str, expected: tuple[str, Any]) -> None:
    value: Any = config_from_plain(PLAIN, [override])
    for part in expected[0].split("."):
        value = getattr(value, part)
    assert value == expected[1]


BAD_OVERRIDES = {
    "": "--set '': must be KEY=VALUE",
    "=": "--set =: must be KEY=VALUE",
    "a": "--set a: must be KEY=VALUE",
    "search.=1": "--set search.=1: must be KEY=VALUE",
    ".trials=1": "--set .trials=1: must be KEY=VALUE",
    "name.x=1": "--set name.x=1: name holds 'good', not keys",
    "data.source.x=1": "--set data.source.x=1: data.source holds 'cifar10', not keys",
    "space.depth=[2": "--set space.depth=[2: not valid YAML: expected ',' or ']'",
    "name='a' b": "--set name='a' b: not valid YAML",
    "search.sampler={name: tpe, name: random}": "name: given twice",
    "space.depth=[&a 2]": "anchors and aliases",
    "seed=" + "9" * 5000: "at most 40 digits, got 5000",
    "seed.x" + ".x" * 5000 + "=1": f"has more than {MAX_DEPTH} parts",
    "na\udcffme=1": r"--set 'na\udcffme=1': is not UTF-8 text",
    "a\nb=1": r"--set 'a\nb': no such key",
}


@pytest.mark.parametrize(("override", "message"), BAD_OVERRIDES.items())
def test_an_odd_override_is_explained_on_one_line(override: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config_from_plain(PLAIN, [override])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_the_last_override_of_a_key_wins() -> None:
    assert config_from_plain(PLAIN, ["seed=1", "seed=2"]).seed == 2


def test_every_bad_override_is_named() -> None:
    with pytest.raises(ConfigError) as caught:
        config_from_plain(PLAIN, ["a", "seed=-1", "b"])
    assert [line.split(":")[0] for line in str(caught.value).split("\n")] == [
        "--set a",
        "--set b",
        "--set seed",
    ]


def test_overrides_leave_the_stored_values_alone() -> None:
    values = copy.deepcopy(PLAIN)
    config_from_plain(values, ["data.source=digits", "space.depth=2"])
    assert values == PLAIN


MISSING = {"none.yaml": "no such config file", ".": "is a folder", "x" * 300: "cannot be read"}


@pytest.mark.parametrize(("name", "message"), MISSING.items(), ids=["none", "folder", "long"])
def test_an_absent_or_unreadable_file_is_a_missing_input(
    name: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(MissingInputError, match=message) as caught:
        load_config(tmp_path / name)
    assert caught.value.exit_code == 66


def test_a_path_below_a_file_a_loop_and_a_null_byte_are_missing_inputs(file: Path) -> None:
    file.write_text(GOOD)
    loop = file.with_name("loop")
    loop.symlink_to(loop)
    for path in (file / "inside.yaml", loop, file.with_name("a\0b")):
        with pytest.raises(MissingInputError):
            load_config(path)


def test_a_file_that_never_ends_is_refused() -> None:
    with pytest.raises(ConfigError, match=f"larger than {MAX_CHARACTERS:,} bytes"):
        load_config(Path("/dev/zero"))


def test_a_pipe_is_read(tmp_path: Path) -> None:
    end, start = os.pipe()
    os.write(start, GOOD.encode())
    os.close(start)
    assert load_config(Path(f"/dev/fd/{end}")).name == "good"
    os.close(end)


def test_text_in_another_encoding_is_refused_with_its_line(file: Path) -> None:
    file.write_bytes(GOOD.encode() + "# é".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"x\.yaml:7: is not UTF-8 text; save it as UTF-8"):
        load_config(file)


@pytest.mark.parametrize("text", ["", "# nothing\n", "null\n", "---\n"])
def test_an_empty_file_is_refused(text: str, file: Path) -> None:
    assert complaints(file, text) == ["x.yaml: is empty; name, data and space are required"]


@pytest.mark.parametrize("text", ["- a\n", "text\n", "[]\n", "3\n"])
def test_a_file_that_is_no_mapping_is_refused(text: str, file: Path) -> None:
    [line] = complaints(file, text)
    assert line.startswith("x.yaml: must be a mapping of keys, got ")


def test_half_a_file_is_not_judged(file: Path) -> None:
    [line] = complaints(file, "name: x\ndata: [\n")
    assert line.startswith("x.yaml:3: not valid YAML")


def test_a_dotted_key_in_a_file_is_explained(file: Path) -> None:
    [line] = complaints(file, GOOD + "search.trials: 3\n")
    assert line == (
        "x.yaml:7: search.trials: no such key; dots are for --set, "
        "in a file each part is a key of its own, nested"
    )


def test_stored_values_nested_without_end_are_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"a": deep}
    with pytest.raises(ConfigError, match="stored config: nested more than"):
        config_from_plain({**PLAIN, "training": deep})


def test_plain_values_load_to_an_equal_config(tiny_config: Config) -> None:
    stored = json.loads(json.dumps(tiny_config.plain(), allow_nan=False))
    assert config_from_plain(stored) == tiny_config
