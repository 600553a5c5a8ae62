"""The YAML's space as named dimensions, and how one candidate is drawn; knows no sampler.

All `max_depth` blocks are drawn always and the first `depth` used, so that the set of dimensions
is flat and fixed: model-based samplers work on dimensions that every trial has.
"""

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from nas_cifar10.config.dimensions import Range, largest
from nas_cifar10.config.schema import SpaceConfig
from nas_cifar10.space.candidate import (
    ARCHITECTURE_KEYS,
    BLOCK_KEYS,
    PLAIN,
    Architecture,
    Block,
    Candidate,
)

Value: TypeAlias = int | float | str

# The words of a key, from the least work to the most where they make a difference.
WORK: Mapping[str, tuple[str, ...]] = {
    "kind": ("depthwise_separable", "conv", "residual"),
    "norm": ("none", "batch"),
    "activation": ("relu", "silu", "gelu"),
    "pooling": ("stride", "max", "average", "none"),
    "skip": ("none", "add"),
    "stem": ("none", "conv", "whitening"),
    "head": ("average", "max", "flatten"),
    "initialisation": ("default", "dirac"),
}
# In the order of plain studies, then whatever has a plain value.
_BLOCK_ORDER = ("channels", "kernel_size", *(key for key in BLOCK_KEYS if key in PLAIN))


@dataclass(frozen=True)
class Choice:
    """One of a few values, in no order."""

    values: tuple[Value, ...]


@dataclass(frozen=True)
class IntegerRange:
    """Whole numbers from low to high, both included, `step` apart."""

    low: int
    high: int
    step: int = 1
    log: bool = False


@dataclass(frozen=True)
class RealRange:
    """Real numbers from low to high."""

    low: float
    high: float
    log: bool = False


Dimension: TypeAlias = Choice | IntegerRange | RealRange
Suggest: TypeAlias = Callable[[str, Dimension], Value]


