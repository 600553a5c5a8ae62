"""The modules a block may name; knows nothing of how they are put together."""

from collections.abc import Callable

from torch import nn


def conv_block(in_channels: int, channels: int, kernel_size: int) -> nn.Module:
    """Return Conv(same size) → ReLU → MaxPool(2x2): halves height and width, rounding down.

    The pool stands before the ReLU: the largest of four and then at least 0 is the same number as
    at least 0 and then the largest, in gradients too, and a quarter of the work.
    """
    return nn.Sequential(
        nn.Conv2d(in_channels, channels, kernel_size, padding=kernel_size // 2),
        nn.MaxPool2d(2),
        nn.ReLU(),
    )


BLOCKS: dict[str, Callable[[int, int, int], nn.Module]] = {"conv": conv_block}
