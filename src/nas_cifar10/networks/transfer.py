"""Weights of another network taken over, and parts kept as they are; knows no training and no file.

The last layer is never taken over: another set of pictures has other classes.
"""

from collections.abc import Mapping

from torch import Tensor, nn

from nas_cifar10.networks.layers import BatchNorm

_LAST = {"head.weight", "head.bias"}


def begin_with(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Copy weights and statistics of a network that is alike in all but its last layer."""
    taken = {name: tensor for name, tensor in state.items() if name not in _LAST}
    left = network.load_state_dict(taken, strict=False)
    assert set(left.missing_keys) == _LAST, "whoever calls has compared the architectures"
    assert not left.unexpected_keys


def freeze(network: nn.Module, num_blocks: int) -> None:
    """Keep the stem and so many blocks as they are: their weights, and what their norms have seen.

    Dropout in them goes on; of no block, the stem learns too.
    """
    kept = {f"block{number}" for number in range(1, num_blocks + 1)}
    for name, part in network.named_children():
        if name in kept or (kept and name == "stem"):
            part.requires_grad_(False)
            for module in part.modules():
                if isinstance(module, BatchNorm):
                    module.frozen = True
