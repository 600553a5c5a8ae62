"""What keys must not be together, and which change nothing; knows no single key's range."""

from collections.abc import Callable, Iterator
from typing import TypeAlias

from nas_cifar10.config import Config, FixedTraining, searched_training
from nas_cifar10.dimensions import Range, contains, largest

Broken: TypeAlias = tuple[str, str]


def pools_fit(config: Config) -> Iterator[Broken]:
    """Every block halves the picture; the last one must leave at least 1x1."""
    depth, size = largest(config.space.depth), config.data.size
    if size >> depth < 1:
        yield (
            "space.depth",
            (
                f"{depth} poolings by 2 shrink pictures of {size}x{size} below 1x1; use at most "
                f"{size.bit_length() - 1} blocks, or data.image_size of at least {2**depth}"
            ),
        )


def searched_or_set(config: Config) -> Iterator[Broken]:
    """A training value is either searched or set."""
    for key in searched_training(config):
        if key in config.training.model_fields_set:
            value = getattr(config.training, key)
            yield (
                f"training.{key}",
                (
                    f"is searched as space.training.{key} and cannot be set to {value} as well; "
                    f"to fix it, set space.training.{key}={value}"
                ),
            )


def kernels_are_not_logarithmic(config: Config) -> Iterator[Broken]:
    """A kernel range runs over odd numbers, which no logarithmic axis has."""
    if isinstance(config.space.kernel_size, Range) and config.space.kernel_size.log:
        yield "space.kernel_size.log", "must be false: kernel sizes are drawn from odd numbers"


def one_worker(config: Config) -> Iterator[Broken]:
    """Trials are trained one after the other."""
    if config.search.workers not in (1, "auto"):
        yield "search.workers", f"must be 1, got {config.search.workers}"


def exhaustive_is_finite(config: Config) -> Iterator[Broken]:
    """A space with a continuous range cannot be enumerated."""
    if config.search.sampler.name == "exhaustive":
        for key, dimension in searched_training(config).items():
            if isinstance(dimension, Range) and key == "learning_rate":
                yield (
                    "search.sampler.name",
                    (
                        f"exhaustive cannot enumerate the continuous range space.training.{key}; "
                        f"give it a list, or use tpe or random"
                    ),
                )


def test_stays_unread(config: Config) -> Iterator[Broken]:
    """The test set is not both monitored and left unread."""
    if config.retrain.monitor == "test" and not config.retrain.test:
        yield (
            "retrain.monitor",
            (
                "test would read the test set that retrain.test=false leaves unread; "
                "use validation or none"
            ),
        )


def baseline_in_space(config: Config) -> Iterator[Broken]:
    """The baseline is a candidate of the space, so that the sampler can learn from it."""
    baseline = config.search.baseline
    if baseline is None:
        return
    space, blocks = config.space, baseline.architecture.blocks
    where = "search.baseline.architecture.blocks"
    if not contains(space.depth, len(blocks)):
        yield where, f"{len(blocks)} blocks are not in space.depth"
    for number, block in enumerate(blocks):
        for key in ("channels", "kernel_size"):
            if not contains(getattr(space, key), getattr(block, key)):
                yield f"{where}.{number}.{key}", f"{getattr(block, key)} is not in space.{key}"
    searched = searched_training(config)
    for key in FixedTraining.model_fields:
        value = getattr(baseline.training, key)
        if (value is None) != (key not in searched):
            rule = (
                "is drawn by the space and must be given"
                if value is None
                else "is not drawn by the space; leave it out"
            )
            yield f"search.baseline.training.{key}", rule
        elif value is not None and not contains(searched[key], value):
            yield f"search.baseline.training.{key}", f"{value} is not in space.training.{key}"


RULES: tuple[Callable[[Config], Iterator[Broken]], ...] = (
    pools_fit,
    searched_or_set,
    kernels_are_not_logarithmic,
    one_worker,
    exhaustive_is_finite,
    test_stays_unread,
    baseline_in_space,
)


def notices(config: Config) -> list[str]:
    """Name the settings that are written down and change nothing here."""
    found = []
    given = config.data.model_fields_set
    if config.data.source != "image_folder" and "on_bad_image" in given:
        found.append(f"data.on_bad_image has no effect with data.source={config.data.source}")
    if config.data.source == "digits" and "root" in given:
        found.append("data.root has no effect with data.source=digits")
    if config.data.source == "cifar10" and "test_images" in given:
        found.append("data.test_images has no effect: cifar10 brings its own test set")
    if (
        config.search.sampler.name != "tpe"
        and "startup_trials" in config.search.sampler.model_fields_set
    ):
        found.append(
            f"search.sampler.startup_trials has no effect with {config.search.sampler.name}"
        )
    if (
        config.search.schedule.name == "none"
        and "reduction_factor" in config.search.schedule.model_fields_set
    ):
        found.append("search.schedule.reduction_factor has no effect with schedule none")
    return found
