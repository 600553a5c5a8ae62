"""Augmentation of whole batches against a loop over pictures."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torchvision.transforms import functional as tv

from made_study import made_config
from nas_cifar10.config.schema import TrainingConfig
from nas_cifar10.data import augment
from nas_cifar10.data.loader import normalise, shuffled_batches
from nas_cifar10.data.parts import Part

SEEDS = st.integers(0, 2**31)
SHAPES = st.tuples(st.integers(1, 6), st.sampled_from([1, 3]), st.integers(3, 9), st.integers(3, 9))


def drawn(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def bytes_of(shape: tuple[int, ...], seed: int) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=drawn(seed))


def part(num: int = 20, colours: int = 3) -> Part:
    images = bytes_of((num + 5, colours, 8, 8), 1)
    return Part(images, torch.arange(num + 5) % 4, torch.arange(2, num + 2))


def settings(*overrides: str) -> TrainingConfig:
    return made_config(*overrides).training


def batches(
    training: TrainingConfig, epoch: int = 1, seed: int = 7, **changes: Any
) -> list[tuple[Tensor, Tensor]]:
    shown = changes.get("part", part())
    return list(augment.training_batches(shown, training, 4, epoch, seed, first_seed=3))


@given(SHAPES, SEEDS)
def test_flipping_equals_a_loop_over_pictures(shape: tuple[int, int, int, int], seed: int) -> None:
    images, mirrored = bytes_of(shape, seed), augment.coins(shape[0], drawn(seed))
    loop = [
        image.flip(2) if which else image for image, which in zip(images, mirrored, strict=True)
    ]
    assert torch.equal(augment.flip(images, mirrored), torch.stack(loop))


@given(SHAPES, SEEDS)
def test_flipping_twice_is_the_identity(shape: tuple[int, int, int, int], seed: int) -> None:
    images, mirrored = bytes_of(shape, seed), augment.coins(shape[0], drawn(seed))
    assert torch.equal(augment.flip(augment.flip(images, mirrored), mirrored), images)


@given(SHAPES, SEEDS, st.integers(0, 2))
def test_translating_equals_padding_and_cropping_each_picture(
    shape: tuple[int, int, int, int], seed: int, most: int
) -> None:
    images = bytes_of(shape, seed)
    offsets = augment.offsets(shape[0], most, drawn(seed))
    loop = []
    for image, (down, right) in zip(images, offsets.tolist(), strict=True):
        padded = F.pad(image.float(), [most] * 4, mode="reflect")
        top, left = most - down, most - right
        loop.append(padded[:, top : top + shape[2], left : left + shape[3]])
    found = augment.translate(images, offsets)
    assert torch.equal(found.float(), torch.stack(loop))
    assert found.dtype == torch.uint8


def test_offsets_reach_both_ends_and_no_further() -> None:
    offsets = augment.offsets(1000, 2, drawn(0))
    assert offsets.shape == (1000, 2)
    assert sorted(set(offsets.flatten().tolist())) == [-2, -1, 0, 1, 2]


@given(SHAPES, SEEDS, st.floats(0, 1))
def test_jitter_equals_torchvisions_adjustments_of_each_picture(
    shape: tuple[int, int, int, int], seed: int, strength: float
) -> None:
    images = normalise(bytes_of(shape, seed))
    factors = augment.factors(shape[0], strength, drawn(seed))
    loop = []
    for image, (brightness, contrast, saturation) in zip(images, factors.tolist(), strict=True):
        changed = tv.adjust_brightness((image + 1) / 2, brightness)
        changed = tv.adjust_contrast(changed, contrast)
        changed = tv.adjust_saturation(changed, saturation)
        loop.append(changed * 2 - 1)
    assert torch.allclose(augment.colour_jitter(images, factors), torch.stack(loop), atol=1e-5)


def test_jitter_of_strength_0_hardly_changes_anything() -> None:
    images = normalise(bytes_of((4, 3, 5, 5), 0))
    factors = augment.factors(4, 0, drawn(0))
    assert torch.allclose(augment.colour_jitter(images, factors), images, atol=1e-6)


@given(SHAPES, SEEDS, st.integers(1, 9))
def test_cutting_out_equals_a_loop_over_pictures(
    shape: tuple[int, int, int, int], seed: int, size: int
) -> None:
    images = normalise(bytes_of(shape, seed))
    centres = augment.places(shape[0], shape[2], shape[3], drawn(seed))
    loop = images.clone()
    for image, (row, column) in zip(loop, centres.tolist(), strict=True):
        top, left = row - size // 2, column - size // 2
        image[:, max(top, 0) : top + size, max(left, 0) : left + size] = 0
    assert torch.equal(augment.cutout(images, centres, size), loop)


def test_places_are_all_pixels_of_the_picture() -> None:
    places = augment.places(2000, 3, 5, drawn(0))
    assert {tuple(place) for place in places.tolist()} == {
        (row, column) for row in range(3) for column in range(5)
    }


@given(SHAPES, SEEDS, st.floats(0.05, 3))
def test_mixing_equals_a_loop_over_pictures(
    shape: tuple[int, int, int, int], seed: int, strength: float
) -> None:
    images = normalise(bytes_of(shape, seed))
    targets = F.one_hot(torch.arange(shape[0]) % 3, 3).float()
    partners = torch.randperm(shape[0], generator=drawn(seed))
    shares = augment.mixing_shares(shape[0], strength, drawn(seed))
    mixed, labels = augment.mixup(images, targets, partners, shares)
    for number, (partner, share) in enumerate(zip(partners.tolist(), shares.tolist(), strict=True)):
        for found, given_ in ((mixed, images), (labels, targets)):
            expected = share * given_[number] + (1 - share) * given_[partner]
            assert torch.allclose(found[number], expected, atol=1e-6)
    assert torch.allclose(labels.sum(1), torch.ones(shape[0]))


def test_shares_are_a_beta_distributions_larger_halves() -> None:
    shares = augment.mixing_shares(20_000, 1.0, drawn(0))
    assert shares.min() >= 0.5
    assert shares.max() <= 1
    assert shares.mean().item() == pytest.approx(0.75, abs=0.005), "evenly from 0.5 to 1"
    assert augment.mixing_shares(20_000, 0.1, drawn(0)).mean() > 0.9, "hardly mixed"


def test_without_augmentation_batches_are_the_plain_ones() -> None:
    plain = shuffled_batches(part(), 32, 7)
    for (images, labels), (same, same_labels) in zip(batches(settings()), plain, strict=True):
        assert torch.equal(images, same)
        assert torch.equal(labels, same_labels)


ALL = {
    "flip": "training.flip=random",
    "alternating": "training.flip=alternating",
    "translate": "training.translate=2",
    "cutout": "training.cutout=3",
    "colour_jitter": "training.colour_jitter=0.4",
    "mixup": "training.mixup=0.5",
}


@pytest.mark.parametrize("override", ALL.values(), ids=ALL.keys())
def test_each_augmentation_follows_from_its_seed_and_keeps_shape_and_order(override: str) -> None:
    training = settings(override, "training.batch_size=8")
    one, again, other = (batches(training, seed=seed) for seed in (7, 7, 8))
    plain = list(shuffled_batches(part(), 8, 7))
    for (images, labels), (same, _), (unlike, _) in zip(one, again, plain, strict=True):
        assert images.shape == unlike.shape
        assert images.is_contiguous(memory_format=torch.channels_last)
        assert images.abs().max() <= 1 + 1e-6
        assert torch.equal(images, same)
        assert not torch.equal(images, unlike)
        assert labels.ndim == (2 if "mixup" in override else 1)
    truth = torch.cat([labels for _, labels in plain])
    found = torch.cat([labels if labels.ndim == 1 else labels.argmax(1) for _, labels in one])
    assert torch.equal(found, truth), "the order of the pictures is the plain one"
    assert not torch.equal(one[0][0], other[0][0])


def test_a_generator_of_the_worlds_has_no_say() -> None:
    training = settings(*(override for key, override in ALL.items() if key != "flip"))
    torch.manual_seed(1)
    one = batches(training)
    torch.manual_seed(2)
    for (images, labels), (same, same_labels) in zip(one, batches(training), strict=True):
        assert torch.equal(images, same)
        assert torch.equal(labels, same_labels)


def test_alternating_mirrors_every_picture_in_exactly_every_second_epoch() -> None:
    shown = part()
    training = settings("training.flip=alternating", "training.batch_size=6")
    straight, mirrored = (
        {tuple(image.flatten().tolist()): row for row, image in enumerate(images)}
        for images in (normalise(shown.images), normalise(shown.images.flip(3)))
    )
    seen = []
    for epoch in (1, 2, 3, 4):
        pictures = torch.cat([images for images, _ in batches(training, epoch, seed=epoch)])
        keys = [tuple(image.flatten().tolist()) for image in pictures]
        assert sorted(straight[k] if k in straight else mirrored[k] for k in keys) == (
            shown.rows.tolist()
        )
        seen.append({mirrored[key] for key in keys if key in mirrored})
    assert seen[0] == seen[2] == set(shown.rows.tolist()) - seen[1]
    assert seen[1] == seen[3]
    assert 0 < len(seen[0]) < len(shown)


def test_random_mirroring_is_another_in_every_epoch() -> None:
    training = settings("training.flip=random")
    one, two, plain = (
        batches(training, seed=1)[0][0],
        batches(training, epoch=3, seed=1)[0][0],
        next(shuffled_batches(part(), 32, 1))[0],
    )
    assert torch.equal(one, two), "only the epoch's seed decides"
    share = (one != plain).flatten(1).any(1).double().mean()
    assert 0.1 < share < 0.9
