"""CIFAR-10's archive: read as torchvision reads it, and never trusted."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torchvision.datasets import CIFAR10

from made_cifar10 import (
    ARCHIVE,
    BATCHES,
    NAMES,
    ROWS,
    Made,
    place,
    read,
    same,
    trust,
)
from nas_cifar10.data.pictures import Bytes, fit_all


@pytest.fixture
def made() -> Made:
    return Made()


def test_folder_and_archive_equal_torchvision(
    tmp_path: Path, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = made.packed()
    trust(monkeypatch, made, packed)
    place(made, tmp_path)
    pictures = read(tmp_path)
    assert pictures.images.shape == (6 * ROWS, 3, 32, 32)
    assert pictures.images.is_contiguous()
    assert pictures.num_pool == 5 * ROWS
    assert pictures.class_names == tuple(NAMES)
    for train, rows in ((True, slice(0, 5 * ROWS)), (False, slice(5 * ROWS, None))):
        theirs = CIFAR10(tmp_path, train=train)
        assert np.array_equal(pictures.images[rows].permute(0, 2, 3, 1), theirs.data)
        assert pictures.labels[rows].tolist() == theirs.targets
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / ARCHIVE).write_bytes(packed)
    assert same(read(tmp_path / "other"), pictures)
    assert [path.name for path in (tmp_path / "other").iterdir()] == [ARCHIVE]


def _python2(entry: dict[str, Any]) -> bytes:
    """Pickle as Python 2 did when CIFAR-10 was packed: protocol 2, byte strings without a name."""

    def text(value: str) -> bytes:
        return b"U" + bytes([len(value)]) + value.encode()

    def number(value: int) -> bytes:
        return b"J" + struct.pack("<i", value)

    data: Bytes = entry["data"]
    shape = number(data.shape[0]) + number(data.shape[1]) + b"\x86"
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n" + number(0) + b"\x85"
    array += text("b") + b"\x87R(" + number(1) + shape + b"cnumpy\ndtype\n" + text("u1")
    array += number(0) + number(1) + b"\x87R(" + number(3) + text("|") + b"NNN" + number(-1) * 2
    array += number(0) + b"tb\x89T" + struct.pack("<i", data.size) + data.tobytes() + b"tb"
    labels = b"](" + b"".join(number(label) for label in entry["labels"]) + b"e"
    return b"\x80\x02}(" + text("data") + array + text("labels") + labels + b"u."


def test_a_pickle_of_python_2_is_read(
    tmp_path: Path, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.raw = {name: _python2(made.entries[name]) for name in BATCHES}
    trust(monkeypatch, made)
    place(made, tmp_path)
    pictures = read(tmp_path)
    data = np.concatenate([made.entries[name]["data"] for name in BATCHES])
    assert np.array_equal(pictures.images.numpy().reshape(-1, 3072), data)


def test_pictures_come_in_the_size_asked_for(
    tmp_path: Path, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust(monkeypatch, made)
    place(made, tmp_path)
    expected = fit_all(read(tmp_path).images.numpy(), 9)
    assert np.array_equal(read(tmp_path, image_size=9).images.numpy(), expected)
