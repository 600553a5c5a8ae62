"""The rules between keys: what each refuses, how it says so, and what it lets pass."""

import inspect
from typing import Any

import pytest

from nas_cifar10.config.load import config_from_plain
from nas_cifar10.config.messages import FIELDS
from nas_cifar10.config.rules import RULES, notices
from nas_cifar10.errors import ConfigError

BASE: dict[str, Any] = {
    "name": "x",
    "data": {"source": "cifar10"},
    "space": {"training": {"learning_rate": {"low": 1e-4, "high": 1e-2}}},
}


def baseline(*blocks: str, training: str = "learning_rate: 1e-3") -> str:
    written = ", ".join(f"{{{block}}}" for block in blocks)
    return f"search.baseline={{architecture: {{blocks: [{written}]}}, training: {{{training}}}}}"


SMALL, OUTSIDE = "channels: 16, kernel_size: 3", "channels: 17, kernel_size: 7"

REFUSED: list[tuple[list[str], str]] = [
    (
        ["data.source=digits"],
        "space.depth: 4 poolings by 2 shrink pictures of 8x8 below 1x1; "
        "use at most 3 blocks, or data.image_size of at least 16",
    ),
    (
        ["data.image_size=7", "space.depth={low: 1, high: 3}"],
        "space.depth: 3 poolings by 2 shrink pictures of 7x7 below 1x1; "
        "use at most 2 blocks, or data.image_size of at least 8",
    ),
    (
        ["space.depth=[3, 5]", "space.stem=whitening", "space.pooling=[none, average]"],
        "space.depth: 5 poolings by 2 shrink pictures of 31x31 below 1x1; "
        "use at most 4 blocks, or data.image_size of at least 33",
    ),
    (
        ["training.learning_rate=3e-4"],
        "training.learning_rate: is searched as space.training.learning_rate and cannot be set to "
        "0.0003 as well; to fix it, set space.training.learning_rate=0.0003",
    ),
    (
        ["training.batch_size=64", "space.training.batch_size=[32, 64]"],
        "training.batch_size: is searched as space.training.batch_size and cannot be set to "
        "64 as well; to fix it, set space.training.batch_size=64",
    ),
    (
        ["training.translate=32"],
        "training.translate: must be at most 31 for pictures of 32x32, got 32; "
        "use less, or a larger data.image_size",
    ),
    (
        ["space.training.cutout={low: 4, high: 33}"],
        "space.training.cutout: must be at most 32 for pictures of 32x32, got 33; "
        "use less, or a larger data.image_size",
    ),
    (
        ["space.kernel_size={low: 3, high: 7, log: true}"],
        "space.kernel_size.log: must be false: kernel sizes are drawn from odd numbers",
    ),
    (
        ["search.sampler.name=exhaustive"],
        "search.sampler.name: exhaustive cannot enumerate the continuous range "
        "space.training.learning_rate; give it a list, or use tpe or random",
    ),
    (
        [
            "search.sampler.name=exhaustive",
            "space.training.learning_rate=1e-3",
            "space.dropout={low: 0, high: 1e-1}",
        ],
        "search.sampler.name: exhaustive cannot enumerate the continuous range "
        "space.dropout; give it a list, or use tpe or random",
    ),
    (
        ["retrain.test=false"],
        "retrain.monitor: test would read the test set that retrain.test=false leaves unread; "
        "use validation or none",
    ),
    (
        [baseline(SMALL)],
        "search.baseline.architecture.blocks: number of blocks must be in space.depth, "
        "which is [2, 3, 4], got 1",
    ),
    (
        [baseline(SMALL, OUTSIDE), "space.kernel_size={low: 3, high: 5}"],
        "search.baseline.architecture.blocks.1.channels: must be in space.channels, "
        "which is [16, 32, 64], got 17\n"
        "search.baseline.architecture.blocks.1.kernel_size: must be in space.kernel_size, "
        "which is {low: 3, high: 5}, got 7",
    ),
    (
        [baseline(f"{SMALL}, norm: batch", SMALL), "space.stem=[conv, whitening]"],
        "search.baseline.architecture.blocks.0.norm: must be in space.norm, which is none, "
        "got batch\n"
        "search.baseline.architecture.stem: must be in space.stem, which is [conv, whitening], "
        "got none",
    ),
    (
        [baseline(SMALL, SMALL, training="")],
        "search.baseline.training.learning_rate: is required, since the space draws it as "
        "space.training.learning_rate",
    ),
    (
        [baseline(SMALL, SMALL, training="learning_rate: 1e-3, batch_size: 64")],
        "search.baseline.training.batch_size: is not drawn by the space; "
        "leave it out, or list space.training.batch_size",
    ),
    (
        [baseline(SMALL, SMALL, training="learning_rate: 0.1")],
        "search.baseline.training.learning_rate: must be in space.training.learning_rate, "
        "which is {low: 0.0001, high: 0.01}, got 0.1",
    ),
    (
        [baseline(SMALL, SMALL), "space.training.learning_rate=0.01"],
        "search.baseline.training.learning_rate: must be in space.training.learning_rate, "
        "which is 0.01, got 0.001",
    ),
]


