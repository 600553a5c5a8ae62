"""The values of a candidate and of its neighbours, a little of it changed; knows no study."""

import math
from collections.abc import Mapping, Sequence
from random import Random

from nas_cifar10.space.candidate import Candidate
from nas_cifar10.space.search_space import (
    Dimension,
    IntegerRange,
    RealRange,
    SearchSpace,
    Value,
    count,
    values_of,
)

CHANGES = 2  # dimensions, in the mean: what one of them costs another may have to save
STEP = 0.15  # of a range: the standard deviation of a step on it


def values_for(space: SearchSpace, candidate: Candidate, rng: Random) -> dict[str, Value]:
    """Return what each dimension has to be drawn as to give a candidate.

    Those that its network does not depend on, as on the blocks that it does not have, are drawn:
    or else what the others are worth would be laid to them, too.
    """
    used = space.used_values(candidate)
    return {
        name: used[name] if name in used else _anywhere(dimension, rng)
        for name, dimension in space.dimensions.items()
    }


def neighbour(space: SearchSpace, values: Mapping[str, Value], rng: Random) -> dict[str, Value]:
    """Return values beside those of another candidate, for a local search (arXiv 2005.02960).

    Every dimension that its network depends on changes with the same chance, and at least one does:
    a number to the next smaller or larger one, a word to any other, a place on a range by a normal
    step. What the network does not depend on is drawn anew, so that another block may be any block.

    Args:
        values: One for each dimension of the space.
    """
    used = space.used_values(space.candidate(values))
    changing = _some([name for name in used if count(space.dimensions[name]) > 1], rng)
    found = dict[str, Value]()
    for name, dimension in space.dimensions.items():
        if name in changing:
            found[name] = _beside(dimension, values[name], rng)
        else:
            found[name] = values[name] if name in used else _anywhere(dimension, rng)
    return found


def _some(names: Sequence[str], rng: Random) -> set[str]:
    """Draw `CHANGES` names in the mean, one at least; none of none."""
    drawn = {name for name in names if rng.random() * len(names) < CHANGES}
    return drawn or set(rng.sample(names, min(1, len(names))))


def _beside(dimension: Dimension, value: Value, rng: Random) -> Value:
    if isinstance(dimension, RealRange):
        return _stepped(dimension, float(value), rng)
    others = [other for other in values_of(dimension) if other != value]
    if isinstance(value, str):
        return rng.choice(others)
    if isinstance(dimension, IntegerRange):
        target = _stepped(RealRange(dimension.low, dimension.high, dimension.log), value, rng)
        return min(others, key=lambda other: abs(float(other) - target))
    in_order = sorted(values_of(dimension), key=float)
    place = in_order.index(value)
    return rng.choice([in_order[p] for p in (place - 1, place + 1) if 0 <= p < len(in_order)])


def _stepped(dimension: RealRange, value: float, rng: Random) -> float:
    """Take a step on a range; one over its end comes back from there."""
    low, high, start = (
        math.log(each) if dimension.log else each for each in (dimension.low, dimension.high, value)
    )
    place = (start - low) / (high - low) + rng.gauss(sigma=STEP)
    return _at(dimension, 1 - abs(1 - abs(place)))


def _at(dimension: RealRange, place: float) -> float:
    """Return the value at a place between 0 and 1 of a range."""
    low, high = dimension.low, dimension.high
    found = low * (high / low) ** place if dimension.log else low + (high - low) * place
    return min(max(low, found), high)  # rounding must not leave it


def _anywhere(dimension: Dimension, rng: Random) -> Value:
    if isinstance(dimension, RealRange):
        return _at(dimension, rng.random())
    if isinstance(dimension, IntegerRange) and dimension.log:
        around = RealRange(dimension.low - 0.5, dimension.high + 0.5, log=True)
        place = _at(around, rng.random())
        return min(values_of(dimension), key=lambda value: abs(float(value) - place))
    return rng.choice(values_of(dimension))
