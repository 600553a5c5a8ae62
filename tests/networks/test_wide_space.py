"""The widest space: a thousand random candidates hold all its words, and each is as it should be.

All but the first few are tried in test_wide_space_1 to 4.
"""

import itertools

import pytest

from made_wide_space import FEW, PARTS, SPACE, WIDEST, check, drawn
from nas_cifar10.networks.cost import cost

THOUSAND = [*FEW, *itertools.chain(*PARTS)]


@pytest.mark.parametrize("seed", FEW)
def test_a_random_candidate_builds_learns_and_survives_json(seed: int) -> None:
    check(seed)


def test_a_thousand_draws_hold_every_word_of_the_space() -> None:
    assert len(set(THOUSAND)) == 1000
    seen = {key: set[str]() for key in WIDEST if isinstance(WIDEST[key], list)}
    for candidate in map(drawn, THOUSAND):
        whole = vars(candidate.architecture)
        for key, block in itertools.product(seen, candidate.architecture.blocks):
            seen[key].add(str(whole[key] if key in whole else getattr(block, key, "")))
    del seen["depth"]
    assert seen == {key: set(map(str, WIDEST[key])) for key in seen}


def test_the_ends_of_the_widest_space_are_the_least_and_the_most_work() -> None:
    ends = SPACE.extremes(lambda candidate: cost(candidate.architecture, (3, 32, 32), 10).macs)
    smallest, largest = (cost(end.architecture, (3, 32, 32), 10) for end in ends)
    assert str(ends[0].architecture).startswith("4, kernels 1, kind depthwise")
    for seed in range(100):
        found = cost(drawn(seed).architecture, (3, 32, 32), 10)
        assert smallest.macs <= found.macs <= largest.macs
        assert smallest.parameters <= found.parameters <= largest.parameters
