"""A bad archive or folder of CIFAR-10 is refused in one line, and nothing in it is run."""

import pickle
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from made_cifar10 import ARCHIVE, FOLDER, META, NAMES, ROWS, Made, md5, place, read, trust
from nas_cifar10.data import cifar10
from nas_cifar10.errors import BadDataError


@pytest.fixture
def made() -> Made:
    return Made()


class Canary:
    """Touches a file when it is unpickled by an unpickler that allows it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def _entry(**values: object) -> Callable[[Made, Path], None]:
    def spoil(made: Made, canary: Path) -> None:
        made.entries["data_batch_3"].update(values)

    return spoil


def _raw(content: bytes, name: str = "data_batch_3") -> Callable[[Made, Path], None]:
    return lambda made, canary: made.raw.update({name: content})


def _member(name: str, kind: bytes = tarfile.REGTYPE, size: int = 1) -> Any:
    def spoil(made: Made, canary: Path) -> None:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, "/etc/passwd"
        member.size = size if kind == tarfile.REGTYPE else 0
        made.members.append((member, bytes(size)))

    return spoil


def _as_member(name: str, kind: bytes, size: int = 0) -> Callable[[Made, Path], None]:
    def spoil(made: Made, canary: Path) -> None:
        del made.entries[name]
        _member(f"{FOLDER}/{name}", kind, size)(made, canary)

    return spoil


def _hostile(made: Made, canary: Path) -> None:
    made.entries["data_batch_3"]["extra"] = Canary(canary)


def _missing(made: Made, canary: Path) -> None:
    del made.entries["test_batch"]


def _sums_differ(made: Made, canary: Path) -> None:
    _hostile(made, canary)
    made.sums_differ = True


ZEROS = np.zeros((ROWS, 3072), np.uint8)
OBJECTS = np.full((ROWS, 3072), None)
CONTENTS: dict[str, tuple[Callable[[Made, Path], None], str]] = {
    "hostile pickle": (_hostile, "data_batch_3 cannot be unpickled: it names pathlib.Path"),
    "another MD5 and a hostile pickle": (_sums_differ, "must be b32d73e56ec99bc5ec8f83871cde708a"),
    "no pickle": (_raw(b"hello"), "data_batch_3 cannot be unpickled"),
    "cut pickle": (_raw(pickle.dumps({"data": ZEROS})[:500]), "data_batch_3 cannot be unpickled"),
    "empty file": (_raw(b""), "data_batch_3 cannot be unpickled"),
    "a list": (_raw(pickle.dumps([1])), "data_batch_3 must hold a dictionary, got list"),
    "no data": (_raw(pickle.dumps({})), "data must be a uint8 array of shape (20, 3072), got None"),
    "rows missing": (_entry(data=ZEROS[1:]), "got uint8 (19, 3072)"),
    "other shape": (_entry(data=ZEROS.reshape(ROWS, 3, 32, 32)), "got uint8 (20, 3, 32, 32)"),
    "other numbers": (_entry(data=ZEROS.astype(np.float32)), "got float32 (20, 3072)"),
    "objects": (_entry(data=OBJECTS), "got object (20, 3072)"),
    "label 10": (_entry(labels=[10] * ROWS), "whole numbers from 0 to 9, got 10"),
    "label -1": (_entry(labels=[-1] * ROWS), "whole numbers from 0 to 9, got -1"),
    "label True": (_entry(labels=[True] * ROWS), "whole numbers from 0 to 9, got True"),
    "label missing": (_entry(labels=[1] * (ROWS - 1)), "labels must be a list of 20"),
    "no labels": (_entry(labels=None), "labels must be a list of 20"),
    "no names": (_raw(pickle.dumps({}), META), "batches.meta: must hold a list of cl"),
    "9 names": (_raw(pickle.dumps({"label_names": NAMES[1:]}), META), "10 different classes"),
    "number": (_raw(pickle.dumps({"label_names": [*NAMES[1:], 1]}), META), "a list of class names"),
    "repeat": (_raw(pickle.dumps({"label_names": ["a"] * 10}), META), "10 different classes"),
}
MEMBERS: dict[str, tuple[Callable[[Made, Path], None], str]] = {
    "missing": (_missing, "member 'test_batch' is missing"),
    "twice": (_member(f"{FOLDER}/test_batch"), "'cifar-10-batches-py/test_batch' does not belong"),
    "unknown": (_member(f"{FOLDER}/more"), "'cifar-10-batches-py/more' does not belong in it"),
    "elsewhere": (_member("data_batch_1"), "member 'data_batch_1' does not belong in it"),
    "traversal": (_member(f"{FOLDER}/../../escaped"), "escaped' does not belong in it"),
    "absolute": (_member("/escaped"), "member '/escaped' does not belong in it"),
    "line end": (_member("a\nb"), r"member 'a\nb' does not belong in it"),
    "symbolic link": (_as_member("test_batch", tarfile.SYMTYPE), "is no regular file"),
    "hard link": (_as_member("test_batch", tarfile.LNKTYPE), "is no regular file"),
    "pipe": (_as_member("test_batch", tarfile.FIFOTYPE), "is no regular file"),
    "large": (_as_member("test_batch", tarfile.REGTYPE, 2**21), "is larger than 1,048,576 bytes"),
}


@pytest.fixture
def untouched(tmp_path: Path) -> Iterator[Path]:
    """A root that must end as it was, and a canary beside it that must not be born."""
    root = tmp_path / "root"
    root.mkdir()
    yield root
    assert list(tmp_path.iterdir()) == [root]


def refused(root: Path, words: str) -> None:
    before = {path: path.lstat().st_mtime_ns for path in root.rglob("*")}
    with pytest.raises(BadDataError) as caught:
        read(root)
    text = str(caught.value)
    assert words in text
    assert str(root) in text
    assert text.endswith("; delete it to have it fetched anew, or put a good copy there")
    assert "\n" not in text
    assert {path: path.lstat().st_mtime_ns for path in root.rglob("*")} == before


@pytest.mark.parametrize("case", CONTENTS)
def test_bad_contents_are_refused_in_one_line(
    untouched: Path, made: Made, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    spoil, words = CONTENTS[case]
    spoil(made, untouched.parent / "canary")
    packed = made.packed()
    trust(monkeypatch, made, packed)
    (untouched / ARCHIVE).write_bytes(packed)
    refused(untouched, words)
    (untouched / ARCHIVE).unlink()
    place(made, untouched)
    refused(untouched, words)


@pytest.mark.parametrize("case", MEMBERS)
def test_bad_members_are_refused_in_one_line(
    untouched: Path, made: Made, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    monkeypatch.setattr(cifar10, "MAX_FILE_BYTES", 2**20)
    spoil, words = MEMBERS[case]
    spoil(made, untouched.parent / "canary")
    packed = made.packed()
    trust(monkeypatch, made, packed)
    (untouched / ARCHIVE).write_bytes(packed)
    refused(untouched, words)


def test_an_archive_is_unpacked_up_to_its_limit_only(
    untouched: Path, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cifar10, "MAX_TAR_BYTES", 100_000)
    packed = made.packed()
    trust(monkeypatch, made, packed)
    (untouched / ARCHIVE).write_bytes(packed)
    refused(untouched, "cannot be unpacked: it unpacks to more than 100,000 bytes")


@pytest.mark.parametrize("share", [0.0, 0.5, 0.999])
def test_a_truncated_archive_is_refused(
    untouched: Path, made: Made, monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    packed = made.packed()
    cut = packed[: int(len(packed) * share)]
    (untouched / ARCHIVE).write_bytes(cut)
    trust(monkeypatch, made, packed)
    refused(untouched, f"its MD5 must be {md5(packed)}, got {md5(cut)}")
    trust(monkeypatch, made, cut)
    refused(untouched, "cannot be unpacked")


def test_what_is_no_archive_is_refused(
    untouched: Path, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    (untouched / ARCHIVE).write_bytes(b"<html>not found</html>")
    trust(monkeypatch, made, b"<html>not found</html>")
    refused(untouched, "cannot be unpacked: Not a gzipped file")


def test_an_archive_that_is_a_folder_is_refused(
    untouched: Path, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust(monkeypatch, made)
    (untouched / ARCHIVE).mkdir()
    refused(untouched, "is no file")


def test_an_unpacked_folder_must_be_complete(
    untouched: Path, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust(monkeypatch, made)
    path = place(made, untouched) / "data_batch_2"
    path.unlink()
    refused(untouched, "data_batch_2 is missing or no file")
    path.symlink_to("/dev/zero")
    refused(untouched, "data_batch_2 is missing or no file")


def test_an_unpacked_file_is_read_up_to_its_limit_only(
    untouched: Path, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cifar10, "MAX_FILE_BYTES", 1000)
    trust(monkeypatch, made)
    place(made, untouched)
    refused(untouched, "data_batch_1 is larger than 1,000 bytes")


def test_the_unpickler_allows_nothing_but_arrays() -> None:
    assert {module.partition(".")[0] for module, _ in cifar10.ALLOWED_GLOBALS} == {"numpy"}
    assert {name for _, name in cifar10.ALLOWED_GLOBALS} == {"dtype", "ndarray", "_reconstruct"}
