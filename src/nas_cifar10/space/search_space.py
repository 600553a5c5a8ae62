"""The YAML's space as named dimensions, and how one candidate is drawn; knows no sampler.

All `max_depth` blocks are drawn always and the first `depth` used, so that the set of dimensions
is flat and fixed: model-based samplers work on dimensions that every trial has.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from nas_cifar10.config import SpaceConfig
from nas_cifar10.dimensions import Range, largest
from nas_cifar10.space.candidate import Architecture, Block, Candidate

Value: TypeAlias = int | float


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
    """Every value a candidate is made of: searched (`dimensions`) or the same for all (`fixed`)."""

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
            written[f"block{number}.channels"] = config.channels
            written[f"block{number}.kernel_size"] = config.kernel_size
        drawn = config.training.model_dump(exclude_none=True)
        written |= {f"training.{name}": getattr(config.training, name) for name in drawn}
        read = {name: _dimension(name, value) for name, value in written.items()}
        return cls(
            dimensions={n: d for n, d in read.items() if not isinstance(d, int | float)},
            fixed={n: d for n, d in read.items() if isinstance(d, int | float)},
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
        blocks = tuple(
            Block("conv", int(full[f"block{n}.channels"]), int(full[f"block{n}.kernel_size"]))
            for n in range(1, int(full["depth"]) + 1)
        )
        training = tuple((name, full[f"training.{name}"]) for name in self.training_names)
        return Candidate(Architecture(blocks), training)

    def values(self, candidate: Candidate) -> dict[str, Value]:
        """Return what each dimension has to be drawn as to give `candidate`.

        Blocks the candidate does not have get the first value of their dimension.
        """
        used = self.used_values(candidate)
        return {name: used.get(name, first(d)) for name, d in self.dimensions.items()}

    def used_values(self, candidate: Candidate) -> dict[str, Value]:
        """Return the dimensions that the candidate's network depends on, with their values."""
        blocks = candidate.architecture.blocks
        found: dict[str, Value] = {"depth": len(blocks)}
        for number, block in enumerate(blocks, start=1):
            found[f"block{number}.channels"] = block.channels
            found[f"block{number}.kernel_size"] = block.kernel_size
        found |= {f"training.{name}": value for name, value in candidate.training}
        return {name: value for name, value in found.items() if name in self.dimensions}

    def size(self) -> float:
        """Count the distinct candidates; infinite where a real range is searched."""
        per_block = math.prod(
            count(self._get(f"block1.{key}")) for key in ("channels", "kernel_size")
        )
        depths = values_of(self._get("depth"))
        training = math.prod(count(self._get(f"training.{name}")) for name in self.training_names)
        return sum(per_block ** int(depth) for depth in depths) * training

    def enumerate(self) -> Iterator[Candidate]:
        """Yield every distinct candidate once, shallow ones first, in a fixed order.

        Raises:
            ValueError: a real range is searched.
        """
        training = [f"training.{name}" for name in self.training_names]
        for depth in sorted(values_of(self._get("depth"))):
            names = [
                f"block{number}.{key}"
                for number in range(1, int(depth) + 1)
                for key in ("channels", "kernel_size")
            ] + training
            for drawn in itertools.product(*(values_of(self._get(name)) for name in names)):
                blocks = dict(zip(names, drawn, strict=True))
                yield self._candidate_of_depth(int(depth), blocks)

    def extremes(self) -> tuple[Candidate, Candidate]:
        """Return the candidate with everything at its smallest, and that at its largest."""
        return self._extreme(min), self._extreme(max)

    def _extreme(self, pick: Callable[[Any], Value]) -> Candidate:
        ends = {name: pick(ends_of(d)) for name, d in self.dimensions.items()}
        return self.candidate(ends)

    def _candidate_of_depth(self, depth: int, drawn: Mapping[str, Value]) -> Candidate:
        padded = {name: first(d) for name, d in self.dimensions.items()}
        return self.candidate({**padded, **drawn, "depth": depth})

    def _get(self, name: str) -> Dimension | Value:
        return self.dimensions[name] if name in self.dimensions else self.fixed[name]


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


def first(dimension: Dimension) -> Value:
    """Return the value that stands in where a network does not use the dimension."""
    return dimension.values[0] if isinstance(dimension, Choice) else dimension.low


def ends_of(dimension: Dimension) -> tuple[Value, ...]:
    """Return values among which the smallest and the largest are."""
    if isinstance(dimension, Choice):
        return dimension.values
    return dimension.low, dimension.high


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
