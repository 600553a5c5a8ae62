"""The modules a block may name; knows nothing of how they are put together."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_cifar10.space.candidate import Block


class BatchNorm(nn.BatchNorm2d):
    """Batch normalisation (arXiv 1502.03167) that can learn from a batch of one value a channel.

    That has no variance: there, as when measuring, what was seen so far stands in. An epoch's last
    batch may be a single picture. A frozen one goes by what was seen elsewhere, always.
    """

    frozen = False

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) to the same."""
        if self.training and (self.frozen or images.numel() == images.shape[1]):
            return F.batch_norm(
                images, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(images)


class Dropout(nn.Module):
    """Dropout (arXiv 1207.0580) whose dice the caller may replace."""

    def __init__(self, share: float) -> None:
        """Drop this share of values, at least 0 and below 1, while learning."""
        super().__init__()
        self.share = share
        self.generator: torch.Generator | None = None

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) to the same."""
        if not self.training:
            return images
        keeps = torch.empty_like(images).bernoulli_(1 - self.share, generator=self.generator)
        return images * keeps.div_(1 - self.share)


class Sum(nn.Module):
    """Two ways for the same picture, added."""

    def __init__(self, way: nn.Module, shortcut: nn.Module) -> None:
        """Take two modules whose outputs have the same shape."""
        super().__init__()
        self.way, self.shortcut = way, shortcut

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) to whatever both ways give."""
        total: Tensor = self.way(images) + self.shortcut(images)
        return total


NORMS: dict[str, Callable[[int], list[nn.Module]]] = {
    "none": lambda channels: [],
    "batch": lambda channels: [BatchNorm(channels)],
}
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}
POOLINGS: dict[str, Callable[[], list[nn.Module]]] = {
    "max": lambda: [nn.MaxPool2d(2)],
    "average": lambda: [nn.AvgPool2d(2)],
    "stride": lambda: [],  # the first convolution's
    "none": lambda: [],
}
HEADS: dict[str, Callable[[], list[nn.Module]]] = {
    "flatten": lambda: [],
    "average": lambda: [nn.AdaptiveAvgPool2d(1)],
    "max": lambda: [nn.AdaptiveMaxPool2d(1)],
}


