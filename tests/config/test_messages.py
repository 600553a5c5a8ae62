"""How a config error is worded: rule, value, way out; and that nothing else is ever raised."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_cifar10.config.dimensions import FORMS
from nas_cifar10.config.load import MAX_PROBLEMS, config_from_plain, load_config
from nas_cifar10.config.messages import FIELDS
from nas_cifar10.config.schema import Config
from nas_cifar10.errors import ConfigError

PLAIN: dict[str, Any] = {"name": "good", "data": {"source": "cifar10"}, "space": {}}


WORDING = {
    "name=": "name: must be text, got null",
    "name=12": "name: must be text, got 12; put it in quotes of its own: --set \"name='…'\"",
    'name="a\\tb"': r"name: must hold no control characters and no line breaks, got 'a\tb'",
    "seed=1.0": "seed: must be a whole number, got 1.0",
    "seed='1'": "seed: must be a whole number, got '1'; remove the quotes",
    "seed=one": "seed: must be a whole number, got 'one'",
    "seed=.nan": "seed: must be a whole number, got nan",
    "seed=1_0": "seed: must be a whole number, got '1_0'",
    "seed=4294967296": "seed: must be ≤ 4,294,967,295, got 4294967296",
    "data=x": "data: must be a mapping of keys, got 'x'",
    "data.source=cifar10=x": (
        "data.source: must be 'cifar10', 'image_folder' or 'digits', got 'cifar10=x'"
    ),
    "data.root=": "data.root: must be text, got null",
    "data.test_images=5.0": ("data.test_images: must be < 1, or a count without a point, got 5.0"),
    "data.test_images=half": (
        "data.test_images: must be a count or a fraction below 1, got 'half'"
    ),
    "space.depth=all": "space.depth: must be a whole number, a list or {low, high, log}, got 'all'",
    "space.depth=[]": "space.depth: must have at least 1 item, got []",
    "space.depth=[2, 2]": "space.depth: must not repeat a value, got [2, 2]",
    "space.depth=[2, x, true]": "space.depth.1: must be a whole number, got 'x'",
    "space.depth={low: 3, high: 3}": "space.depth: low must be below high, got {low: 3, high: 3}",
    "space.depth={low: 1, high: 2, log: yes}": (
        "space.depth.log: must be true or false, got 'yes'"
    ),
    "space.depth={low: 1}": "space.depth.high: is required: the largest value, included",
    "training.learning_rate=101": "training.learning_rate: must be ≤ 100, got 101",
    "training.learning_rate=.inf": "training.learning_rate: must be a finite number, got inf",
    "training.threads=two": "training.threads: must be 'auto' or a whole number, got 'two'",
    "search.workers=2000": "search.workers: must be ≤ 1,024, got 2000",
    "search.count=2": (
        "search.count: no such key; known: trials, cohort, objective, objectives, sampler, "
        "schedule, constraints, workers, executor, ray, max_minutes, max_losses, "
        "storage_retry_seconds, baseline"
    ),
    "search.baseline={architecture: {blocks: 3}}": (
        "search.baseline.architecture.blocks: must be a list, got 3"
    ),
    "search.baseline={architecture: {blocks: [{chanels: 16, channels: 16, kernel_size: 3}]}}": (
        "search.baseline.architecture.blocks.0.chanels: no such key; did you mean channels?"
    ),
    "retrain.test=no": "retrain.test: must be true or false, got 'no'",
    "retrain.test='true'": "retrain.test: must be true or false, got 'true'; remove the quotes",
    "search.baseline.training.learning_rate=1": (
        "search.baseline.architecture: is required: a mapping with the list blocks"
    ),
    "Training.epochs=3": "Training: no such key; did you mean training?",
}


@pytest.mark.parametrize(("override", "message"), WORDING.items())
def test_an_error_states_the_rule_and_the_value(override: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config_from_plain(PLAIN, [override])
    assert str(caught.value).split("\n")[0] == f"--set {message}"


def test_a_flood_of_errors_is_cut() -> None:
    with pytest.raises(ConfigError) as caught:
        config_from_plain({**PLAIN, **{f"k{i}": 1 for i in range(MAX_PROBLEMS + 9)}})
    lines = str(caught.value).split("\n")
    assert len(lines) == MAX_PROBLEMS + 1
    assert lines[-1] == "… and 9 more"


def test_values_and_keys_that_do_not_print_are_escaped(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text('name: x\ndata: {source: digits}\nspace: {depth: 2}\n"\\e[31m\\n": "\\e"\n')
    with pytest.raises(ConfigError) as caught:
        load_config(file, ['seed="\\e[31m"'])
    assert str(caught.value).split("\n") == [
        r"--set seed: must be a whole number, got '\x1b[31m'",
        rf"{file}:4: '\x1b[31m\n': no such key; known: {', '.join(Config.model_fields)}",
    ]


def test_no_key_is_called_like_a_form() -> None:
    assert not {path[-1] for path in FIELDS} & FORMS


_KEYS = st.sampled_from([str(path[-1]) for path in FIELDS] + [*FORMS, "", "a.b", "\x1b", "lr"])
_LEAVES = (
    st.none()
    | st.booleans()
    | st.sampled_from(["cifar10", "digits", "exhaustive", "none", "auto", "x", "\ud800", "\0"])
    | st.integers(-2, 9)
    | st.integers()
    | st.floats()
    | st.text(max_size=9)
)
_VALUES = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=5)
)


@given(st.dictionaries(_KEYS, _VALUES, max_size=5))
def test_no_values_raise_anything_else(values: dict[str, Any]) -> None:
    try:
        config = config_from_plain({**PLAIN, **values})
    except ConfigError as error:
        message = str(error)
        assert message.replace("\n", "").isprintable()
        return
    assert config_from_plain(config.plain()) == config
