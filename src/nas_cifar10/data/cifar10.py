"""CIFAR-10 as its authors pack it: fetched, checked, unpacked in memory; knows no other source.

Addresses, names and MD5 sums are torchvision's. No byte is unpacked or unpickled before the MD5 of
what holds it matched; behind that stand a list of allowed names, size limits and an unpickler that
can build arrays and plain containers only. Nothing is ever extracted to disk.
"""

import contextlib
import gzip
import hashlib
import io
import pickle
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from nas_cifar10.config.dimensions import folder_at
from nas_cifar10.config.schema import DataConfig
from nas_cifar10.data import download
from nas_cifar10.data.pictures import Bytes, Pictures, fit_all, room
from nas_cifar10.errors import BadDataError
from nas_cifar10.text import one_line

NUM_CLASSES = 10
ROWS_A_BATCH = 10_000
PIXELS = (3, 32, 32)
MAX_FILE_BYTES = 32 * 2**20  # a genuine batch has 30 MiB
MAX_TAR_BYTES = 200 * 2**20  # the genuine archive unpacks to 178 MiB
NOT_NEEDED = "readme.html"

ALLOWED_GLOBALS = {
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
}


def load(config: DataConfig) -> Pictures:
    """Return 50,000 pictures of the pool and 10,000 of the test set.

    They come from `cifar-10-batches-py/` under `data.root`, else from the archive there, else the
    archive is downloaded to that place first.

    Raises:
        BadDataError: an MD5 does not match, or the contents are not CIFAR-10's.
        MissingInputError: nothing is there and the network is not either.
        CannotCreateError: the archive cannot be written under `data.root`.
        StorageError: writing it failed half-way.
    """
    from torchvision.datasets import CIFAR10  # takes seconds, which only this source should pay

    root = folder_at(config.root)
    folder, archive = root / CIFAR10.base_folder, root / CIFAR10.filename
    batches = dict([*CIFAR10.train_list, *CIFAR10.test_list])
    sums = batches | {CIFAR10.meta["filename"]: CIFAR10.meta["md5"]}
    if folder.exists():
        place, files = folder, _from_folder(folder, list(sums))
    else:
        if not archive.exists():
            download.fetch(CIFAR10.url, archive, CIFAR10.tgz_md5)
        place, files = archive, _from_archive(archive, CIFAR10.tgz_md5, folder.name, set(sums))
    entries = _entries(place, files, sums)
    images, labels, names = _assemble(place, entries, list(batches), CIFAR10.meta["key"])
    images = fit_all(images, config.size)
    num_pool = len(CIFAR10.train_list) * ROWS_A_BATCH
    return Pictures(torch.from_numpy(images), torch.from_numpy(labels), names, num_pool)


def is_there(config: DataConfig) -> bool:
    """Say whether `load` would do without the network."""
    from torchvision.datasets import CIFAR10

    root = folder_at(config.root)
    names = (CIFAR10.base_folder, CIFAR10.filename)
    return any((root / name).exists() for name in names)


def _bad(place: Path, reason: str) -> BadDataError:
    return BadDataError(
        f"{place}: {one_line(reason):.300}; delete it to have it fetched anew, or put a good copy "
        f"there"
    )


def _from_folder(folder: Path, names: list[str]) -> Iterator[tuple[str, bytes]]:
    for name in names:
        path = folder / name
        if not path.is_file():  # a pipe, too, is no file, and opening one would wait for ever
            raise _bad(folder, f"{name} is missing or no file")
        try:
            with path.open("rb") as file:
                content = file.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            raise _bad(folder, f"{name} cannot be read: {error.strerror}") from None
        if len(content) > MAX_FILE_BYTES:
            raise _bad(folder, f"{name} is larger than {MAX_FILE_BYTES:,} bytes")
        yield name, content


def _from_archive(
    archive: Path, md5: str, folder: str, names: set[str]
) -> Iterator[tuple[str, bytes]]:
    if not archive.is_file():
        raise _bad(archive, "is no file")
    try:
        with archive.open("rb") as file:
            found = hashlib.file_digest(file, _md5).hexdigest()
            if found != md5:
                raise _bad(archive, f"its MD5 must be {md5}, got {found}")
            file.seek(0)
            with gzip.open(file) as plain, _stream(plain) as tar:
                yield from _members(archive, tar, folder, names)
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise _bad(archive, f"cannot be unpacked: {error}") from None


def _md5() -> Any:
    return hashlib.md5(usedforsecurity=False)  # a machine in FIPS mode refuses it otherwise


