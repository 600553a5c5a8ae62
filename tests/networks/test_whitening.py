"""Whitening filters: what comes out of them is white."""

import pytest
import torch
from torch import Tensor, nn

from nas_cifar10.networks.build import build, initialise
from nas_cifar10.networks.whitening import whiten, whitening_filters
from nas_cifar10.space.candidate import Architecture, Block


def pictures(colours: int, num: int = 40) -> Tensor:
    """Return smooth noise, in which neighbours are alike, as in photographs."""
    generator = torch.Generator().manual_seed(2)
    coarse = torch.randn(num, colours, 5, 5, generator=generator)
    fine = torch.randn(num, colours, 16, 16, generator=generator)
    return nn.functional.interpolate(coarse, 16, mode="bilinear") + 0.3 * fine


@pytest.mark.parametrize("colours", [1, 3])
def test_filtered_patches_are_uncorrelated_and_vary_alike(colours: int) -> None:
    images, number = pictures(colours), 4 * colours
    filters = whitening_filters(images)
    assert filters.shape == (2 * number, colours, 2, 2)
    assert torch.equal(filters[number:], -filters[:number])
    flat = filters[:number].flatten(1)
    largest = flat.gather(1, flat.abs().argmax(1, keepdim=True))
    assert (largest > 0).all(), "which of a filter and its mirror comes first is no accident"
    seen = nn.functional.conv2d(images, filters[:number]).transpose(0, 1).flatten(1).double()
    covariance = seen @ seen.T / seen.shape[1]
    assert torch.allclose(covariance, torch.eye(number, dtype=torch.float64), atol=0.03)


def test_pictures_of_one_colour_do_not_blow_the_filters_up() -> None:
    assert whitening_filters(torch.full((3, 3, 8, 8), 0.5)).abs().max() < 50


def test_the_stem_is_filled_in_and_stays_while_its_biases_learn() -> None:
    architecture = Architecture((Block("conv", 4, 3, activation="gelu"),), stem="whitening")
    network, images = build(architecture, (3, 16, 16), 10), pictures(3)
    initialise(network, 1)
    whiten(network, images)
    filters = network.get_submodule("stem.0")
    assert isinstance(filters, nn.Conv2d)
    assert filters.bias is not None
    assert torch.equal(filters.weight, whitening_filters(images))
    assert not filters.weight.requires_grad
    assert filters.bias.requires_grad
    assert network.get_submodule("stem")(images).shape == (40, 24, 15, 15)
    assert network(images).shape == (40, 10)
