"""Some rows of one tensor of pictures, and which of them are learnt from; cuts no batch."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from nas_cifar10.data.split import DataSet


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


@dataclass(frozen=True)
class Parts:
    """What a candidate learns from and what it is measured on.

    Args:
        images: (N, C, H, W) uint8, those of every part.
        labels: (N,) int64.
        train_rows: (M,) int64: which pictures are learnt from.
        held_out_rows: Which are measured on; None: measured on nothing.
    """

    images: Tensor
    labels: Tensor
    train_rows: Tensor
    held_out_rows: Tensor | None
    num_classes: int

    @property
    def train(self) -> Part:
        """What is learnt from."""
        return Part(self.images, self.labels, self.train_rows)

    @property
    def held_out(self) -> Part | None:
        """What is measured on."""
        if self.held_out_rows is None:
            return None
        return Part(self.images, self.labels, self.held_out_rows)

    @property
    def shape(self) -> tuple[int, int, int]:
        """C, H, W of one picture."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    def tensors(self) -> dict[str, Tensor]:
        """Return the tensors, by the names of their fields."""
        return {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}

    def to(self, device: torch.device) -> "Parts":
        """Return the same pictures on a device; nothing is copied that is there already."""
        moved: dict[str, Any] = {name: t.to(device) for name, t in self.tensors().items()}
        return replace(self, **moved)


def search_parts(data: DataSet) -> Parts:
    """Learn from the training part, measure on validation."""
    split = data.split
    return Parts(data.images, data.labels, split.train, split.validation, data.num_classes)