class _Capped(io.RawIOBase):
    """Reads on until `MAX_TAR_BYTES`: a small archive must not unpack without end."""

    def __init__(self, file: gzip.GzipFile) -> None:
        self.file = file
        self.left = MAX_TAR_BYTES

    def read(self, size: int = -1, /) -> bytes:
        content = self.file.read(size)
        self.left -= len(content)
        if self.left < 0:
            raise tarfile.ReadError(f"it unpacks to more than {MAX_TAR_BYTES:,} bytes")
        return content


def _stream(plain: gzip.GzipFile) -> tarfile.TarFile:
    return tarfile.open(fileobj=_Capped(plain), mode="r|")


def _members(
    archive: Path, tar: tarfile.TarFile, folder: str, names: set[str]
) -> Iterator[tuple[str, bytes]]:
    missing = set(names)
    for member in tar:
        if member.name == folder and member.isdir():
            continue
        above, _, name = member.name.rpartition("/")
        if above != folder or name not in {*missing, NOT_NEEDED}:
            raise _bad(archive, f"member {member.name!r} does not belong in it")
        if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
            raise _bad(archive, f"member {member.name!r} is no regular file")
        if member.size > MAX_FILE_BYTES:
            raise _bad(archive, f"member {member.name!r} is larger than {MAX_FILE_BYTES:,} bytes")
        if name != NOT_NEEDED:
            missing.remove(name)
            file = tar.extractfile(member)
            assert file is not None  # a regular file always has contents
            yield name, file.read()
    if missing:
        raise _bad(archive, f"member {min(missing)!r} is missing")


class _ArraysOnly(pickle.Unpickler):
    """Builds arrays and plain containers; any other name in the pickle ends it."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED_GLOBALS:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is not allowed")
        return super().find_class(module, name)


def _entries(
    place: Path, files: Iterator[tuple[str, bytes]], sums: dict[str, str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each file's unpickled dictionary, once the MD5 of its bytes matched."""
    for name, content in files:
        found = hashlib.md5(content, usedforsecurity=False).hexdigest()
        if found != sums[name]:
            raise _bad(place, f"the MD5 of {name} must be {sums[name]}, got {found}")
        try:
            entry = _ArraysOnly(io.BytesIO(content), encoding="latin1").load()
        except Exception as error:  # a broken pickle can raise anything
            raise _bad(place, f"{name} cannot be unpickled: {error}") from None
        if not isinstance(entry, dict):
            raise _bad(place, f"{name} must hold a dictionary, got {type(entry).__name__}")
        yield name, entry


def _assemble(
    place: Path, entries: Iterator[tuple[str, dict[str, Any]]], batches: list[str], names_key: str
) -> tuple[Bytes, npt.NDArray[np.int64], tuple[str, ...]]:
    """Put every batch where it belongs; the order of the files does not matter."""
    images = room(len(batches) * ROWS_A_BATCH, PIXELS[0], PIXELS[1])
    labels = np.empty(len(images), np.int64)
    class_names: tuple[str, ...] = ()
    for name, entry in entries:
        with _told(place, name):
            if name in batches:
                start = batches.index(name) * ROWS_A_BATCH
                rows = slice(start, start + ROWS_A_BATCH)
                images[rows], labels[rows] = _pixels(entry.get("data")), _labels(entry)
            else:
                class_names = _class_names(entry.get(names_key))
    return images, labels, class_names


@contextlib.contextmanager
def _told(place: Path, name: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise _bad(place, f"{name}: {error}") from None


def _pixels(data: object) -> Bytes:
    """Return (rows, C, H, W) from (rows, C * H * W)."""
    shape = (ROWS_A_BATCH, int(np.prod(PIXELS)))
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape != shape:
        found = (
            f"{data.dtype} {data.shape}" if isinstance(data, np.ndarray) else type(data).__name__
        )
        raise ValueError(f"data must be a uint8 array of shape {shape}, got {found}")
    return data.reshape(-1, *PIXELS)


def _labels(entry: dict[str, Any]) -> list[int]:
    labels = entry.get("labels")
    if not isinstance(labels, list) or len(labels) != ROWS_A_BATCH:
        raise ValueError(f"labels must be a list of {ROWS_A_BATCH:,}")
    for label in labels:
        if type(label) is not int or not 0 <= label < NUM_CLASSES:
            raise ValueError(f"labels must be whole numbers from 0 to 9, got {_told_as(label)}")
    return labels


def _class_names(names: object) -> tuple[str, ...]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("must hold a list of class names")
    if len(names) != NUM_CLASSES or len(set(names)) != NUM_CLASSES:
        raise ValueError(f"must name {NUM_CLASSES} different classes, got {names!r:.200}")
    return tuple(names)


def _told_as(value: object) -> str:
    """Return a plain value as it is: a list that holds itself twice would take for ever."""
    plain = isinstance(value, bool | int | float | str)
    return f"{value!r:.40}" if plain else type(value).__name__
