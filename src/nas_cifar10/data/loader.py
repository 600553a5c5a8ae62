"""Batches cut from one tensor on the device; knows no split rule and no network."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nas_cifar10 import interrupts

MAX_EVALUATION_BATCH = 1000
EVALUATION_PIXELS = 2**18  # of a batch: 256 pictures of 32x32; more costs memory and gains no time
MEAN = STD = 0.5  # of pictures scaled to [0, 1]; maps them to [-1, 1]


@dataclass(frozen=True)
class Part:
    """Some rows of a set of pictures that stays whole, on one device.

    Args:
        images: (N, C, H, W) uint8, shared by every part.
        labels: (N,) int64, on the same device.
        rows: (M,) int64, on the same device: which pictures belong to this part.
    """

    images: Tensor
    labels: Tensor
    rows: Tensor

    def __len__(self) -> int:
        """Count the pictures of this part."""
        return len(self.rows)

    def spread(self, pixels: int) -> Tensor:
        """Return as many of its pictures, at even distances, as have about so many pixels."""
        most = max(1, pixels // self.images[0, 0].numel())
        places = torch.linspace(0, len(self) - 1, min(most, len(self)), dtype=torch.float64)
        return self.images[self.rows[places.long().to(self.rows.device)]]


def normalise(images: Tensor) -> Tensor:
    """Map uint8 pictures to float32 in [-1, 1], that is (x / 255 - MEAN) / STD, channels last."""
    floats = images.to(torch.float32, memory_format=torch.channels_last)
    return floats.mul_(1 / (255 * STD)).sub_(MEAN / STD)


def normalisation(channels: int) -> dict[str, Any]:
    """Return what `normalise` does to pictures of so many channels, as model.json says it."""
    return {"scale": 1 / 255, "mean": [MEAN] * channels, "std": [STD] * channels}


def shuffled_batches(part: Part, batch_size: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield every picture of the part once, in an order that depends on nothing but `seed`.

    Yields:
        images (B, C, H, W) float32 and labels (B,) int64; the last batch may be smaller.
    """
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(part), generator=generator).to(part.rows.device)
    yield from _cut(part, part.rows[order], batch_size)


def batches(part: Part) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield every picture of the part once, in its own order, for measuring."""
    pixels = part.images.shape[2] * part.images.shape[3]
    size = min(MAX_EVALUATION_BATCH, max(1, EVALUATION_PIXELS // pixels))
    yield from _cut(part, part.rows, size)


def _cut(part: Part, rows: Tensor, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
    for start in range(0, len(rows), batch_size):
        interrupts.check()
        chunk = rows[start : start + batch_size]
        yield normalise(part.images[chunk]), part.labels[chunk]
