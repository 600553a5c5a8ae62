"""Which keys make a study what it is: each is refused when it changes, and named."""

import copy
from typing import Any

import pytest

from made_study import made_config
from nas_cifar10.errors import StateError
from nas_cifar10.search.identity import check

FREE = {
    "search.trials",
    "search.workers",
    "search.executor",
    "search.ray.address",
    "search.ray.cpus",
    "search.ray.gpus",
    "search.max_minutes",
    "search.max_losses",
    "search.storage_retry_seconds",
    "retrain.epochs",
    "retrain.monitor",
    "retrain.test",
    "retrain.seeds",
    "retrain.views",
    "retrain.start_from",
    "retrain.freeze",
}
IDENTITY = {
    "name",
    "seed",
    "data.source",
    "data.root",
    "data.image_size",
    "data.validation_images",
    "data.test_images",
    "data.limit",
    "data.on_bad_image",
    "space.depth",
    "space.channels",
    "space.kernel_size",
    "space.kind",
    "space.convolutions",
    "space.norm",
    "space.activation",
    "space.pooling",
    "space.dropout",
    "space.skip",
    "space.stem",
    "space.head",
    "space.initialisation",
    "space.training.learning_rate.low",
    "space.training.learning_rate.high",
    "space.training.learning_rate.log",
    "space.training.batch_size",
    "space.training.weight_decay",
    "space.training.label_smoothing",
    "space.training.translate",
    "space.training.cutout",
    "space.training.colour_jitter",
    "space.training.mixup",
    "training.epochs",
    "training.batch_size",
    "training.optimizer",
    "training.momentum",
    "training.schedule",
    "training.weight_decay",
    "training.bias_factor",
    "training.label_smoothing",
    "training.weight_averaging",
    "training.flip",
    "training.translate",
    "training.cutout",
    "training.colour_jitter",
    "training.mixup",
    "training.precision",
    "training.threads",
    "search.cohort",
    "search.objective",
    "search.objectives",
    "search.sampler.name",
    "search.sampler.startup_trials",
    "search.schedule.name",
    "search.schedule.reduction_factor",
    "search.constraints.max_parameters",
    "search.constraints.max_macs",
    "search.constraints.max_latency_ms",
    "search.baseline",
}


def keys(values: dict[str, Any], above: str = "") -> set[str]:
    found = set()
    for key, value in values.items():
        below = keys(value, f"{above}{key}.") if isinstance(value, dict) else {f"{above}{key}"}
        found |= below
    return found


def changed(values: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    values = copy.deepcopy(values)
    *path, last = key.split(".")
    section = values
    for name in path:
        section = section[name]
    section[last] = value
    return values


def test_every_key_is_either_free_or_part_of_the_identity() -> None:
    assert keys(made_config().plain()) == FREE | IDENTITY


@pytest.mark.parametrize("key", sorted(IDENTITY))
def test_a_key_of_the_identity_may_not_change(key: str) -> None:
    stored = made_config().plain()
    given = changed(stored, key, "something else")
    with pytest.raises(StateError) as refused:
        check(stored, given)
    _, line = str(refused.value).split("\n")
    assert line.startswith(f"  {key}: ")
    assert line.endswith(" in the study, something else now")
    assert "--overwrite" in str(refused.value)


@pytest.mark.parametrize("key", sorted(FREE - {"search.trials"}))
def test_a_free_key_may_change(key: str) -> None:
    stored = made_config().plain()
    check(stored, changed(stored, key, "something else"))


def test_the_number_of_trials_may_only_grow() -> None:
    stored = made_config("search.trials=10").plain()
    check(stored, stored)
    check(stored, made_config("search.trials=11").plain())
    with pytest.raises(StateError, match=r"search\.trials: 10 in the study, 9 now; it may only"):
        check(stored, made_config("search.trials=9").plain())


def test_all_differences_are_named_at_once() -> None:
    given = made_config("seed=1", "space.depth={low: 1, high: 3}", "search.trials=1").plain()
    with pytest.raises(StateError) as refused:
        check(made_config().plain(), given)
    assert str(refused.value).split("\n")[1:] == [
        "  seed: 0 in the study, 1 now",
        "  space.depth: [1, 2, 3] in the study, absent now",
        "  space.depth.high: absent in the study, 3 now",
        "  space.depth.log: absent in the study, False now",
        "  space.depth.low: absent in the study, 1 now",
        "  search.trials: 20 in the study, 1 now; it may only grow",
    ]


def test_a_baseline_belongs_to_the_identity() -> None:
    blocks, training = "[{channels: 8, kernel_size: 5}]", "{learning_rate: 0.003}"
    baseline = f"search.baseline={{architecture: {{blocks: {blocks}}}, training: {training}}}"
    given = made_config(baseline).plain()
    for stored, now in ((made_config().plain(), given), (given, made_config().plain())):
        with pytest.raises(StateError, match=r"search\.baseline\.architecture\.blocks: "):
            check(stored, now)
