"""The pictures a page shows: few, of every kind of answer, and kept beside others."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas_cifar10.data import album
from nas_cifar10.errors import UnreadableError


def answers(num: int, classes: int) -> tuple[Any, Any]:
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.full(classes, 0.3), num).astype(np.float32)
    return probabilities, random.integers(0, classes, num)


@pytest.mark.parametrize(("num", "classes"), [(1, 2), (50, 3), (10_000, 10), (3_000, 100)])
def test_what_is_shown_is_of_every_kind_while_there_is_room(num: int, classes: int) -> None:
    probabilities, labels = answers(num, classes)
    rows = album.choose(probabilities, labels)
    assert len(rows) <= album.MOST_SHOWN
    assert (np.diff(rows) > 0).all()
    said = probabilities.argmax(axis=1)
    cells = {(int(labels[row]), int(said[row])) for row in range(num)}
    shown = {(int(labels[row]), int(said[row])) for row in rows}
    if len(cells) <= album.MOST_SHOWN - album.MOST_MISTAKES:
        assert shown == cells


def test_the_surest_mistakes_are_among_them() -> None:
    probabilities, labels = answers(2_000, 10)
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    surest = wrong[np.argsort(-probabilities.max(axis=1)[wrong])][: album.MOST_MISTAKES]
    assert set(surest.tolist()) <= set(album.choose(probabilities, labels).tolist())


def test_large_pictures_are_reduced_and_small_ones_left() -> None:
    small = np.arange(2 * 8 * 8 * 1, dtype=np.uint8).reshape(2, 8, 8, 1)
    assert album.reduced(small) is small
    large = album.reduced(np.full((2, 100, 200, 3), 7, np.uint8))
    assert large.shape == (2, 32, 64, 3)
    assert (large == 7).all()


def test_arrays_are_kept_beside_those_of_other_names(tmp_path: Path) -> None:
    path, rows = tmp_path / "pictures.npz", np.arange(3)
    images = np.zeros((3, 4, 4, 3), np.uint8)
    album.keep(path, sample_images=images, sample_labels=rows)
    album.keep(path, shown_images=images + 1, shown_rows=rows)
    album.keep(path, sample_images=images + 2, sample_labels=rows)
    with np.load(path, allow_pickle=False) as arrays:
        assert sorted(arrays.files) == [
            "sample_images",
            "sample_labels",
            "shown_images",
            "shown_rows",
        ]
        assert (arrays["sample_images"] == 2).all()
        assert (arrays["shown_images"] == 1).all()


def test_a_damaged_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "pictures.npz"
    path.write_bytes(b"PK\x03\x04 no more")
    album.keep(path, shown_rows=np.arange(2))
    with np.load(path, allow_pickle=False) as arrays:
        assert arrays.files == ["shown_rows"]


def test_what_else_a_file_holds_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "pictures.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("file", "allow_pickle", "shown_rows"):
            content = io.BytesIO()
            np.save(content, np.arange(3))
            archive.writestr(f"{name}.npy", content.getvalue())
    album.keep(path, sample_labels=np.arange(2))
    with np.load(path, allow_pickle=False) as arrays:
        assert sorted(arrays.files) == ["sample_labels", "shown_rows"]


def test_a_file_that_cannot_be_read_now_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "pictures.npz"
    album.keep(path, sample_labels=np.arange(2))
    before = path.read_bytes()

    def unreadable(path: Path) -> None:
        raise UnreadableError(f"{path}: cannot be read: Permission denied")

    monkeypatch.setattr(album, "read_packed", unreadable)
    with pytest.raises(UnreadableError):
        album.keep(path, shown_rows=np.arange(2))
    assert path.read_bytes() == before


def test_a_file_that_asks_for_more_memory_than_there_is_is_named(tmp_path: Path) -> None:
    path, content = tmp_path / "pictures.npz", io.BytesIO()
    told = {"shape": (10**13,), "descr": "<i8", "fortran_order": False}
    np.lib.format.write_array_header_1_0(content, told)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("shown_rows.npy", content.getvalue())
    before = path.read_bytes()
    with pytest.raises(UnreadableError, match=f"^{path}: does not fit into memory; with more"):
        album.keep(path, sample_labels=np.arange(2))
    assert path.read_bytes() == before
