"""Parameters and MACs against torch's own counters."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from nas_cifar10.networks.build import build
from nas_cifar10.networks.cost import cost
from nas_cifar10.space.candidate import Architecture, Block

blocks = st.builds(Block, st.just("conv"), st.integers(1, 24), st.sampled_from([1, 3, 5, 7]))
architectures = st.builds(Architecture, st.lists(blocks, min_size=1, max_size=3).map(tuple))
shapes = st.tuples(st.integers(1, 4), st.integers(8, 20), st.integers(8, 20))


@settings(deadline=None, max_examples=40, derandomize=True)
@given(architectures, shapes, st.integers(2, 12))
def test_cost_agrees_with_torchs_counters(
    architecture: Architecture, shape: tuple[int, int, int], num_classes: int
) -> None:
    network = build(architecture, shape, num_classes)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, *shape))
    found = cost(architecture, shape, num_classes)
    assert found.macs * 2 == counter.get_total_flops()
    assert found.parameters == sum(parameter.numel() for parameter in network.parameters())


def test_the_published_network_costs_what_is_known_of_it() -> None:
    published = Architecture((Block("conv", 64, 5), Block("conv", 64, 3), Block("conv", 64, 5)))
    found = cost(published, (3, 32, 32), 10)
    by_hand = 32 * 32 * 64 * 75 + 16 * 16 * 64 * 576 + 8 * 8 * 64 * 1600 + 1024 * 10
    assert (found.parameters, found.macs) == (154_506, by_hand)


def test_counting_takes_no_memory_for_weights() -> None:
    giant = Architecture((Block("conv", 4096, 31), Block("conv", 4096, 31)))
    assert cost(giant, (3, 32, 32), 10).parameters > 16_000_000_000


def test_counting_leaves_the_global_random_state_alone() -> None:
    before = torch.random.get_rng_state()
    cost(Architecture((Block("conv", 8, 3),)), (3, 8, 8), 10)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_too_many_blocks_for_the_picture_are_refused() -> None:
    with pytest.raises(ValueError, match="below 1x1"):
        cost(Architecture((Block("conv", 8, 3),) * 4), (3, 8, 8), 10)
