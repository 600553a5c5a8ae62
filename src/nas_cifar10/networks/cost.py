"""What a network costs, counted without computing anything; knows nothing of training."""

import functools
from typing import Any

import torch
from torch import Tensor, nn

from nas_cifar10.networks.build import build
from nas_cifar10.space.candidate import Architecture
from nas_cifar10.space.cost import Cost, Layer

_REMEMBERED = 4096  # searches draw the same networks again, with other training values


@functools.lru_cache(_REMEMBERED)
def cost(architecture: Architecture, shape: tuple[int, int, int], num_classes: int) -> Cost:
    """Count on the meta device: exact, in milliseconds, without memory for weights.

    Raises:
        ValueError: as `build`.
    """
    macs: dict[nn.Module, int] = {}
    shapes: dict[nn.Module, tuple[int, ...]] = {}

    def count(module: nn.Module, inputs: Any, output: Tensor) -> None:
        shapes[module] = tuple(output.shape[1:])
        if isinstance(module, nn.Conv2d | nn.Linear):
            macs[module] = macs.get(module, 0) + output.numel() * module.weight[0].numel()

    with torch.device("meta"):
        network = build(architecture, shape, num_classes)
        for module in network.modules():
            module.register_forward_hook(count)
        with torch.no_grad():
            network(torch.empty(1, *shape))
    layers = tuple(
        Layer(name, shapes[part], parameters, sum(macs.get(m, 0) for m in part.modules()))
        for name, part in network.named_children()
        if (parameters := sum(parameter.numel() for parameter in part.parameters()))
    )
    return Cost(sum(p.numel() for p in network.parameters()), sum(macs.values()), layers)