def pooled(size: int, pooling: str) -> int:
    """Return how many pixels a side of so many are left: a stride rounds up, a pool down."""
    return {"none": size, "stride": (size + 1) // 2}.get(pooling, size // 2)


def conv_block(in_channels: int, block: Block) -> nn.Module:
    """Return Conv(same size) → pool(2x2) → norm → activation, then more of it without the pool.

    The pool stands before the activation: with ReLU, the largest of four and then at least 0 is the
    same number as at least 0 and then the largest, in gradients too, and a quarter of the work.
    """
    return _chain(in_channels, block, _dense)


def separable_block(in_channels: int, block: Block) -> nn.Module:
    """Return a `conv_block` of depthwise separable convolutions (arXiv 1610.02357)."""
    return _chain(in_channels, block, _separable)


class Pointwise(nn.Conv2d):
    """A 1x1 convolution that leaves out the pixels its stride passes over before it computes.

    The same numbers. While weights learn, oneDNN's strided kernel writes past its memory where
    there are few input channels (github.com/uxlfoundation/oneDNN/issues/6035, torch 2.14): a
    crash, or wrong gradients.
    """

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, ⌈H / stride⌉, ⌈W / stride⌉)."""
        rows, columns = self.stride
        return F.conv2d(images[:, :, ::rows, ::columns], self.weight, self.bias, groups=self.groups)


def residual_block(in_channels: int, block: Block) -> nn.Module:
    """Return a `conv_block` whose input is added before its last activation (arXiv 1512.03385).

    Where it has another number of channels, or is strided, a 1x1 convolution makes it fit.
    """
    channels, norm = block.channels, NORMS[block.norm]
    way = [*_first(in_channels, block, _dense), *_later(block, _dense)][:-1]
    fitting: list[nn.Module] = []
    if in_channels != channels or block.pooling == "stride":
        fitting = [_filters(in_channels, block, 1, _stride(block)), *norm(channels)]
    shortcut = nn.Sequential(*fitting, *POOLINGS[block.pooling]())
    total = Sum(nn.Sequential(*way), shortcut)
    return nn.Sequential(total, ACTIVATIONS[block.activation](), *_dropout(block))


@dataclass(frozen=True)
class Stem:
    """What stands before the first block: layers, their channels, and pixels lost a side."""

    layers: list[nn.Module]
    channels: int
    lost: int = 0


def no_stem(in_channels: int, block: Block) -> Stem:
    """Return nothing."""
    return Stem([], in_channels)


def conv_stem(in_channels: int, block: Block) -> Stem:
    """Return the first convolution of a plain block with what goes with it, not pooled."""
    return Stem(_first(in_channels, replace(block, pooling="none"), _dense), block.channels)


def whitening_stem(in_channels: int, block: Block) -> Stem:
    """Return 2x2 filters, two for each value of a patch, with biases, and an activation.

    `whiten` fills the filters in; they stay as they are, and only the biases learn.
    """
    filters = nn.Conv2d(in_channels, 2 * in_channels * 2 * 2, 2)
    filters.weight.requires_grad_(False)
    return Stem([filters, ACTIVATIONS[block.activation]()], filters.out_channels, lost=1)


Convolve: TypeAlias = Callable[[int, Block, int], list[nn.Module]]


def _chain(in_channels: int, block: Block, convolve: Convolve) -> nn.Module:
    later = _later(block, convolve)
    if block.skip == "add":
        later = [Sum(nn.Sequential(*later[:-1]), nn.Identity()), later[-1]]
    return nn.Sequential(*_first(in_channels, block, convolve), *later, *_dropout(block))


def _first(in_channels: int, block: Block, convolve: Convolve) -> list[nn.Module]:
    pool = POOLINGS[block.pooling]()
    return [*convolve(in_channels, block, _stride(block)), *pool, *_behind(block)]


def _stride(block: Block) -> int:
    return 2 if block.pooling == "stride" else 1


def _later(block: Block, convolve: Convolve) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for _ in range(1, block.convolutions):
        layers += [*convolve(block.channels, block, 1), *_behind(block)]
    return layers


def _behind(block: Block) -> list[nn.Module]:
    return [*NORMS[block.norm](block.channels), ACTIVATIONS[block.activation]()]


def _dropout(block: Block) -> list[nn.Module]:
    return [Dropout(block.dropout)] if block.dropout else []


def _dense(in_channels: int, block: Block, stride: int) -> list[nn.Module]:
    return [_filters(in_channels, block, block.kernel_size, stride)]


def _separable(in_channels: int, block: Block, stride: int) -> list[nn.Module]:
    size = block.kernel_size
    depthwise = _convolution(size)(
        in_channels, in_channels, size, stride, size // 2, groups=in_channels, bias=False
    )
    return [depthwise, _filters(in_channels, block, 1, 1)]


def _filters(in_channels: int, block: Block, size: int, stride: int) -> nn.Module:
    """Return a convolution to the block's channels; a norm would undo its bias, so it has none."""
    bias = block.norm == "none"
    convolution = _convolution(size)
    return convolution(in_channels, block.channels, size, stride, size // 2, bias=bias)


def _convolution(size: int) -> type[nn.Conv2d]:
    return Pointwise if size == 1 else nn.Conv2d


BLOCKS: dict[str, Callable[[int, Block], nn.Module]] = {
    "conv": conv_block,
    "residual": residual_block,
    "depthwise_separable": separable_block,
}
STEMS: dict[str, Callable[[int, Block], Stem]] = {
    "none": no_stem,
    "conv": conv_stem,
    "whitening": whitening_stem,
}