@dataclass(frozen=True)
class SearchSpace:
    """Every value a candidate is made of: searched (`dimensions`) or the same for all (`fixed`).

    What is fixed at its plain value stands in neither.
    """

    dimensions: Mapping[str, Dimension]
    fixed: Mapping[str, Value]
    max_depth: int
    training_names: tuple[str, ...]

    @classmethod
    def from_config(cls, config: SpaceConfig) -> "SearchSpace":
        """Name every dimension: `depth`, `block1.channels` …, `training.learning_rate`."""
        max_depth = largest(config.depth)
        written: dict[str, Any] = {"depth": config.depth}
        for number in range(1, max_depth + 1):
            written |= {f"block{number}.{key}": getattr(config, key) for key in _BLOCK_ORDER}
        written |= {key: getattr(config, key) for key in ARCHITECTURE_KEYS}
        drawn = config.training.model_dump(exclude_none=True)
        written |= {f"training.{name}": getattr(config.training, name) for name in drawn}
        read = {name: _dimension(name, value) for name, value in written.items()}
        return cls(
            dimensions={n: d for n, d in read.items() if not isinstance(d, Value)},
            fixed={
                n: d for n, d in read.items() if isinstance(d, Value) and d != PLAIN.get(_key(n))
            },
            max_depth=max_depth,
            training_names=tuple(sorted(drawn)),
        )

    def sample(self, suggest: Suggest) -> Candidate:
        """Draw one candidate; `suggest(name, dimension)` is asked once for every dimension."""
        values = {name: suggest(name, dimension) for name, dimension in self.dimensions.items()}
        return self.candidate(values)

    def candidate(self, values: Mapping[str, Value]) -> Candidate:
        """Put together the candidate that these values of the dimensions stand for."""
        full = {**self.fixed, **values}
        blocks = tuple(_block(full, number) for number in range(1, int(full["depth"]) + 1))
        training = tuple((name, full[f"training.{name}"]) for name in self.training_names)
        whole: dict[str, Any] = {key: full[key] for key in ARCHITECTURE_KEYS if key in full}
        return Candidate(Architecture(blocks, **whole), training)  # type: ignore[arg-type] # no words

    def completed(self, values: Mapping[str, Value]) -> Candidate:
        """Do as `candidate`, where values that the network does not use may be missing."""
        stand_ins = {name: ends_of(dimension)[0] for name, dimension in self.dimensions.items()}
        return self.candidate({**stand_ins, **values})

    def used_values(self, candidate: Candidate) -> dict[str, Value]:
        """Return the dimensions that the candidate's network depends on, with their values."""
        whole = candidate.architecture
        found: dict[str, Value] = {"depth": len(whole.blocks)}
        for number, block in enumerate(whole.blocks, start=1):
            keys = (key for key in BLOCK_KEYS if key != "skip" or block.may_skip)
            found |= {f"block{number}.{key}": getattr(block, key) for key in keys}
        found |= {key: getattr(whole, key) for key in ARCHITECTURE_KEYS}
        found |= {f"training.{name}": value for name, value in candidate.training}
        return {name: found[name] for name in self.dimensions if name in found}

    def size(self) -> float:
        """Count the distinct candidates; infinite where a real range is searched."""
        per_block = self.num_blocks() * count(self._get("block1.dropout"))
        rest = math.prod(count(self._get(name)) for name in self.names_besides_blocks)
        return sum(per_block**depth for depth in self.depths) * rest

    def enumerate(self) -> Iterator[Candidate]:
        """Yield every distinct candidate once, shallow ones first, in a fixed order.

        Raises:
            ValueError: a real range is searched.
        """
        for depth in sorted(self.depths):
            numbers = range(1, depth + 1)
            names = [f"block{number}.{key}" for number in numbers for key in _BLOCK_ORDER]
            names += self.names_besides_blocks
            for values in itertools.product(*(values_of(self._get(name)) for name in names)):
                drawn = dict(zip(names, values, strict=True))
                candidate = self.completed({**drawn, "depth": depth})
                if self._is_first(candidate, drawn):
                    yield candidate

    def _is_first(self, candidate: Candidate, drawn: Mapping[str, Value]) -> bool:
        """Say whether no earlier values give the same candidate: what it does not use is first."""
        blocks = enumerate(candidate.architecture.blocks, start=1)
        unused = [f"block{number}.skip" for number, block in blocks if not block.may_skip]
        return all(drawn[name] == values_of(self._get(name))[0] for name in unused)

    def num_blocks(self) -> float:
        """Count the distinct blocks, whatever is dropped behind them."""
        alike = ("kind", "convolutions", "skip")
        several = itertools.product(*(values_of(self._get(f"block1.{key}")) for key in alike))
        drawn = (dict(zip(alike, values, strict=True)) for values in several)
        distinct = {_of_keys({**values, "channels": 1, "kernel_size": 1}) for values in drawn}
        others = (key for key in BLOCK_KEYS if key not in (*alike, "dropout"))
        return len(distinct) * math.prod(count(self._get(f"block1.{key}")) for key in others)

    def blocks(self) -> Iterator[Block]:
        """Yield every distinct block once, whatever is dropped behind it."""
        keys = [key for key in BLOCK_KEYS if key != "dropout"]
        choices = (values_of(self._get(f"block1.{key}")) for key in keys)
        drawn = (dict(zip(keys, values, strict=True)) for values in itertools.product(*choices))
        yield from dict.fromkeys(map(_of_keys, drawn))

    @property
    def names_besides_blocks(self) -> list[str]:
        """What is drawn once, whatever the depth, by name."""
        return [*ARCHITECTURE_KEYS, *(f"training.{name}" for name in self.training_names)]

    @property
    def depths(self) -> tuple[int, ...]:
        """Every number of blocks a network can have."""
        return tuple(int(depth) for depth in values_of(self._get("depth")))

    def words(self, name: str) -> tuple[str, ...]:
        """Return every word a dimension of words can be."""
        return tuple(str(word) for word in values_of(self._get(name)))

    def extremes(self, macs: Callable[[Candidate], int]) -> tuple[Candidate, Candidate]:
        """Return the candidate with everything at its smallest, and that at its largest.

        Args:
            macs: Counts a candidate's: which stem has most of them depends on the blocks.
        """
        return self._extreme(min, macs), self._extreme(max, macs)

    def _extreme(self, pick: Callable[..., Any], macs: Callable[[Candidate], int]) -> Candidate:
        ends: dict[str, Value] = {
            name: pick(ends_of(d), key=functools.partial(_work, name))
            for name, d in self.dimensions.items()
        }

        def counted(stem: str) -> tuple[int, float]:
            return macs(self.candidate({**ends, "stem": stem})), _work("stem", stem)

        if "stem" in self.dimensions:
            ends["stem"] = pick(self.words("stem"), key=counted)
        return self.candidate(ends)

    def _get(self, name: str) -> Dimension | Value:
        if name in self.dimensions:
            return self.dimensions[name]
        return self.fixed[name] if name in self.fixed else PLAIN[_key(name)]


