"""The space: what is drawn, how much of it there is, and the way from values to candidates."""

import itertools
import json
import math
from random import Random

import pytest
from hypothesis import given, settings

from made_space import SEEDS, draw, space_of, spaces
from nas_cifar10.networks.cost import cost
from nas_cifar10.space.candidate import Candidate
from nas_cifar10.space.neighbours import values_for
from nas_cifar10.space.search_space import (
    Choice,
    Dimension,
    IntegerRange,
    RealRange,
    SearchSpace,
    Value,
    as_number,
    from_number,
    numeric,
)

PLAIN = space_of(training={"learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}})


@given(spaces(finite=False), SEEDS)
def test_a_sample_survives_json_with_the_same_fingerprint(space: SearchSpace, seed: int) -> None:
    candidate = space.sample(draw(seed))
    read = Candidate.from_json(json.loads(json.dumps(candidate.to_json())))
    assert read == candidate
    assert read.fingerprint() == candidate.fingerprint()


@given(spaces(finite=False), SEEDS)
def test_every_dimension_is_asked_once_whatever_the_depth(space: SearchSpace, seed: int) -> None:
    asked: list[str] = []
    suggest = draw(seed)

    def note(name: str, dimension: Dimension) -> Value:
        asked.append(name)
        value: Value = suggest(name, dimension)
        return value

    space.sample(note)
    assert asked == list(space.dimensions)


@given(spaces(finite=False), SEEDS)
def test_values_and_candidate_undo_each_other(space: SearchSpace, seed: int) -> None:
    candidate = space.sample(draw(seed))
    values = values_for(space, candidate, Random(seed))
    assert values.keys() == space.dimensions.keys()
    assert space.candidate(values) == candidate
    assert values_for(space, space.candidate(values), Random(seed)) == values
    assert space.used_values(candidate).items() <= values.items()


@settings(max_examples=25)
@given(spaces(finite=True, plain=False), SEEDS)
def test_a_rich_space_is_counted_enumerated_and_undone_alike(space: SearchSpace, seed: int) -> None:
    found = list(space.enumerate())
    assert len(found) == space.size()
    assert len({candidate.fingerprint() for candidate in found}) == len(found)
    candidate = space.sample(draw(seed))
    assert candidate in set(found)
    assert space.candidate(values_for(space, candidate, Random(seed))) == candidate
    read = Candidate.from_json(json.loads(json.dumps(candidate.to_json())))
    assert read.fingerprint() == candidate.fingerprint()
    smallest, largest = space.extremes(_macs)
    assert {smallest, largest} <= set(found)


def test_a_skip_without_effect_is_not_in_the_candidate_and_its_dimension_blank() -> None:
    space = space_of(depth=1, channels=4, kernel_size=3, convolutions=[1, 2], skip=["none", "add"])
    assert list(space.dimensions) == ["block1.convolutions", "block1.skip"]
    alone = space.candidate({"block1.convolutions": 1, "block1.skip": "add"})
    assert alone == space.candidate({"block1.convolutions": 1, "block1.skip": "none"})
    assert space.used_values(alone) == {"block1.convolutions": 1}
    several = space.candidate({"block1.convolutions": 2, "block1.skip": "add"})
    assert space.used_values(several) == {"block1.convolutions": 2, "block1.skip": "add"}
    assert space.size() == 3


def test_words_are_numbers_by_their_place_and_back() -> None:
    choice = Choice(("max", "none"))
    assert numeric(choice) == Choice((0, 1))
    assert [as_number(choice, word) for word in choice.values if isinstance(word, str)] == [0, 1]
    assert [from_number(choice, place) for place in (0.0, 1.0)] == ["max", "none"]
    with pytest.raises(ValueError, match="'min' is not in the space"):
        as_number(choice, "min")
    rate = RealRange(0.1, 1.0)
    assert numeric(rate) == rate
    assert (as_number(rate, "0.5"), from_number(rate, 0.5)) == ("0.5", 0.5)


def test_what_is_not_plain_is_searched_behind_what_is() -> None:
    space = space_of(depth=[1, 2], norm=["none", "batch"], dropout=0.1, stem=["none", "conv"])
    assert list(space.dimensions) == [
        "depth",
        *(f"block{n}.{key}" for n in (1, 2) for key in ("channels", "kernel_size", "norm")),
        "stem",
    ]
    assert space.fixed == {"block1.dropout": 0.1, "block2.dropout": 0.1}


@given(spaces(finite=True))
def test_the_size_is_the_number_of_distinct_candidates(space: SearchSpace) -> None:
    found = list(space.enumerate())
    assert len(found) == space.size()
    assert len({candidate.fingerprint() for candidate in found}) == len(found)


@given(spaces(finite=True), SEEDS)
def test_every_sample_is_enumerated(space: SearchSpace, seed: int) -> None:
    assert space.sample(draw(seed)) in set(space.enumerate())


@given(SEEDS, SEEDS)
def test_blocks_that_are_not_used_leave_the_fingerprint_alone(one: int, other: int) -> None:
    used = {
        "depth": 2,
        "block1.channels": 64,
        "block1.kernel_size": 5,
        "block2.channels": 16,
        "block2.kernel_size": 3,
        "training.learning_rate": 0.001,
    }
    fingerprints = set()
    for suggest in draw(one), draw(other):
        drawn = {name: suggest(name, dimension) for name, dimension in PLAIN.dimensions.items()}
        fingerprints.add(PLAIN.candidate(drawn | used).fingerprint())
    assert len(fingerprints) == 1


def test_the_plain_space_has_1548_architectures() -> None:
    architectures = space_of()
    assert architectures.size() == 1548 == 6**2 + 6**3 + 6**4
    assert len({str(c.architecture) for c in architectures.enumerate()}) == 1548


def test_a_space_with_a_real_range_is_infinite_and_not_enumerated() -> None:
    assert PLAIN.size() == math.inf
    with pytest.raises(ValueError, match="a real range has no list of values"):
        next(PLAIN.enumerate())


def test_shallow_candidates_come_first_in_the_enumeration() -> None:
    depths = [len(c.architecture.blocks) for c in space_of(depth=[3, 1, 2]).enumerate()]
    assert depths == sorted(depths)


def test_the_plain_space_has_flat_named_dimensions() -> None:
    assert dict(PLAIN.dimensions) == {
        "depth": Choice((2, 3, 4)),
        **{f"block{n}.channels": Choice((16, 32, 64)) for n in range(1, 5)},
        **{f"block{n}.kernel_size": Choice((3, 5)) for n in range(1, 5)},
        "training.learning_rate": RealRange(1e-4, 1e-2, log=True),
    }
    assert PLAIN.fixed == {}


def test_one_value_and_a_list_of_one_are_fixed() -> None:
    for three in (3, [3]):
        space = space_of(depth=2, channels=[16], kernel_size=three)
        assert space.dimensions == {}
        assert space.size() == 1
        assert str(space.sample(draw(0)).architecture) == "16-16, kernels 3-3"


def test_ranges_of_kernels_hold_odd_numbers_only() -> None:
    space = space_of(depth=1, channels=16, kernel_size={"low": 3, "high": 7})
    assert dict(space.dimensions) == {"block1.kernel_size": IntegerRange(3, 7, step=2)}
    assert [c.architecture.blocks[0].kernel_size for c in space.enumerate()] == [3, 5, 7]


def test_a_range_of_whole_numbers_stays_whole_and_one_of_rates_real() -> None:
    space = space_of(
        channels={"low": 8, "high": 64, "log": True},
        training={"learning_rate": {"low": 1, "high": 2}, "batch_size": {"low": 32, "high": 33}},
    )
    assert space.dimensions["block1.channels"] == IntegerRange(8, 64, log=True)
    assert space.dimensions["training.batch_size"] == IntegerRange(32, 33)
    assert space.dimensions["training.learning_rate"] == RealRange(1.0, 2.0)


@given(spaces(finite=True))
def test_the_extremes_are_the_smallest_and_the_largest(space: SearchSpace) -> None:
    smallest, largest = space.extremes(_macs)
    everything = set(space.enumerate())
    assert {smallest, largest} <= everything
    for candidate, pick in itertools.product(everything, (min, max)):
        extreme = smallest if pick is min else largest
        for measure in (_depth, _channels, _kernels):
            assert pick(measure(candidate), measure(extreme)) == measure(extreme)


@pytest.mark.parametrize(("channels", "stem"), [([4, 8], "whitening"), ([4, 64], "conv")])
def test_the_stem_of_the_largest_network_is_the_one_with_the_most_work(
    channels: list[int], stem: str
) -> None:
    """A plain first convolution is as wide as the first block, a whitening one never wider."""
    space = space_of(depth=2, channels=channels, kernel_size=3, stem=["none", "conv", "whitening"])
    smallest, largest = space.extremes(_macs)
    everything = list(space.enumerate())
    assert _macs(smallest) == min(map(_macs, everything))
    assert _macs(largest) == max(map(_macs, everything))
    assert largest.architecture.stem == stem


def _macs(candidate: Candidate) -> int:
    return cost(candidate.architecture, (3, 32, 32), 10).macs


def _depth(candidate: Candidate) -> int:
    return len(candidate.architecture.blocks)


def _channels(candidate: Candidate) -> int:
    return sum(block.channels for block in candidate.architecture.blocks)


def _kernels(candidate: Candidate) -> int:
    return sum(block.kernel_size for block in candidate.architecture.blocks)


def test_the_extremes_of_the_plain_space() -> None:
    smallest, largest = PLAIN.extremes(_macs)
    assert str(smallest.architecture) == "16-16, kernels 3-3"
    assert str(largest.architecture) == "64-64-64-64, kernels 5-5-5-5"
