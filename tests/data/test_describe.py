"""The facts of data.json, recounted from the rows themselves."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from nas_cifar10.data.describe import describe, fingerprint, sample
from nas_cifar10.data.split import DataSet, Split


@pytest.fixture
def data() -> DataSet:
    """12 pictures: train 0 to 6, validation 7 to 9, test 10 and 11; b is train's most frequent."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (12, 3, 4, 4), dtype=torch.uint8, generator=generator)
    labels = torch.tensor([0, 0, 1, 1, 1, 1, 2, 0, 1, 1, 0, 1])
    split = Split(torch.arange(7), torch.arange(7, 10), torch.arange(10, 12))
    return DataSet(images, labels, ("a", "b", "c"), split, num_skipped=4, num_ignored=5)


def test_every_number_is_right(data: DataSet) -> None:
    facts = describe(data)
    assert facts == {
        "class_names": ["a", "b", "c"],
        "pictures": {
            "all": {"a": 4, "b": 7, "c": 1},
            "train": {"a": 2, "b": 4, "c": 1},
            "validation": {"a": 1, "b": 2, "c": 0},
            "test": {"a": 1, "b": 1, "c": 0},
        },
        "totals": {"all": 12, "train": 7, "validation": 3, "test": 2},
        "majority_accuracy": {"validation": 2 / 3, "test": 0.5},
        "shape": [3, 4, 4],
        "fingerprint": fingerprint(data),
        "duplicates": {
            "train_validation": 0,
            "train_test": 0,
            "validation_test": 0,
            "within_train": 0,
        },
        "skipped": 4,
        "ignored": 5,
    }
    assert json.loads(json.dumps(facts)) == facts


def test_the_majority_class_is_trains_and_not_the_parts_own(data: DataSet) -> None:
    labels = data.labels.clone()
    labels[10:] = 0
    assert describe(replace(data, labels=labels))["majority_accuracy"]["test"] == 0


def test_duplicates_are_pictures_of_the_second_part_seen_in_the_first(data: DataSet) -> None:
    images = data.images.clone()
    images[1] = images[3] = images[0]  # two repeats within train
    images[8] = images[9] = images[0]  # two of validation in train
    images[10] = images[0]  # one of test in train, and in validation
    images[11] = images[7]  # one of test in validation only
    images[6] = images[5].flip(-1)  # a mirror image is another picture
    assert describe(replace(data, images=images))["duplicates"] == {
        "train_validation": 2,
        "train_test": 1,
        "validation_test": 2,
        "within_train": 2,
    }


def test_the_fingerprint_tells_names_shape_pixels_labels_and_split_apart(data: DataSet) -> None:
    images, labels = data.images.clone(), data.labels.clone()
    images[0, 0, 0, 0] ^= 1
    labels[0] = 2
    split = Split(torch.arange(6), torch.arange(6, 10), torch.arange(10, 12))
    others = [
        replace(data, class_names=("a", "b", "d")),
        replace(data, images=data.images.reshape(12, 3, 2, 8)),
        replace(data, images=images),
        replace(data, labels=labels),
        replace(data, split=split),
    ]
    found = {fingerprint(other) for other in [data, *others]}
    assert len(found) == 6
    assert all(len(text) == 64 for text in found)


def test_the_fingerprint_is_that_of_the_values_and_not_of_their_layout(data: DataSet) -> None:
    strided = data.images.contiguous(memory_format=torch.channels_last)
    assert fingerprint(replace(data, images=strided)) == fingerprint(data)


def test_the_fingerprint_never_changes_between_versions_of_this_project() -> None:
    images, labels = (
        torch.arange(16, dtype=torch.uint8).reshape(4, 1, 2, 2),
        torch.tensor([0, 1] * 2),
    )
    split = Split(torch.tensor([0, 1]), torch.tensor([2]), torch.tensor([3]))
    data = DataSet(images, labels, ("a", "ü"), split, 0, 0)
    assert fingerprint(data) == ("c9983e6b0ce6b80715546bdd6a17cb776beaf7722240f7006b3225897fc77379")


def test_a_sample_holds_training_pictures_with_their_labels(data: DataSet) -> None:
    images, labels = sample(data, num=5, seed=0)
    assert images.shape == (5, 4, 4, 3)
    assert images.dtype == np.uint8
    train = data.images[data.split.train].permute(0, 2, 3, 1).numpy()
    for picture, label in zip(images, labels, strict=True):
        (row,) = [r for r, other in enumerate(train) if np.array_equal(picture, other)]
        assert data.labels[row] == label


@pytest.mark.parametrize(
    ("num", "counts"), [(3, [1, 1, 1]), (5, [2, 2, 1]), (6, [2, 3, 1]), (99, [2, 4, 1])]
)
def test_a_sample_takes_classes_in_turn_while_they_last(
    data: DataSet, num: int, counts: list[int]
) -> None:
    _, labels = sample(data, num=num, seed=1)
    assert np.bincount(labels, minlength=3).tolist() == counts


def test_a_sample_is_the_same_for_the_same_seed_and_another_for_another(data: DataSet) -> None:
    first, again, other = (sample(data, 25, seed=seed)[0] for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
