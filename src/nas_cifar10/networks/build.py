"""An architecture and a picture's shape to a module; knows nothing of training."""

import math

import torch
from torch import nn

from nas_cifar10.networks.layers import BLOCKS
from nas_cifar10.space.candidate import Architecture


def build(architecture: Architecture, shape: tuple[int, int, int], num_classes: int) -> nn.Module:
    """Return the network: its blocks, then one linear layer over all that is left of the picture.

    Args:
        shape: C, H, W of one picture.

    Returns:
        A module from (N, C, H, W) to logits (N, num_classes).

    Raises:
        ValueError: the blocks shrink the picture below 1x1.
    """
    channels, height, width = shape
    layers = nn.Sequential()
    for number, block in enumerate(architecture.blocks, start=1):
        layers.add_module(
            f"block{number}", BLOCKS[block.kind](channels, block.channels, block.kernel_size)
        )
        channels, height, width = block.channels, height // 2, width // 2
    if not height or not width:
        raise ValueError(
            f"{len(architecture.blocks)} poolings shrink {shape[1]}x{shape[2]} below 1x1"
        )
    layers.add_module("flatten", nn.Flatten())
    layers.add_module("head", nn.Linear(channels * height * width, num_classes))
    return layers


@torch.no_grad()
def initialise(network: nn.Module, seed: int) -> None:
    """Draw all weights and biases from U(-b, b), b = 1 / sqrt(fan-in): torch's own default.

    Unlike the default it depends on nothing but `seed`: no global random state is read or changed.
    """
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            bound = 1 / math.sqrt(module.weight[0].numel())
            module.weight.uniform_(-bound, bound, generator=generator)
            if module.bias is not None:
                module.bias.uniform_(-bound, bound, generator=generator)
