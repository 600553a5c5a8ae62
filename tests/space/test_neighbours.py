"""A neighbour is in the space, is another candidate, and differs in little."""

from collections.abc import Mapping
from random import Random
from statistics import mean
from typing import Any

from hypothesis import given

from made_space import SEEDS, draw, space_of, spaces
from nas_cifar10.space.neighbours import CHANGES, STEP, neighbour, values_for
from nas_cifar10.space.search_space import RealRange, SearchSpace, Value, count, values_of


def differing(one: Mapping[str, Value], other: Mapping[str, Value]) -> set[str]:
    return {name for name in one if one[name] != other[name]}


@given(spaces(finite=False) | spaces(finite=False, plain=False), SEEDS)
def test_a_neighbour_is_in_the_space_and_differs(space: SearchSpace, seed: int) -> None:
    candidate = space.sample(draw(seed))
    values = values_for(space, candidate, Random(seed))
    found = neighbour(space, values, Random(seed))
    assert found.keys() == space.dimensions.keys()
    for name, dimension in space.dimensions.items():
        if isinstance(dimension, RealRange):
            assert dimension.low <= float(found[name]) <= dimension.high
        else:
            assert found[name] in values_of(dimension)
    used = space.used_values(candidate)
    could = any(count(space.dimensions[name]) > 1 for name in used)
    assert bool(differing(used, found)) == could
    assert neighbour(space, values, Random(seed)) == found


WIDE: dict[str, Any] = {
    "depth": [1, 2, 3],
    "channels": [8, 32, 16, 64],
    "kernel_size": {"low": 1, "high": 9},
    "pooling": ["max", "average", "none"],
    "training": {"learning_rate": {"low": 0.001, "high": 0.1, "log": True}},
}


def neighbours(values: Mapping[str, Value], num: int = 2000) -> list[dict[str, Value]]:
    return [neighbour(space_of(**WIDE), values, Random(seed)) for seed in range(num)]


def middle() -> dict[str, Value]:
    space = space_of(**WIDE)
    blocks: dict[str, Value] = {
        "depth": 2,
        **{f"block{n}.channels": 16 for n in (1, 2, 3)},
        **{f"block{n}.kernel_size": 5 for n in (1, 2, 3)},
        **{f"block{n}.pooling": "max" for n in (1, 2, 3)},
    }
    values: dict[str, Value] = {**blocks, "training.learning_rate": 0.01}
    assert values.keys() == space.dimensions.keys()
    return values


def test_numbers_move_to_the_next_words_to_any_and_ranges_by_a_step() -> None:
    found = neighbours(middle())
    assert {new["block1.channels"] for new in found} == {8, 16, 32}
    assert {new["block1.pooling"] for new in found} == {"max", "average", "none"}
    assert {new["depth"] for new in found} == {1, 2, 3}
    kernels = [int(new["block2.kernel_size"]) for new in found]
    assert {1, 3, 5, 7, 9} >= set(kernels) >= {3, 5, 7}
    rates = [float(new["training.learning_rate"]) for new in found]
    moved = sorted(rate for rate in rates if rate != 0.01)
    assert 0.001 <= moved[0] < 0.005 < 0.02 < moved[-1] <= 0.1
    within = [rate for rate in moved if 0.01 / 100**STEP <= rate <= 0.01 * 100**STEP]
    assert 0.6 < len(within) / len(moved) < 0.75  # a normal step: 68 % within one deviation


def test_two_dimensions_change_in_the_mean_and_one_at_least() -> None:
    used = space_of(**WIDE).used_values(space_of(**WIDE).candidate(middle()))
    changes = [len(differing(used, new)) for new in neighbours(middle())]
    assert min(changes) == 1
    assert abs(mean(changes) - CHANGES) < 0.3  # a little more: none would be no neighbour


def test_what_the_network_does_not_have_is_drawn_anew() -> None:
    found = neighbours(middle())
    assert {new["block3.channels"] for new in found} == {8, 16, 32, 64}
    assert {new["block3.kernel_size"] for new in found} == {1, 3, 5, 7, 9}


def test_a_step_over_the_end_of_a_range_comes_back() -> None:
    space = space_of(depth=1, channels=8, kernel_size=3, training=WIDE["training"])
    for end in (0.001, 0.1):
        values: dict[str, Value] = {"training.learning_rate": end}
        found = [neighbour(space, values, Random(seed)) for seed in range(300)]
        rates = [float(new["training.learning_rate"]) for new in found]
        assert all(0.001 < rate < 0.1 for rate in rates)  # cut off, half of them would be the end


def test_a_space_of_one_network_has_no_other() -> None:
    space = space_of(depth=2, channels=8, kernel_size=3)
    assert neighbour(space, {}, Random(0)) == {}


def test_what_a_network_does_not_depend_on_is_drawn_from_all_there_is() -> None:
    """Or else a search of all networks credits depth to blocks that only deep ones have."""
    written = {"low": 8, "high": 128, "log": True}
    space = space_of(depth=[1, 2], channels=written, kernel_size=[3, 5])
    shallow = space.candidate({"depth": 1} | dict.fromkeys(space.dimensions, 8) | {"depth": 1})
    drawn = [values_for(space, shallow, Random(seed)) for seed in range(400)]
    assert {values["block2.kernel_size"] for values in drawn} == {3, 5}
    channels = [float(values["block2.channels"]) for values in drawn]
    assert min(channels) < 10
    assert max(channels) > 115
    assert 0.4 < mean(value < 32 for value in channels) < 0.6, "half of it, by logarithms"
