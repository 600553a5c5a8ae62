"""What a network costs, counted without computing anything; knows nothing of training."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nas_cifar10.networks.build import build
from nas_cifar10.space.candidate import Architecture


@dataclass(frozen=True)
class Cost:
    """Size and work of one network.

    Args:
        parameters: Weights and biases.
        macs: Multiply-accumulates of the convolutions and linear layers for one picture, forward;
            biases, activations and pooling (under 1 % here) are left out.
    """

    parameters: int
    macs: int


def cost(architecture: Architecture, shape: tuple[int, int, int], num_classes: int) -> Cost:
    """Count on the meta device: exact, in about a millisecond, without memory for weights.

    Raises:
        ValueError: as `build`.
    """
    macs = 0

    def count(module: nn.Module, inputs: Any, output: Tensor) -> None:
        nonlocal macs
        assert isinstance(module, nn.Conv2d | nn.Linear)
        macs += output.numel() * module.weight[0].numel()

    with torch.device("meta"):
        network = build(architecture, shape, num_classes)
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.register_forward_hook(count)
        with torch.no_grad():
            network(torch.empty(1, *shape))
    return Cost(sum(parameter.numel() for parameter in network.parameters()), macs)
