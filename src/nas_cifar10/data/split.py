"""Which picture is for training, validation or test; knows labels and counts, never a pixel.

The three parts follow from the labels, the config and the seed alone. One shuffle of every class
decides all: test takes from its front, then comes validation, and training is the rest, so that
another `validation_images` leaves the test set as it was.
"""

import math
import zlib
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nas_cifar10.config.schema import DataConfig
from nas_cifar10.data.pictures import Pictures
from nas_cifar10.errors import BadDataError, ConfigError

Numbers: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Split:
    """Row numbers of each part: int64, sorted, disjoint, together every row there is."""

    train: Tensor
    validation: Tensor
    test: Tensor


@dataclass(frozen=True, eq=False)
class DataSet:
    """The pictures in use and how they are divided.

    Attributes:
        images: (N, C, H, W) uint8, the source's own tensor unless `data.limit` left rows out.
        labels: (N,) int64, positions in `class_names`.
    """

    images: Tensor
    labels: Tensor
    class_names: tuple[str, ...]
    split: Split
    num_skipped: int
    num_ignored: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """C, H, W of one picture."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return len(self.class_names)


def divide(pictures: Pictures, config: DataConfig, seed: int) -> DataSet:
    """Split by class: test first, then the limit, then validation; training is the rest.

    Raises:
        ConfigError: a count asked for leaves a class without pictures where it needs some.
        BadDataError: a class has too few pictures to be divided at all.
    """
    parts = _parts(pictures, config, seed)
    rows = np.sort(np.concatenate(parts))
    images, labels = pictures.images, pictures.labels
    if len(rows) < len(labels):
        images, labels = images[rows], labels[rows]
        parts = [np.searchsorted(rows, part) for part in parts]
    split = Split(*(torch.from_numpy(np.sort(part)) for part in parts))
    left_out = len(pictures.bad), pictures.num_ignored
    return DataSet(images, labels, pictures.class_names, split, *left_out)


def _parts(pictures: Pictures, config: DataConfig, seed: int) -> list[Numbers]:
    """Return the rows of train, validation and test."""
    labels, names = pictures.labels.numpy(), pictures.class_names
    generator = np.random.default_rng(np.random.SeedSequence([seed, zlib.crc32(b"split")]))
    pool = _by_class(labels, 0, pictures.num_pool, len(names), generator)
    test = _by_class(labels, pictures.num_pool, len(labels), len(names), generator)
    own_test = pictures.num_pool < len(labels)
    _check_classes(_sizes(pool), names, own_test)
    if not own_test:
        test, pool = _cut(pool, _num_test(config, _sizes(pool)), keep=2)
    share = min(1.0, (config.limit or math.inf) / _sizes(pool).sum())
    if share < 1:
        pool, test = _limited(pool, test, config, share)
    validation, train = _cut(pool, _num_validation(config, _sizes(pool)), keep=1)
    return [np.concatenate(part) for part in (train, validation, test)]


def _by_class(
    labels: Numbers, start: int, stop: int, num_classes: int, generator: np.random.Generator
) -> list[Numbers]:
    """Return the rows from `start` up to `stop`, class by class, each class shuffled."""
    rows = np.arange(start, stop)
    return [generator.permutation(rows[labels[start:stop] == c]) for c in range(num_classes)]


def _sizes(classes: list[Numbers]) -> Numbers:
    return np.array([len(rows) for rows in classes], np.int64)


def _cut(classes: list[Numbers], total: int, *, keep: int) -> tuple[list[Numbers], list[Numbers]]:
    """Take `total` rows off the front, by class; at least `keep` of every class stay."""
    sizes = _sizes(classes)
    counts = shares(total, sizes, np.zeros_like(sizes), sizes - keep)
    pairs = list(zip(classes, counts, strict=True))
    return [rows[:count] for rows, count in pairs], [rows[count:] for rows, count in pairs]


def shares(total: int, sizes: Numbers, least: Numbers, most: Numbers) -> Numbers:
    """Divide `total` over classes in proportion to their sizes: largest remainders get the rest.

    Of the rest, a class that would get nothing is served first. Each count is within 1 of the
    exact share, except where `least` or `most` forbid it.
    """
    assert least.sum() <= total <= most.sum()
    whole = int(sizes.sum())
    counts = (total * sizes // whole).clip(least, most)
    while (missing := total - int(counts.sum())) != 0:
        remainder = total * sizes - counts * whole
        if missing > 0:
            hungry = np.where((counts == 0) & (sizes > 0), whole, 0)
            counts[np.where(counts < most, remainder + hungry, -(2**62)).argmax()] += 1
        else:
            counts[np.where(counts > least, remainder, 2**62).argmin()] -= 1
    return counts


def _check_classes(sizes: Numbers, names: tuple[str, ...], own_test: bool) -> None:
    least, uses = (2, "train and validation") if own_test else (3, "train, validation and test")
    for name, size in zip(names, sizes, strict=True):
        if size < least:
            raise BadDataError(
                f"class {name!r}: must have at least {least} pictures, for {uses}, got {size}; "
                f"add some, or remove the class"
            )


def _count(share: int | float, whole: int) -> int:
    """Return a count as it is, and a fraction as a count of at least one."""
    return share if isinstance(share, int) else max(1, math.floor(share * whole + 0.5))


def _num_test(config: DataConfig, sizes: Numbers) -> int:
    num, most = _count(config.test_images, sizes.sum()), int((sizes - 2).sum())
    if num > most:
        raise ConfigError(
            f"data.test_images: must leave 2 pictures of every class for train and validation, "
            f"that is at most {most:,} of {sizes.sum():,}, got {_asked(config.test_images, num)}; "
            f"use fewer"
        )
    return num


def _num_validation(config: DataConfig, sizes: Numbers) -> int:
    num, most = _count(config.validation_images, sizes.sum()), int((sizes - 1).sum())
    if num > most:
        raise ConfigError(
            f"data.validation_images: must leave a picture of every class for train, that is at "
            f"most {most:,} of {sizes.sum():,}, got {_asked(config.validation_images, num)}; use "
            f"fewer" + (", or raise data.limit" if config.limit else "")
        )
    return num


def _asked(share: int | float, num: int) -> str:
    return f"{num:,}" if isinstance(share, int) else f"{share} (that is {num:,})"


def _limited(
    pool: list[Numbers], test: list[Numbers], config: DataConfig, share: float
) -> tuple[list[Numbers], list[Numbers]]:
    """Cap the pool at `data.limit` and test in proportion, with one of every class in each."""
    assert config.limit is not None
    if config.limit < len(pool):
        raise ConfigError(
            f"data.limit: must be at least the number of classes, {len(pool)}, got {config.limit}"
        )
    sizes = _sizes(test)
    some = sizes.clip(max=1)
    num_test = max(math.floor(share * sizes.sum() + 0.5), some.sum())
    return _first(pool, config.limit, _sizes(pool).clip(max=1)), _first(test, num_test, some)


def _first(classes: list[Numbers], total: int, least: Numbers) -> list[Numbers]:
    sizes = _sizes(classes)
    counts = shares(total, sizes, least, sizes)
    return [rows[:count] for rows, count in zip(classes, counts, strict=True)]
