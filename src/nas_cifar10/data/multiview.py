"""The same pictures seen in several ways, for measuring; knows no network and no split.

As in "94% on CIFAR-10 in 3.29 Seconds on a Single GPU" (arXiv 2404.00498): mirrored left to right,
and shifted by a pixel along the diagonal.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from nas_cifar10.data.augment import translate


@dataclass(frozen=True)
class View:
    """One way to see a picture.

    Args:
        weight: Its share in the mean of what is said of all views.
        shift: Pixels down and right; the uncovered border is reflected.
    """

    weight: float
    mirrored: bool = False
    shift: int = 0


VIEWS: Mapping[str, tuple[View, ...]] = {
    "flip": (View(1 / 2), View(1 / 2, mirrored=True)),
    "flip_translate": (
        View(1 / 4),
        View(1 / 4, mirrored=True),
        View(1 / 8, shift=-1),
        View(1 / 8, mirrored=True, shift=-1),
        View(1 / 8, shift=1),
        View(1 / 8, mirrored=True, shift=1),
    ),
}


def seen(images: Tensor, view: View) -> Tensor:
    """Return the pictures, (N, C, H, W), as they look in one view."""
    if view.shift:
        images = translate(images, torch.full((len(images), 2), view.shift))
    return images.flip(3) if view.mirrored else images