@pytest.mark.parametrize(("overrides", "message"), REFUSED)
def test_keys_that_do_not_fit_together_are_refused(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config_from_plain(BASE, overrides)
    said = str(caught.value).replace("stored config: ", "").replace("--set ", "")
    assert said == message


RICH = "channels: 16, kernel_size: 3, convolutions: 2, norm: batch"
ALLOWED = [
    ["data.source=digits", "space.depth=8", "space.pooling=none"],
    ["data.source=digits", "space.depth=8", "space.pooling=[none, stride]"],
    ["space.depth=4", "space.stem=whitening"],
    [
        baseline(f"{RICH}, skip: add", f"{RICH}, kind: residual"),
        "space.convolutions=2",
        "space.norm=[batch, none]",
        "space.kind=[conv, residual]",
        "space.skip=add",
    ],
    ["training.translate=31", "training.cutout=32"],
    ["space.training.translate={low: 0, high: 31}"],
    ["data.source=digits", "space.depth=[1, 3]"],
    ["data.source=digits", "data.image_size=16"],
    ["space.depth=5"],
    ["space.training.learning_rate=", "training.learning_rate=3e-4"],
    ["space.kernel_size={low: 3, high: 7}"],
    ["search.sampler.name=exhaustive", "space.training.learning_rate=[1e-3, 1e-2]"],
    [
        "search.sampler.name=exhaustive",
        "space.training.learning_rate=1e-3",
        "space.training.batch_size={low: 32, high: 34}",
    ],
    ["retrain.test=false", "retrain.monitor=validation"],
    ["retrain.test=false", "retrain.monitor=none"],
    [baseline(SMALL, SMALL)],
    [baseline(SMALL, SMALL, training=""), "space.training.learning_rate="],
]


@pytest.mark.parametrize("overrides", ALLOWED)
def test_keys_that_fit_together_are_let_pass(overrides: list[str]) -> None:
    config_from_plain(BASE, overrides)


NOTICES: list[tuple[list[str], list[str]]] = [
    ([], []),
    (["data.on_bad_image=skip"], ["data.on_bad_image has no effect with data.source=cifar10"]),
    (["data.on_bad_image=skip", "data.source=image_folder"], []),
    (
        ["data.source=digits", "space.depth=2", "data.root=elsewhere"],
        ["data.root has no effect with data.source=digits, which needs no folder"],
    ),
    (["data.root=elsewhere"], []),
    (
        ["data.test_images=0.2"],
        ["data.test_images has no effect: cifar10 brings its own test set"],
    ),
    (
        ["search.sampler={name: random, startup_trials: 3}"],
        ["search.sampler.startup_trials has no effect with random"],
    ),
    (["training.momentum=0.8"], ["training.momentum has no effect with adam"]),
    (["training.momentum=0.8", "training.optimizer=sgd"], []),
    (["search.sampler.name=random", "search.trials=2"], []),
    (["search.trials=6"], []),
    (
        ["search.trials=5"],
        [
            "search.cohort=5, with startup_trials=4, leaves none of 5 trials, asked 5 at a time, "
            "to TPE's model: the search is random"
        ],
    ),
    (["search.trials=5", "search.constraints.max_parameters=50000"], []),
    (["search.cohort=9", "search.sampler.startup_trials=9"], []),
    (
        ["search.cohort=10"],
        [
            "search.cohort=10, with startup_trials=4, leaves none of 10 trials, asked 10 at a "
            "time, to TPE's model: the search is random"
        ],
    ),
    (
        ["search.trials=4"],
        [
            "search.sampler.startup_trials=4 leaves none of 4 trials to TPE's model: "
            "the search is random"
        ],
    ),
    (
        ["search.trials=4", "search.sampler.name=local"],
        [
            "search.sampler.startup_trials=4 leaves none of 4 trials to a local search: "
            "the search is random"
        ],
    ),
    (
        [
            "search.trials=4",
            "search.sampler.name=local",
            baseline(SMALL, SMALL),
        ],
        [],
    ),
    (
        [
            "search.sampler={name: local, startup_trials: 3}",
            baseline(SMALL, SMALL),
        ],
        ["search.sampler.startup_trials has no effect with local and a baseline"],
    ),
    (
        ["search.schedule={name: none, reduction_factor: 4}"],
        ["search.schedule.reduction_factor has no effect with schedule none"],
    ),
    (["search.ray.gpus=0.5"], ["search.ray has no effect with search.executor=local"]),
    (
        ["retrain.views=flip", "retrain.test=false", "retrain.monitor=none"],
        ["retrain.views has no effect where neither test nor validation is measured"],
    ),
]


@pytest.mark.parametrize(("overrides", "said"), NOTICES)
def test_a_setting_that_changes_nothing_is_named(overrides: list[str], said: list[str]) -> None:
    config = config_from_plain(BASE, overrides)
    assert notices(config) == said
    assert notices(config_from_plain(config.plain())) == said


def test_every_rule_says_in_its_docstring_what_it_is_and_names_keys_that_exist() -> None:
    known = {".".join(map(str, path)) for path in FIELDS}
    for rule, keys in RULES.items():
        assert inspect.getdoc(rule)
        assert set(keys) <= known
