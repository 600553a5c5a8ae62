"""Batches cut from one tensor on the device; knows no split rule and no network."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from nas_cifar10 import interrupts
from nas_cifar10.data.parts import Part

MAX_EVALUATION_BATCH = 1000
EVALUATION_PIXELS = 2**18  # of a batch: 256 pictures of 32x32; more costs memory and gains no time
MEAN = STD = 0.5  # of pictures scaled to [0, 1]; maps them to [-1, 1]


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
