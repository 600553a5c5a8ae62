"""Blocks, stems and first weights, each against the same thing written out."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_cifar10.networks.build import build, initialise
from nas_cifar10.networks.layers import BLOCKS, POOLINGS, BatchNorm, Pointwise, pooled
from nas_cifar10.space.candidate import Architecture, Block

PLAIN = Block("conv", 6, 3)


def pictures(channels: int, size: int = 9, num: int = 5) -> Tensor:
    return torch.randn(num, channels, size, size, generator=torch.Generator().manual_seed(1))


def made(in_channels: int, block: Block) -> nn.Module:
    network = BLOCKS[block.kind](in_channels, block)
    initialise(network, 3)
    return network


def filters(network: nn.Module) -> list[nn.Conv2d]:
    return [module for module in network.modules() if isinstance(module, nn.Conv2d)]


def norms(network: nn.Module) -> list[nn.BatchNorm2d]:
    return [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]


def normalised(images: Tensor) -> Tensor:
    """Batch normalisation while learning, written out."""
    mean = images.mean((0, 2, 3), keepdim=True)
    variance = images.var((0, 2, 3), unbiased=False, keepdim=True)
    return (images - mean) / (variance + 1e-5).sqrt()


def test_a_block_of_several_convolutions_is_pooled_and_normalised_in_this_order() -> None:
    block = replace(PLAIN, convolutions=2, norm="batch", activation="gelu")
    network, images = made(4, block), pictures(4)
    one, two = filters(network)
    assert one.bias is None, "the norm would undo it"
    inner = F.gelu(normalised(F.max_pool2d(one(images), 2)))
    expected = F.gelu(normalised(two(inner)))
    assert torch.allclose(network(images), expected, atol=1e-5)


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("in_channels", [4, 6])
def test_a_residual_block_adds_its_input(in_channels: int, pooling: str) -> None:
    block = Block("residual", 6, 3, convolutions=2, pooling=pooling, activation="silu")
    network, images = made(in_channels, block), pictures(in_channels)
    one, two, *fitting = filters(network)
    pool = nn.Sequential(*POOLINGS[pooling]())
    way = two(F.silu(pool(one(images))))
    assert len(fitting) == (in_channels != 6 or pooling == "stride")
    shortcut = pool(fitting[0](images) if fitting else images)
    assert torch.allclose(network(images), F.silu(way + shortcut), atol=1e-5)


def test_a_skip_adds_the_first_convolution_to_the_last() -> None:
    block = replace(PLAIN, convolutions=3, skip="add", pooling="average")
    network, images = made(4, block), pictures(4)
    one, two, three = filters(network)
    first = F.relu(F.avg_pool2d(one(images), 2))
    expected = F.relu(three(F.relu(two(first))) + first)
    assert torch.allclose(network(images), expected, atol=1e-5)


def test_a_separable_convolution_is_a_filter_a_channel_then_a_mixture() -> None:
    network, images = made(4, Block("depthwise_separable", 6, 5)), pictures(4)
    depthwise, pointwise = filters(network)
    alone = [
        F.conv2d(images[:, [c]], depthwise.weight[[c]], padding=2) for c in range(images.shape[1])
    ]
    expected = F.relu(F.max_pool2d(pointwise(torch.cat(alone, 1)), 2))
    assert torch.allclose(network(images), expected, atol=1e-5)


def test_dropout_drops_its_share_and_only_while_learning() -> None:
    network, images = made(4, replace(PLAIN, dropout=0.25)), pictures(4, size=64)
    whole = network.eval()(images)
    assert torch.equal(whole, network(images))
    learnt = network.train()(images)
    dropped = (learnt == 0)[whole > 0].double().mean().item()
    assert dropped == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize("kind", BLOCKS)
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("size", [1, 2, 7, 8])
def test_pictures_shrink_as_computed(kind: str, pooling: str, size: int) -> None:
    left = pooled(size, pooling)
    if not left:
        return
    block = Block(kind, 6, 5, convolutions=2, pooling=pooling, norm="batch")
    assert made(3, block)(pictures(3, size)).shape == (5, 6, left, left)


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_a_stem_of_a_convolution_is_as_the_first_block_but_not_pooled(norm: str) -> None:
    blocks = (replace(PLAIN, norm=norm, convolutions=2, dropout=0.5),)
    network = build(Architecture(blocks, stem="conv"), (3, 8, 8), 10)
    stem = network.get_submodule("stem")
    assert [type(layer) for layer in stem.children()] == [
        nn.Conv2d,
        *([BatchNorm] if norm == "batch" else []),
        nn.ReLU,
    ]
    assert stem(pictures(3, 8)).shape == (5, 6, 8, 8)


@pytest.mark.parametrize(("head", "values"), [("flatten", 54), ("average", 6), ("max", 6)])
def test_the_head_reads_all_or_one_value_a_channel(head: str, values: int) -> None:
    network = build(Architecture((PLAIN,), head=head), (3, 7, 7), 10)
    linear = network.get_submodule("head")
    assert isinstance(linear, nn.Linear)
    assert linear.in_features == values
    seen = network.get_submodule("block1")(pictures(3, 7))
    read = {"flatten": seen.flatten(1), "average": seen.mean((2, 3)), "max": seen.amax((2, 3))}
    assert torch.allclose(network(pictures(3, 7)), linear(read[head]), atol=1e-6)


@pytest.mark.parametrize("kind", BLOCKS)
@pytest.mark.parametrize(("in_channels", "channels"), [(4, 6), (6, 4), (5, 5)])
def test_dirac_convolutions_pass_on_what_they_can(
    kind: str, in_channels: int, channels: int
) -> None:
    network = BLOCKS[kind](in_channels, Block(kind, channels, 3, convolutions=2))
    initialise(network, 3, "dirac")
    for convolution in filters(network):
        images = pictures(convolution.in_channels)
        passed = min(convolution.in_channels, convolution.out_channels)
        found = convolution(images)
        if convolution.bias is not None:
            found = found - convolution.bias[:, None, None]
        assert torch.allclose(found[:, :passed], images[:, :passed], atol=1e-6)
        assert not (convolution.weight[passed:] == 0).any()


def test_a_norm_learns_from_a_single_value_a_channel() -> None:
    norm, images = BatchNorm(3), pictures(3, size=1, num=1)
    before = {name: value.clone() for name, value in norm.state_dict().items()}
    assert torch.allclose(norm(images), images / (1 + 1e-5) ** 0.5)
    for name, value in norm.state_dict().items():
        assert torch.equal(value, before[name])
    several = pictures(3, size=2)
    assert torch.allclose(norm(several), normalised(several), atol=1e-5)


def test_a_network_of_five_million_parameters_is_within_reach() -> None:
    wide = tuple(
        Block("residual", channels, 3, convolutions=2, norm="batch") for channels in (128, 256, 512)
    )
    network = build(Architecture(wide, head="average"), (3, 32, 32), 10)
    assert 4e6 < sum(parameter.numel() for parameter in network.parameters()) < 6e6


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize(("channels", "groups"), [(3, 1), (12, 1), (5, 5)])
def test_a_pointwise_convolution_is_the_strided_one(
    channels: int, groups: int, stride: int
) -> None:
    draw = torch.Generator().manual_seed(0)
    ours = Pointwise(channels, 10, 1, stride, groups=groups)
    theirs = nn.Conv2d(channels, 10, 1, stride, groups=groups).double()
    theirs.load_state_dict(ours.state_dict())
    images = torch.randn(4, channels, 17, 16, generator=draw).to(memory_format=torch.channels_last)
    found, expected = ours(images), theirs(images.double())
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)
    torch.autograd.backward([found.square().sum(), expected.square().sum()])
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert mine.grad is not None
        assert other.grad is not None
        torch.testing.assert_close(mine.grad.double(), other.grad, rtol=1e-4, atol=1e-3)


def test_no_convolution_of_one_pixel_is_strided_by_torch() -> None:
    for kind in BLOCKS:
        block = Block(kind, 8, 1, pooling="stride", convolutions=2)
        for module in BLOCKS[kind](3, block).modules():
            strided = isinstance(module, nn.Conv2d) and module.stride != (1, 1)
            assert not strided or isinstance(module, Pointwise) or module.kernel_size != (1, 1)
