"""However a training is cut or shared out, every optimizer, schedule and augmentation is exact."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
import torch

from made_retrain import go as retrain
from made_retrain import made_job
from made_search import fresh, go, pictures, reopen, search_config, table
from made_study import made_config, no_waiting
from nas_cifar10.config.schema import TrainingConfig
from nas_cifar10.data.loader import normalise
from nas_cifar10.epochs import Epoch
from nas_cifar10.errors import BadDataError
from nas_cifar10.networks.whitening import whitening_filters
from nas_cifar10.search.driver import run_search
from nas_cifar10.search.executors import LocalProcesses
from nas_cifar10.segment import SEARCH, Segment, Trained, train_segment
from nas_cifar10.space.candidate import Architecture, Block, Candidate
from nas_cifar10.training.checkpoint import load_state, weights

EVERYTHING = (
    "training.optimizer=muon",
    "training.schedule=one_cycle",
    "training.weight_decay=0.01",
    "training.bias_factor=4",
    "training.label_smoothing=0.1",
    "training.weight_averaging=0.9",
    "training.flip=alternating",
    "training.translate=1",
    "training.cutout=3",
    "training.colour_jitter=0.3",
    "training.mixup=0.4",
)
RECIPES: dict[str, tuple[str, ...]] = {
    "adam": ("training.optimizer=adam", "training.weight_decay=0.01"),
    "adamw": ("training.optimizer=adamw", "training.weight_decay=0.1"),
    "sgd": ("training.optimizer=sgd", "training.momentum=0.8"),
    "muon": ("training.optimizer=muon",),
    "cosine": ("training.schedule=cosine",),
    "triangular": ("training.schedule=triangular",),
    "one_cycle": ("training.schedule=one_cycle",),
    "biases": ("training.bias_factor=8",),
    "smoothing": ("training.label_smoothing=0.2",),
    "averaging": ("training.weight_averaging=0.99",),
    "random flip": ("training.flip=random",),
    "alternating flip": ("training.flip=alternating",),
    "translate": ("training.translate=2",),
    "cutout": ("training.cutout=4",),
    "jitter": ("training.colour_jitter=0.5",),
    "mixup": ("training.mixup=1",),
    "everything": EVERYTHING,
}
BLOCKS = (Block("conv", 8, 3), Block("conv", 4, 3))


def segment(stop: int, *overrides: str, epochs: int = 3, **changes: Any) -> Segment:
    made = Segment(
        candidate=Candidate(Architecture(BLOCKS), (("learning_rate", 0.005),)),
        training=made_config(f"training.epochs={epochs}", *overrides).training,
        data="made up",
        seed=3,
        stream=SEARCH,
        trial=2,
        stop=stop,
        precision="fp32",
        measure_precision="fp32",
    )
    return replace(made, **changes)


def train(given: Segment, checkpoint: bytes | None = None, threads: int = 1) -> Trained:
    torch.set_num_threads(threads)
    try:
        result = train_segment(given, pictures(), checkpoint)
    finally:
        torch.set_num_threads(1)
    assert isinstance(result, Trained)
    return result


def timeless(epochs: tuple[Epoch, ...]) -> list[Epoch]:
    return [replace(epoch, seconds=0) for epoch in epochs]


def flat(value: Any) -> list[Any]:
    """Return everything in a state, tensors as lists of numbers."""
    if isinstance(value, torch.Tensor):
        return [value.tolist()]
    if isinstance(value, dict):
        return [leaf for key in value for leaf in (key, *flat(value[key]))]
    if isinstance(value, (list, tuple)):
        return [leaf for item in value for leaf in flat(item)]
    return [value]


def content(checkpoint: bytes) -> list[Any]:
    state = load_state(checkpoint)
    del state["epochs"]  # they hold times
    return flat(state)


def test_every_optimizer_schedule_and_augmentation_is_a_recipe() -> None:
    names = {"learning_rate", "epochs", "batch_size", "precision", "threads"}
    told = {override.partition("=")[0] for recipe in RECIPES.values() for override in recipe}
    assert {f"training.{key}" for key in TrainingConfig.model_fields.keys() - names} == told
    for key in ("optimizer", "schedule", "flip"):
        words = set(get_args(TrainingConfig.model_fields[key].annotation))
        plain = TrainingConfig.model_fields[key].default
        tried = {o.partition("=")[2] for r in RECIPES.values() for o in r if f".{key}=" in o}
        assert tried | {plain} == words


def cut_is_whole(threads: int, *overrides: str, **changes: Any) -> Trained:
    """Train at once and an epoch a segment, compare to the bit, and return what came of it."""
    whole, checkpoint = train(segment(3, *overrides, **changes), threads=threads), None
    for stop in (1, 2, 3):
        torch.manual_seed(stop)  # the world's random numbers have no say
        part = train(segment(stop, *overrides, **changes), checkpoint, threads)
        checkpoint = part.checkpoint
    assert timeless(part.epochs) == timeless(whole.epochs)
    assert content(part.checkpoint) == content(whole.checkpoint)
    return whole


FORMATS = {each: {"precision": each, "measure_precision": each} for each in ("fp32", "bf16")}


@pytest.mark.parametrize("threads", [1, 2])  # two: in lanes
@pytest.mark.parametrize("number_format", FORMATS)
@pytest.mark.parametrize("overrides", RECIPES.values(), ids=RECIPES.keys())
def test_segments_of_one_epoch_equal_one_of_all_to_the_bit(
    overrides: tuple[str, ...], number_format: str, threads: int
) -> None:
    cut_is_whole(threads, *overrides, **FORMATS[number_format])


def sixty_epochs(*overrides: str) -> tuple[Epoch, ...]:
    rate = Candidate(Architecture(BLOCKS), (("learning_rate", 0.01),))
    return train(segment(60, *overrides, epochs=60, candidate=rate)).epochs


@pytest.fixture(scope="module")
def plain() -> tuple[Epoch, ...]:
    return sixty_epochs()


@pytest.mark.parametrize("overrides", RECIPES.values(), ids=RECIPES.keys())
def test_every_recipe_changes_the_numbers_and_learns(
    plain: tuple[Epoch, ...], overrides: tuple[str, ...]
) -> None:
    found = sixty_epochs(*overrides)
    assert timeless(found) != timeless(plain)
    assert found[-1].train.loss < math.log(10) - 0.1, "better than a guess"


NETWORKS = {
    "residual": Architecture(
        (
            Block("residual", 6, 3, 2, "batch", "gelu", "stride", 0.2),
            Block("residual", 6, 3, 1, "batch", "silu", "average"),
        ),
        stem="whitening",
        head="average",
        initialisation="dirac",
    ),
    "separable": Architecture(
        (Block("depthwise_separable", 8, 5, 3, "batch", "silu", "max", 0.1, "add"),),
        stem="conv",
        head="max",
    ),
}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("number_format", FORMATS)
@pytest.mark.parametrize("architecture", NETWORKS.values(), ids=NETWORKS.keys())
def test_rich_networks_are_as_exact(
    architecture: Architecture, number_format: str, threads: int
) -> None:
    own = Candidate(architecture, (("learning_rate", 0.005),))
    whole = cut_is_whole(threads, *EVERYTHING, candidate=own, **FORMATS[number_format])
    assert whole.epochs[-1].train.loss < whole.epochs[0].train.loss


def test_whitening_filters_are_those_of_the_training_pictures_and_never_learn() -> None:
    own = Candidate(NETWORKS["residual"], ())
    kept = weights(train(segment(2, candidate=own)).checkpoint)
    shown = pictures()
    expected = whitening_filters(normalise(shown.images[shown.train_rows]))
    assert torch.equal(kept["stem.0.weight"], expected)


@pytest.mark.parametrize("schedule", ["cosine", "triangular", "one_cycle"])
def test_an_epoch_is_the_same_however_early_a_trial_is_stopped(schedule: str) -> None:
    whole = train(segment(3, f"training.schedule={schedule}"))
    stopped = train(segment(1, f"training.schedule={schedule}"))
    assert timeless(stopped.epochs) == timeless(whole.epochs)[:1]
    longer = train(segment(1, f"training.schedule={schedule}", epochs=9))
    assert timeless(longer.epochs) != timeless(stopped.epochs)


def test_only_a_constant_rate_lets_a_training_grow_longer() -> None:
    constant = train(segment(1)).checkpoint
    assert len(train(segment(2, epochs=9), constant).epochs) == 2
    cosine = train(segment(1, "training.schedule=cosine")).checkpoint
    with pytest.raises(BadDataError, match="belongs to another trial"):
        train_segment(segment(2, "training.schedule=cosine", epochs=9), pictures(), cosine)


def test_the_averaged_weights_are_those_that_are_measured_and_kept() -> None:
    trained = train(segment(2, "training.weight_averaging=0.9"))
    state = load_state(trained.checkpoint)
    for name, kept in weights(trained.checkpoint).items():
        assert torch.equal(kept, state["average"][name])
        assert not torch.equal(kept, state["network"][name])


def test_searched_values_reach_the_training() -> None:
    drawn = {"learning_rate": 0.005, "weight_decay": 0.1, "mixup": 0.5, "translate": 1}
    own = Candidate(Architecture(BLOCKS), tuple(sorted(drawn.items())))
    overrides = ["training.weight_decay=0.1", "training.mixup=0.5", "training.translate=1"]
    searched = train(segment(2, candidate=own))
    assert timeless(searched.epochs) == timeless(train(segment(2, *overrides)).epochs)


@pytest.fixture(scope="module")
def crews() -> Iterator[list[LocalProcesses]]:
    """Return two workers, and four, for every recipe."""
    shown, cpu = pictures(), torch.device("cpu")
    with LocalProcesses(shown, 1, cpu, 2) as two, LocalProcesses(shown, 1, cpu, 4) as four:
        yield [two, four]


@pytest.mark.parametrize("overrides", RECIPES.values(), ids=RECIPES.keys())
def test_a_stopped_search_and_two_and_four_workers_give_the_study_of_one(
    tmp_path: Path, crews: list[LocalProcesses], overrides: tuple[str, ...]
) -> None:
    small = ("search.trials=4", "search.cohort=4", "training.epochs=2", "space.depth=1")
    config = search_config(*small, "space.channels=4", *overrides)
    alone, place = fresh(tmp_path / "alone", config)
    go(alone, place)
    stopped, place = fresh(tmp_path / "stopped", config)
    go(stopped, place, events=7)
    go(reopen(place), place)
    assert table(reopen(place)) == table(alone)
    for crew in crews:
        shared, place = fresh(tmp_path / str(crew.free), config)
        with no_waiting():
            assert list(run_search(shared, place.run, crew))
        assert table(shared) == table(alone)


@pytest.mark.parametrize("overrides", RECIPES.values(), ids=RECIPES.keys())
def test_a_stopped_retrain_goes_on_to_the_same_model(
    tmp_path: Path, overrides: tuple[str, ...]
) -> None:
    whole, stopped = (made_job(tmp_path / name, *overrides) for name in ("whole", "stopped"))
    retrain(whole)
    retrain(stopped, epochs=1)
    assert len(retrain(stopped, resume=True)) == 2
    one, other = whole.folder, stopped.folder
    assert one.model.read_bytes() == other.model.read_bytes()
    assert one.predictions.read_bytes() == other.predictions.read_bytes()


SEARCHES = {
    "everything": EVERYTHING,
    "sgd": ("training.optimizer=sgd", "training.schedule=triangular", "training.flip=random"),
    "rich blocks": (
        "space.kind=[conv, residual, depthwise_separable]",
        "space.convolutions={low: 1, high: 2}",
        "space.norm=[none, batch]",
        "space.pooling=[max, stride]",
        "space.dropout={low: 0, high: 0.3}",
        "space.skip=[none, add]",
        "space.stem=[conv, whitening]",
        "space.head=[max, flatten]",
        "space.initialisation=[default, dirac]",
    ),
    "searched": (
        "space.training.weight_decay={low: 0, high: 0.1}",
        "space.training.label_smoothing=[0, 0.1]",
        "space.training.translate={low: 0, high: 2}",
        "space.training.cutout=[0, 3]",
        "space.training.colour_jitter={low: 0.0, high: 0.5}",
        "space.training.mixup={low: 0.1, high: 1, log: true}",
        "training.optimizer=adamw",
    ),
}


@pytest.mark.parametrize("overrides", SEARCHES.values(), ids=SEARCHES.keys())
def test_four_workers_and_resumed_searches_give_the_study_of_one(
    tmp_path: Path, overrides: tuple[str, ...]
) -> None:
    small = ("search.trials=4", "search.cohort=4", "training.epochs=2", "space.depth=1")
    config = search_config(*small, "space.channels=4", *overrides)
    (one, place), (four, shared) = (fresh(tmp_path / name, config) for name in ("one", "four"))
    go(one, place, events=7)
    go(one, place)
    go(four, shared, workers=4)
    assert table(one) == table(four)
    assert len(one.trials()) == 4
