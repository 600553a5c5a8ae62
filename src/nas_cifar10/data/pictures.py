"""What every source returns, and the one rule that brings a picture to size; knows no source."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image
from torch import Tensor

from nas_cifar10.errors import ConfigError

Bytes: TypeAlias = npt.NDArray[np.uint8]

MAX_ASPECT = 16


@dataclass(frozen=True, eq=False)
class Pictures:
    """All pictures of a source, in one tensor.

    Attributes:
        images: (N, C, H, W) uint8, contiguous.
        labels: (N,) int64, positions in `class_names`.
        num_pool: the first `num_pool` pictures are train + validation, and the rest is the source's
            own test set; where that is empty, test is split off the pool.
        bad: what could not be read and was left out, as `path: reason`.
        num_ignored: hidden files and files without a picture's suffix.
    """

    images: Tensor
    labels: Tensor
    class_names: tuple[str, ...]
    num_pool: int
    bad: tuple[str, ...] = ()
    num_ignored: int = 0


def room(num: int, channels: int, size: int) -> Bytes:
    """Return an uninitialised (num, channels, size, size) array.

    Raises:
        ConfigError: it does not fit into memory.
    """
    shape = (num, channels, size, size)
    try:
        return np.empty(shape, np.uint8)
    except (MemoryError, ValueError):
        gigabytes = num * channels * size**2 / 1e9
        raise ConfigError(
            f"data.image_size: {num:,} pictures of {size}x{size} pixels must fit into memory and "
            f"take {gigabytes:,.1f} GB; use a smaller size"
        ) from None


def fit(image: Image.Image, size: int) -> Image.Image:
    """Resize the shorter side to `size` and cut the centre square out, as torchvision does.

    The filter is bilinear with antialiasing, and a picture of that size already comes back as it
    is. Of a picture more than `MAX_ASPECT` times as long as wide only so much of the middle is
    looked at: resized as a whole, 1 x 80,000,000 pixels would take gigabytes.
    """
    if image.size == (size, size):
        return image
    shorter = min(image.size)
    if max(image.size) > MAX_ASPECT * shorter:
        width, height = (min(side, MAX_ASPECT * shorter) for side in image.size)
        image = _middle(image, width, height)
    width, height = (size * side // shorter for side in image.size)
    return _middle(image.resize((width, height), Image.Resampling.BILINEAR), size, size)


def _middle(image: Image.Image, width: int, height: int) -> Image.Image:
    left, top = round((image.width - width) / 2), round((image.height - height) / 2)
    return image.crop((left, top, left + width, top + height))


def to_array(image: Image.Image) -> Bytes:
    """Return a grey or RGB picture as (C, H, W)."""
    pixels = np.asarray(image)
    return np.atleast_3d(pixels).transpose(2, 0, 1)


def fit_all(images: Bytes, size: int) -> Bytes:
    """Apply `fit` to every picture of (N, C, H, W), where C is 1 or 3."""
    if images.shape[2:] == (size, size):
        return images
    num, channels = images.shape[:2]
    fitted = room(num, channels, size)
    for row, pixels in enumerate(images):
        image = Image.fromarray(pixels[0] if channels == 1 else pixels.transpose(1, 2, 0))
        fitted[row] = to_array(fit(image, size))
    return fitted
