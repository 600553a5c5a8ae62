"""Training pictures, changed a whole batch at a time; knows no split, no network and no epoch loop.

Each change is a pure function of pictures and of what was drawn for each of them; the draws take
their generator as an argument and are made on the CPU, so that they are the same on every device.
"""

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nas_cifar10 import interrupts
from nas_cifar10.config.schema import TrainingConfig
from nas_cifar10.data.loader import normalise, shuffled_batches
from nas_cifar10.data.parts import Part

_LUMINANCE = (0.2989, 0.587, 0.114)  # ITU-R BT.601: how bright red, green and blue look


def training_batches(
    part: Part, training: TrainingConfig, num_classes: int, epoch: int, seed: int, first_seed: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield every picture of the part once, shuffled, and changed as the config says.

    Args:
        seed: The epoch's; the order of the pictures is `shuffled_batches`'s, whatever is changed.
        first_seed: The same in every epoch; decides which pictures begin mirrored.

    Yields:
        images (B, C, H, W) float32, and labels (B,) int64, or (B, num_classes) where mixed.
    """
    if not training.augments:
        yield from shuffled_batches(part, training.batch_size, seed)
        return
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(part), generator=generator)
    begins = coins(len(part), torch.Generator().manual_seed(first_seed))
    for positions in torch.split(order, training.batch_size):
        interrupts.check()
        rows = part.rows[positions.to(part.rows.device)]
        images, labels = part.images[rows], part.labels[rows]
        mirrored = (begins[positions] + epoch) % 2 == 1
        yield _changed(images, labels, mirrored, training, num_classes, generator)


def _changed(
    images: Tensor,
    labels: Tensor,
    mirrored: Tensor,
    training: TrainingConfig,
    num_classes: int,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    num, (height, width) = len(images), images.shape[2:]
    if training.flip != "none":
        images = flip(images, mirrored if training.flip == "alternating" else coins(num, generator))
    if training.translate:
        images = translate(images, offsets(num, training.translate, generator))
    images = normalise(images)
    if training.colour_jitter:
        images = colour_jitter(images, factors(num, training.colour_jitter, generator))
    if training.cutout:
        images = cutout(images, places(num, height, width, generator), training.cutout)
    if training.mixup:
        partners = torch.randperm(num, generator=generator)
        shares = mixing_shares(num, training.mixup, generator)
        return mixup(images, F.one_hot(labels, num_classes).float(), partners, shares)
    return images, labels


def coins(num: int, generator: torch.Generator) -> Tensor:
    """Draw (num,) of 0 and 1."""
    return torch.randint(0, 2, (num,), generator=generator)


def flip(images: Tensor, mirrored: Tensor) -> Tensor:
    """Mirror those pictures left to right whose entry of `mirrored`, (N,), is not 0."""
    which = _beside(images, mirrored.bool())[:, None, None, None]
    return torch.where(which, images.flip(3), images)


def offsets(num: int, most: int, generator: torch.Generator) -> Tensor:
    """Draw (num, 2) shifts down and right, from -most to most."""
    return torch.randint(-most, most + 1, (num, 2), generator=generator)


def translate(images: Tensor, offsets: Tensor) -> Tensor:
    """Shift every picture by its own offset.

    Args:
        images: (N, C, H, W), any dtype.
        offsets: (N, 2) down and right, each smaller than the picture.

    Returns:
        (N, C, H, W), channels last: the uncovered border is reflected.
    """
    num, _, height, width = images.shape
    down, right = _beside(images, offsets).T
    rows = _reflected(torch.arange(height, device=images.device) - down[:, None], height)
    columns = _reflected(torch.arange(width, device=images.device) - right[:, None], width)
    pictures = torch.arange(num, device=images.device)[:, None, None]
    shifted = images.permute(0, 2, 3, 1)[pictures, rows[:, :, None], columns[:, None, :]]
    return shifted.permute(0, 3, 1, 2)


def _reflected(positions: Tensor, size: int) -> Tensor:
    """Map positions beyond 0 … size - 1 back, as a mirror on the outermost pixel would."""
    inside = positions.abs()
    return torch.where(inside < size, inside, 2 * (size - 1) - inside)


def factors(num: int, strength: float, generator: torch.Generator) -> Tensor:
    """Draw (num, 3) factors for brightness, contrast and saturation from 1 - strength up."""
    return 1 + strength * (2 * torch.rand(num, 3, generator=generator) - 1)


def colour_jitter(images: Tensor, factors: Tensor) -> Tensor:
    """Change brightness, then contrast, then saturation of every picture by its own factors.

    Each mixes the picture with something plain: black, the picture's mean grey, its grey self.

    Args:
        images: (N, C, H, W) from -1 to 1, C 1 or 3; a picture without colours has no saturation.
        factors: (N, 3), at least 0.
    """
    brightness, contrast, saturation = _beside(images, factors).T[:, :, None, None, None]
    bright = ((images + 1) / 2 * brightness).clamp(0, 1)
    mean = _grey(bright).mean((1, 2, 3), keepdim=True)
    strong = (contrast * bright + (1 - contrast) * mean).clamp(0, 1)
    if images.shape[1] == 3:
        strong = (saturation * strong + (1 - saturation) * _grey(strong)).clamp(0, 1)
    changed: Tensor = strong * 2 - 1
    return changed


def _grey(images: Tensor) -> Tensor:
    """(N, 1, H, W): what is left without colours."""
    if images.shape[1] != 3:
        return images
    shares = torch.tensor(_LUMINANCE, device=images.device)
    return (images * shares[:, None, None]).sum(1, keepdim=True)


def places(num: int, height: int, width: int, generator: torch.Generator) -> Tensor:
    """Draw (num, 2) pixels, row and column, each equally likely."""
    chances = torch.rand(num, 2, generator=generator)
    return (chances * torch.tensor([height, width])).long()


def cutout(images: Tensor, centres: Tensor, size: int) -> Tensor:
    """Set a square of every picture to mid-grey, 0 (arXiv 1708.04552).

    Args:
        centres: (N, 2) row and column; the square may reach beyond the picture.
        size: Pixels a side; an even one reaches a pixel further up and left than down and right.
    """
    height, width = images.shape[2:]
    top, left = (_beside(images, centres) - size // 2).T
    rows = torch.arange(height, device=images.device) - top[:, None]
    columns = torch.arange(width, device=images.device) - left[:, None]
    in_rows, in_columns = ((place >= 0) & (place < size) for place in (rows, columns))
    square = in_rows[:, None, :, None] & in_columns[:, None, None, :]
    return torch.where(square, 0.0, images)


def mixing_shares(num: int, strength: float, generator: torch.Generator) -> Tensor:
    """Draw (num,) shares from Beta(strength, strength), the larger of each and its rest.

    So a picture is never less than half itself, and its own label stays the likeliest.
    """
    seed = int(torch.randint(0, 2**62, (), generator=generator))
    shares = np.random.default_rng(seed).beta(strength, strength, num)
    return torch.from_numpy(np.maximum(shares, 1 - shares)).float()


def mixup(
    images: Tensor, targets: Tensor, partners: Tensor, shares: Tensor
) -> tuple[Tensor, Tensor]:
    """Mix every picture and its target with another's of the batch (arXiv 1710.09412).

    Args:
        targets: (N, classes), each row a distribution.
        partners: (N,): with which one.
        shares: (N,): how much of a picture stays its own.
    """
    partners, own = _beside(images, partners), _beside(images, shares)
    pictures = own[:, None, None, None]
    mixed = torch.lerp(images[partners], images, pictures)
    return mixed, torch.lerp(targets[partners], targets, own[:, None])


def _beside(images: Tensor, drawn: Tensor) -> Tensor:
    """Return what was drawn where the pictures are; a GPU is not waited for."""
    return drawn.to(images.device, non_blocking=images.is_cuda)
