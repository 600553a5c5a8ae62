"""An architecture and a picture's shape to a module; knows nothing of training."""

import math
from collections.abc import Callable

import torch
from torch import nn

from nas_cifar10.networks.layers import BLOCKS, HEADS, STEMS, pooled
from nas_cifar10.space.candidate import Architecture


def build(architecture: Architecture, shape: tuple[int, int, int], num_classes: int) -> nn.Module:
    """Return the network: stem, blocks, then one linear layer over what the head leaves.

    Args:
        shape: C, H, W of one picture.

    Returns:
        A module from (N, C, H, W) to logits (N, num_classes).

    Raises:
        ValueError: the blocks shrink the picture below 1x1.
    """
    channels, height, width = shape
    layers = nn.Sequential()
    stem = STEMS[architecture.stem](channels, architecture.blocks[0])
    if stem.layers:
        layers.add_module("stem", nn.Sequential(*stem.layers))
    channels, height, width = stem.channels, height - stem.lost, width - stem.lost
    for number, block in enumerate(architecture.blocks, start=1):
        layers.add_module(f"block{number}", BLOCKS[block.kind](channels, block))
        channels = block.channels
        height, width = (pooled(size, block.pooling) for size in (height, width))
    if not height or not width:
        raise ValueError(
            f"{len(architecture.blocks)} poolings shrink {shape[1]}x{shape[2]} below 1x1"
        )
    for pool in HEADS[architecture.head]():
        layers.add_module("pool", pool)
        height, width = 1, 1
    layers.add_module("flatten", nn.Flatten())
    layers.add_module("head", nn.Linear(channels * height * width, num_classes))
    return layers


def move(network: nn.Module, device: torch.device) -> None:
    """Move a network to a device, with its weights laid out as pictures are: channels last."""
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload] # no stub


@torch.no_grad()
def initialise(network: nn.Module, seed: int, how: str = "default") -> None:
    """Draw all weights and biases from U(-b, b), b = 1 / sqrt(fan-in): torch's own default.

    Unlike the default it depends on nothing but `seed`: no global random state is read or changed.
    Norms stay as they are made: they change nothing.

    Args:
        how: `default`, or `dirac`: then convolutions begin by passing on as much as they can.
    """
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            bound = 1 / math.sqrt(module.weight[0].numel())
            module.weight.uniform_(-bound, bound, generator=generator)
            if module.bias is not None:
                module.bias.uniform_(-bound, bound, generator=generator)
        if isinstance(module, nn.Conv2d):
            INITIALISATIONS[how](module)


def _pass_on(filters: nn.Conv2d) -> None:
    """Let the first filters give back one input channel each (arXiv 1706.00388); others stay."""
    alone = filters.groups > 1
    number = filters.out_channels if alone else min(filters.in_channels, filters.out_channels)
    centre = filters.kernel_size[0] // 2
    filters.weight[:number] = 0
    for channel in range(number):
        filters.weight[channel, 0 if alone else channel, centre, centre] = 1


INITIALISATIONS: dict[str, Callable[[nn.Conv2d], None]] = {
    "default": lambda filters: None,
    "dirac": _pass_on,
}
