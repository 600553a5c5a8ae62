"""Networks: their shape, their first weights, and what they leave alone."""

import math

import pytest
import torch
from torch import nn

from nas_cifar10.networks.build import build, initialise
from nas_cifar10.networks.layers import conv_block
from nas_cifar10.space.candidate import Architecture, Block

PUBLISHED = Architecture((Block("conv", 64, 5), Block("conv", 64, 3), Block("conv", 64, 5)))


def test_the_published_network_has_154506_parameters() -> None:
    network = build(PUBLISHED, (3, 32, 32), 10)
    assert sum(parameter.numel() for parameter in network.parameters()) == 154_506


@pytest.mark.parametrize(
    ("shape", "num_classes", "blocks"),
    [((3, 32, 32), 10, 3), ((1, 8, 8), 10, 3), ((3, 9, 21), 2, 3), ((1, 2, 2), 7, 1)],
)
def test_pictures_of_any_shape_come_out_as_one_logit_a_class(
    shape: tuple[int, int, int], num_classes: int, blocks: int
) -> None:
    network = build(Architecture(PUBLISHED.blocks[:blocks]), shape, num_classes)
    assert network(torch.zeros(5, *shape)).shape == (5, num_classes)


def test_too_many_blocks_for_the_picture_are_refused() -> None:
    with pytest.raises(ValueError, match="3 poolings shrink 7x32 below 1x1"):
        build(PUBLISHED, (3, 7, 32), 10)


def test_first_weights_depend_on_the_seed_alone() -> None:
    one, two, three = (build(PUBLISHED, (3, 32, 32), 10) for _ in range(3))
    torch.manual_seed(1)
    initialise(one, 7)
    torch.manual_seed(2)
    initialise(two, 7)
    initialise(three, 8)
    pairs = zip(one.parameters(), two.parameters(), three.parameters(), strict=True)
    for first, same, other in pairs:
        assert torch.equal(first, same)
        assert not torch.equal(first, other)


def test_initialising_leaves_the_global_random_state_alone() -> None:
    network = build(PUBLISHED, (3, 32, 32), 10)
    before = torch.random.get_rng_state()
    initialise(network, 3)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_first_weights_fill_the_same_interval_as_torchs_default() -> None:
    network = build(Architecture((Block("conv", 256, 5),)), (16, 8, 8), 10)
    default = {name: p.abs().max().item() for name, p in network.named_parameters()}
    initialise(network, 0)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            bound = 1 / math.sqrt(module.weight[0].numel())
            assert 0.99 * bound < module.weight.abs().max().item() <= bound
            assert module.weight.mean().abs().item() < 0.02 * bound
            assert module.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.02)
    for name, parameter in network.named_parameters():
        assert parameter.abs().max().item() == pytest.approx(default[name], rel=0.25)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_pooling_first_gives_the_values_and_gradients_of_relu_first(
    precision: torch.dtype,
) -> None:
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        images = torch.randn(6, 5, 8, 9, generator=generator).to(precision)
        images = (images * 4).round() / 4  # so that many are equal, and many are exactly 0
        upstream = torch.randn(6, 5, 4, 4, generator=generator).to(precision)
        pool, relu = nn.MaxPool2d(2), nn.ReLU()
        ways = (nn.Sequential(pool, relu), nn.Sequential(relu, pool))
        values, gradients = [], []
        for layers in ways:
            given = images.clone().requires_grad_()
            values.append(layers(given))
            values[-1].backward(upstream)
            assert given.grad is not None
            gradients.append(given.grad)
        assert torch.equal(*values)
        assert torch.equal(*gradients)


def test_a_block_pools_before_its_relu() -> None:
    block = conv_block(3, Block("conv", 4, 3))
    assert [type(layer) for layer in block.children()] == [nn.Conv2d, nn.MaxPool2d, nn.ReLU]
