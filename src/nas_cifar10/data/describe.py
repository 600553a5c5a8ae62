"""What is worth knowing of a divided set of pictures, as JSON-ready facts; draws nothing."""

import hashlib
import json
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from nas_cifar10.data.pictures import Bytes
from nas_cifar10.data.split import DataSet

Numbers: TypeAlias = npt.NDArray[np.int64]


def describe(data: DataSet) -> dict[str, Any]:
    """Return what data.json holds.

    Returns:
        class_names: a list; pictures: a count for each part and class; totals: a count for each
        part; majority_accuracy: what calling everything train's most frequent class scores;
        shape: [C, H, W]; fingerprint: SHA-256 of all of the data and its split; duplicates: how
        many pictures of the second part have the very pixels of one of the first, and how many in
        train those of an earlier one; skipped: unreadable pictures; ignored: other files.
    """
    labels, rows = data.labels.numpy(), _rows(data)
    counts = {part: _counts(labels[rows[part]], data) for part in rows}
    return {
        "class_names": list(data.class_names),
        "pictures": {
            part: dict(zip(data.class_names, count.tolist(), strict=True))
            for part, count in counts.items()
        },
        "totals": {part: int(count.sum()) for part, count in counts.items()},
        "majority_accuracy": {
            part: float(counts[part][counts["train"].argmax()] / counts[part].sum())
            for part in ("validation", "test")
        },
        "shape": list(data.shape),
        "fingerprint": fingerprint(data),
        "duplicates": _duplicates(data),
        "skipped": data.num_skipped,
        "ignored": data.num_ignored,
    }


def _rows(data: DataSet) -> dict[str, Numbers]:
    split = data.split
    parts = {"train": split.train, "validation": split.validation, "test": split.test}
    return {"all": np.arange(len(data.labels)), **{k: part.numpy() for k, part in parts.items()}}


def _counts(labels: Numbers, data: DataSet) -> Numbers:
    return np.bincount(labels, minlength=data.num_classes)


def fingerprint(data: DataSet) -> str:
    """Return the SHA-256 of names, shape, pixels, labels and split, in hexadecimal."""
    parts = [data.split.train, data.split.validation, data.split.test]
    lengths = [len(part) for part in parts]
    head = json.dumps([data.class_names, list(data.images.shape), lengths])
    found = hashlib.sha256(head.encode() + b"\n")
    found.update(np.ascontiguousarray(data.images.numpy()).data)
    for numbers in (data.labels, *parts):
        found.update(numbers.numpy().astype("<i8").data)
    return found.hexdigest()


def _duplicates(data: DataSet) -> dict[str, int]:
    """Compare pictures by a digest of their pixels: comparing each with each would take hours."""
    pixels = np.ascontiguousarray(data.images.numpy())
    digests = [hashlib.sha256(picture.data).digest() for picture in pixels]
    parts = {part: [digests[row] for row in rows] for part, rows in _rows(data).items()}
    return {
        "train_validation": _num_in(parts["validation"], parts["train"]),
        "train_test": _num_in(parts["test"], parts["train"]),
        "validation_test": _num_in(parts["test"], parts["validation"]),
        "within_train": len(parts["train"]) - len(set(parts["train"])),
    }


def _num_in(digests: list[bytes], others: list[bytes]) -> int:
    known = set(others)
    return sum(digest in known for digest in digests)


def sample(data: DataSet, num: int, *, seed: int) -> tuple[Bytes, Numbers]:
    """Draw training pictures at random, from the classes in turn while they last.

    Returns:
        (n, H, W, C) and (n,), where n is `num`, or all there are if that is less.
    """
    generator = np.random.default_rng(np.random.SeedSequence([seed, 0x73616D70]))
    rows = generator.permutation(data.split.train.numpy())
    labels = data.labels.numpy()[rows]
    rounds = np.empty_like(rows)  # how many of its class come before it
    for label in np.unique(labels):
        rounds[labels == label] = np.arange((labels == label).sum())
    chosen = np.argsort(rounds, kind="stable")[:num]
    pixels = data.images.numpy()[rows[chosen]].transpose(0, 2, 3, 1)
    return np.ascontiguousarray(pixels), labels[chosen]