def _key(name: str) -> str:
    """Return `kernel_size` of `block2.kernel_size`."""
    return name.rpartition(".")[2]


def _work(name: str, value: Value) -> float:
    """Return a number that grows with the work a value makes."""
    return WORK[_key(name)].index(value) if isinstance(value, str) else value


def _block(full: Mapping[str, Value], number: int) -> Block:
    names = {key: f"block{number}.{key}" for key in BLOCK_KEYS}
    return _of_keys({key: full[name] for key, name in names.items() if name in full})


def _of_keys(values: Mapping[str, Any]) -> Block:
    """Return the block of these values; where `skip` changes nothing it is left out."""
    block = Block(**{"kind": "conv", **values})
    return block if block.may_skip else replace(block, skip="none")


def _dimension(name: str, written: Any) -> Dimension | Value:
    """Translate one YAML value; a list of one value is a fixed value."""
    if isinstance(written, tuple):
        return Choice(written) if len(written) > 1 else written[0]
    if not isinstance(written, Range):
        return written  # type: ignore[no-any-return] # a plain number, checked by the schema
    if isinstance(written.low, int):
        step = 2 if name.endswith("kernel_size") else 1
        return IntegerRange(written.low, written.high, step, written.log)
    return RealRange(float(written.low), float(written.high), written.log)


def ends_of(dimension: Dimension) -> tuple[Value, ...]:
    """Return values among which the smallest and the largest are."""
    if isinstance(dimension, Choice):
        return dimension.values
    return dimension.low, dimension.high


def numeric(dimension: Dimension) -> Dimension:
    """Return a dimension with its words replaced by their places, 0 and up."""
    if _has_words(dimension):
        return Choice(tuple(range(len(values_of(dimension)))))
    return dimension


def as_number(dimension: Dimension, written: str) -> float | str:
    """Return a word's place, as in `numeric(dimension)`; a number stays as it is written.

    Raises:
        ValueError: the dimension has no such word.
    """
    if not _has_words(dimension):
        return written
    if written not in values_of(dimension):
        raise ValueError(f"{written!r} is not in the space")
    return values_of(dimension).index(written)


def from_number(dimension: Dimension, number: float) -> Value:
    """Return the value that stands behind one of `numeric(dimension)`."""
    if _has_words(dimension):
        return values_of(dimension)[int(number)]
    return int(number) if number == int(number) else number


def _has_words(dimension: Dimension) -> bool:
    return isinstance(dimension, Choice) and isinstance(dimension.values[0], str)


def values_of(dimension: Dimension | Value) -> tuple[Value, ...]:
    """Return every value of a dimension.

    Raises:
        ValueError: it is a real range.
    """
    if isinstance(dimension, RealRange):
        raise ValueError("a real range has no list of values")
    if isinstance(dimension, IntegerRange):
        return tuple(range(dimension.low, dimension.high + 1, dimension.step))
    return dimension.values if isinstance(dimension, Choice) else (dimension,)


def count(dimension: Dimension | Value) -> float:
    """Return how many values a dimension has."""
    return math.inf if isinstance(dimension, RealRange) else len(values_of(dimension))
