"""Batches: every picture once, in an order that follows from the seed, rightly scaled."""

import signal
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from nas_cifar10 import interrupts
from nas_cifar10.config.schema import TrainingConfig
from nas_cifar10.data.augment import training_batches
from nas_cifar10.data.loader import batches, normalise, shuffled_batches
from nas_cifar10.data.parts import Part


def part(num: int = 23) -> Part:
    """Return every other one of numbered pictures; the first pixel and the label tell which."""
    images = torch.zeros(2 * num, 3, 4, 5, dtype=torch.uint8)
    images[:, 0, 0, 0] = torch.arange(2 * num)
    return Part(images, torch.arange(2 * num), torch.arange(0, 2 * num, 2))


def labels_of(cut: list[tuple[Tensor, Tensor]]) -> list[int]:
    return [int(label) for _, labels in cut for label in labels]


@pytest.mark.parametrize("batch_size", [1, 5, 23, 100])
def test_a_shuffled_epoch_shows_every_picture_of_the_part_once(batch_size: int) -> None:
    cut = list(shuffled_batches(part(), batch_size, seed=1))
    assert sorted(labels_of(cut)) == list(range(0, 46, 2))
    sizes = [len(labels) for _, labels in cut]
    assert all(size == batch_size for size in sizes[:-1])
    assert 0 < sizes[-1] <= batch_size


def test_pictures_keep_their_labels() -> None:
    for images, labels in shuffled_batches(part(), 4, seed=3):
        first = ((images[:, 0, 0, 0] + 1) * 127.5).round().long()
        assert torch.equal(first, labels)


def test_the_order_depends_on_the_seed_alone() -> None:
    torch.manual_seed(1)
    one = labels_of(list(shuffled_batches(part(), 5, seed=9)))
    torch.manual_seed(2)
    assert labels_of(list(shuffled_batches(part(), 5, seed=9))) == one
    assert labels_of(list(shuffled_batches(part(), 7, seed=9))) == one
    assert labels_of(list(shuffled_batches(part(), 5, seed=10))) != one


def test_shuffling_leaves_the_global_random_state_alone() -> None:
    before = torch.random.get_rng_state()
    list(shuffled_batches(part(), 5, seed=9))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_measuring_takes_the_parts_own_order() -> None:
    assert labels_of(list(batches(part()))) == list(range(0, 46, 2))
    assert len(part()) == 23


def test_batches_are_floats_with_channels_last() -> None:
    images, labels = next(iter(batches(part())))
    assert images.shape == (23, 3, 4, 5)
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert (images.dtype, labels.dtype) == (torch.float32, torch.int64)


def test_all_256_values_are_mapped_to_the_interval_from_minus_one_to_one() -> None:
    values = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    expected = (values.double() / 255 - 0.5) / 0.5
    found = normalise(values)
    assert (found.double() - expected).abs().max() < 1e-6
    assert values.flatten().tolist() == list(range(256)), "the pictures stay as they are"


@pytest.mark.parametrize("most", [1, 4, 23])
def test_a_few_pictures_are_taken_at_even_distances(most: int) -> None:
    """Those of a folder lie in the order of their classes."""
    some = replace(part(), rows=torch.arange(45))
    found = some.spread(most * 4 * 5 + 3)[:, 0, 0, 0].tolist()
    assert found == [int(44 * number / max(1, most - 1)) for number in range(most)]


@pytest.mark.parametrize(
    "cut",
    [
        lambda: shuffled_batches(part(), 5, seed=1),
        lambda: training_batches(part(), TrainingConfig(flip="random", batch_size=5), 46, 1, 2, 3),
        lambda: batches(replace(part(), images=torch.zeros(46, 3, 512, 512, dtype=torch.uint8))),
    ],
)
def test_a_signal_is_heard_between_two_batches(
    monkeypatch: pytest.MonkeyPatch, cut: Callable[[], Iterator[tuple[Tensor, Tensor]]]
) -> None:
    left = cut()
    next(left)
    monkeypatch.setattr(interrupts, "_received", signal.SIGINT)
    with pytest.raises(interrupts.Interrupted):
        next(left)
