"""What keys must not be together, and which change nothing; knows no single key's range."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from nas_cifar10.config.candidate import ArchitectureConfig, BlockConfig, FixedTraining
from nas_cifar10.config.dimensions import Range, Section, contains, largest, options
from nas_cifar10.config.schema import (
    WITH_MOMENTUM,
    Config,
    SearchedTraining,
    SpaceConfig,
    searched_training,
)
from nas_cifar10.config.search import RayConfig, SearchConfig

Breach: TypeAlias = tuple[str, str]
Rule: TypeAlias = Callable[[Config], Iterator[Breach]]

BLOCK_KEYS = tuple(BlockConfig.model_fields)
WHOLE_KEYS = tuple(key for key in ArchitectureConfig.model_fields if key != "blocks")


def pools_fit(config: Config) -> Iterator[Breach]:
    """The deepest network, pooled after every block that may be, must leave at least 1x1."""
    depth, size, wanted = largest(config.space.depth), config.data.size, 0
    if "whitening" in options(config.space.stem):
        size, wanted = size - 1, 1
    # A convolution of stride 2 rounds up, so it never comes below 1x1.
    if {"max", "average"} & set(options(config.space.pooling)) and size >> depth < 1:
        yield (
            "space.depth",
            f"{depth} poolings by 2 shrink pictures of {size}x{size} below 1x1; use at most "
            f"{size.bit_length() - 1} blocks, or data.image_size of at least {2**depth + wanted}",
        )


def searched_or_set(config: Config) -> Iterator[Breach]:
    """A training value is either searched or set."""
    for key in searched_training(config):
        if key in config.training.model_fields_set:
            value = getattr(config.training, key)
            yield (
                f"training.{key}",
                f"is searched as space.training.{key} and cannot be set to {value} as well; "
                f"to fix it, set space.training.{key}={value}",
            )


def shifts_fit(config: Config) -> Iterator[Breach]:
    """Pictures are shifted by less than their size, and no square is larger than they are."""
    size, searched = config.data.size, searched_training(config)
    for key, most in (("translate", size - 1), ("cutout", size)):
        place = f"space.training.{key}" if key in searched else f"training.{key}"
        asked = largest(searched.get(key, getattr(config.training, key)))
        if asked > most:
            yield (
                place,
                f"must be at most {most} for pictures of {size}x{size}, got {asked}; "
                f"use less, or a larger data.image_size",
            )


def kernels_are_not_logarithmic(config: Config) -> Iterator[Breach]:
    """A kernel range runs over odd numbers, which no logarithmic axis has."""
    if isinstance(config.space.kernel_size, Range) and config.space.kernel_size.log:
        yield "space.kernel_size.log", "must be false: kernel sizes are drawn from odd numbers"


def exhaustive_is_finite(config: Config) -> Iterator[Breach]:
    """A space with a range of real numbers cannot be enumerated."""
    if config.search.sampler.name == "exhaustive":
        searched = {f"training.{key}": d for key, d in searched_training(config).items()}
        for key, dimension in {"dropout": config.space.dropout, **searched}.items():
            if isinstance(dimension, Range) and isinstance(dimension.low, float):
                yield (
                    "search.sampler.name",
                    f"exhaustive cannot enumerate the continuous range space.{key}; "
                    f"give it a list, or use tpe or random",
                )


def objectives_agree(config: Config) -> Iterator[Breach]:
    """`search.objective` is left out, or is the first of `search.objectives`."""
    one, several = config.search.objective, config.search.objectives
    if several is not None and "objective" in config.search.model_fields_set and one != several[0]:
        yield (
            "search.objective",
            f"is {one}, while search.objectives begins with {several[0]}; "
            f"leave out search.objective, or set search.objective={several[0]}",
        )


def test_stays_unread(config: Config) -> Iterator[Breach]:
    """The test set is not both monitored and left unread."""
    if config.retrain.monitor == "test" and not config.retrain.test:
        yield (
            "retrain.monitor",
            "test would read the test set that retrain.test=false leaves unread; "
            "use validation or none",
        )


def frozen_is_learnt(config: Config) -> Iterator[Breach]:
    """Blocks are frozen only where they were learnt by another run."""
    if config.retrain.freeze and config.retrain.start_from is None:
        yield (
            "retrain.freeze",
            f"would keep {config.retrain.freeze} blocks as they are drawn; set retrain.start_from "
            f"to a run that has learnt them, or freeze 0",
        )


def baseline_in_space(config: Config) -> Iterator[Breach]:
    """The baseline is a candidate of the space, so that the sampler can learn from it."""
    if config.search.baseline is None:
        return
    given, where = config.search.baseline.architecture, "search.baseline.architecture"
    for key, said in outside(config.space, given, WHOLE_KEYS):
        yield f"{where}.{key}", said
    yield from _baseline_training(config.search.baseline.training, searched_training(config))


def outside(space: SpaceConfig, given: ArchitectureConfig, keys: Iterable[str]) -> Iterator[Breach]:
    """Yield the keys of a network that the space cannot draw so, each with what it can.

    Args:
        keys: Those that are looked at beside the blocks'.
    """
    if not contains(space.depth, len(given.blocks)):
        said = _not_in("space.depth", space.depth, len(given.blocks))
        yield "blocks", f"number of blocks {said}"
    for number, block in enumerate(given.blocks):
        own = (key for key in BLOCK_KEYS if key != "skip" or block.may_skip)
        yield from _outside(space, block, own, f"blocks.{number}.")
    yield from _outside(space, given, keys, "")


def _outside(
    space: SpaceConfig, given: Section, keys: Iterable[str], where: str
) -> Iterator[Breach]:
    for key in keys:
        dimension, value = getattr(space, key), getattr(given, key)
        if not contains(dimension, value):
            yield f"{where}{key}", _not_in(f"space.{key}", dimension, value)


def _baseline_training(given: FixedTraining, searched: Mapping[str, Any]) -> Iterator[Breach]:
    for key in FixedTraining.model_fields:
        value, place = getattr(given, key), f"search.baseline.training.{key}"
        if value is None and key in searched:
            yield place, f"is required, since the space draws it as space.training.{key}"
        elif value is not None and key not in searched:
            yield place, f"is not drawn by the space; leave it out, or list space.training.{key}"
        elif value is not None and not contains(searched[key], value):
            yield place, _not_in(f"space.training.{key}", searched[key], value)


def _not_in(name: str, dimension: Any, value: float | str) -> str:
    if isinstance(dimension, Range):
        written = f"{{low: {dimension.low}, high: {dimension.high}}}"
    else:
        several = isinstance(dimension, tuple)
        written = f"[{', '.join(map(str, dimension))}]" if several else str(dimension)
    return f"must be in {name}, which is {written}, got {value}"


# Each rule with the keys it reads: where one of them is wrong by itself, the rule says nothing.
RULES: Mapping[Rule, tuple[str, ...]] = {
    pools_fit: ("space.depth", "space.pooling", "space.stem", "data.source", "data.image_size"),
    searched_or_set: ("space.training", *(f"training.{k}" for k in SearchedTraining.model_fields)),
    shifts_fit: (
        "space.training",
        "training.translate",
        "training.cutout",
        "data.source",
        "data.image_size",
    ),
    kernels_are_not_logarithmic: ("space.kernel_size",),
    exhaustive_is_finite: ("search.sampler", "space.dropout", "space.training"),
    objectives_agree: ("search.objective", "search.objectives"),
    test_stays_unread: ("retrain.monitor", "retrain.test"),
    frozen_is_learnt: ("retrain.freeze", "retrain.start_from"),
    baseline_in_space: (
        "search.baseline",
        "space.depth",
        *(f"space.{key}" for key in (*BLOCK_KEYS, *WHOLE_KEYS)),
        "space.training",
    ),
}


def notices(config: Config) -> list[str]:
    """Name what differs from its default and changes nothing, or not what it seems to."""
    data, sampler, schedule = config.data, config.search.sampler, config.search.schedule
    training, found = config.training, []
    if data.source != "image_folder" and _changed(data, "on_bad_image"):
        found.append(f"data.on_bad_image has no effect with data.source={data.source}")
    if data.source == "digits" and _changed(data, "root"):
        found.append("data.root has no effect with data.source=digits, which needs no folder")
    if data.source == "cifar10" and _changed(data, "test_images"):
        found.append("data.test_images has no effect: cifar10 brings its own test set")
    if training.optimizer not in WITH_MOMENTUM and _changed(training, "momentum"):
        found.append(f"training.momentum has no effect with {training.optimizer}")
    if not _has_startup(config.search) and _changed(sampler, "startup_trials"):
        also = " and a baseline" if sampler.name == "local" else ""
        found.append(f"search.sampler.startup_trials has no effect with {sampler.name}{also}")
    if _has_startup(config.search):
        found += _none_guided(config.search)
    if schedule.name == "none" and _changed(schedule, "reduction_factor"):
        found.append("search.schedule.reduction_factor has no effect with schedule none")
    if config.search.executor != "ray" and config.search.ray != RayConfig():
        found.append(f"search.ray has no effect with search.executor={config.search.executor}")
    if config.retrain.views != "none" and config.retrain.measured_part is None:
        found.append("retrain.views has no effect where neither test nor validation is measured")
    return found


def _none_guided(search: SearchConfig) -> list[str]:
    """Say so where every trial is drawn at random."""
    startup, trials, cohort = search.sampler.startup_trials, search.trials, search.cohort
    guide = "TPE's model" if search.sampler.name == "tpe" else "a local search"
    none = f"to {guide}: the search is random"
    if startup >= trials:
        return [f"search.sampler.startup_trials={startup} leaves none of {trials} trials {none}"]
    ended = (trials - 1) // cohort * cohort  # when the last trial is drawn, if none is infeasible
    limited = any(limit is not None for limit in search.constraints.model_dump().values())
    if ended < startup and not limited:
        with_startup = f"search.cohort={cohort}, with startup_trials={startup},"
        asked = f"{trials} trials, asked {cohort} at a time,"
        return [f"{with_startup} leaves none of {asked} {none}"]
    return []


def _has_startup(search: SearchConfig) -> bool:
    """Say whether trials are drawn at random before the sampler proposes any."""
    started = search.sampler.name == "local" and search.baseline is not None
    return search.sampler.name in {"tpe", "local"} and not started


def _changed(section: Section, key: str) -> bool:
    return bool(getattr(section, key) != type(section).model_fields[key].default)
