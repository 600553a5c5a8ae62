"""Pictures in folders, one folder a class: which files are read; knows not how one is decoded.

`train/<class>/*` is read, and `test/<class>/*` where there is a `test/`. A class's pictures are
those in its folder and in the folders below, in the order of their paths; links are followed, and
a folder that is reached twice is read once. Hidden files and folders, and files without a picture's
suffix, are passed over and counted; a link to nothing is a picture that cannot be read.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from nas_cifar10 import interrupts
from nas_cifar10.config.dimensions import folder_at
from nas_cifar10.config.schema import DataConfig
from nas_cifar10.data import decode
from nas_cifar10.data.pictures import Bytes, Pictures, room
from nas_cifar10.errors import BadDataError, MissingInputError
from nas_cifar10.text import one_line, printable

Numbers: TypeAlias = npt.NDArray[np.int64]

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm"}
EXPECTED = "expected train/<class>/* and, optionally, test/<class>/*"
MAX_NAME = 200
MAX_THREADS = 4
SMALL_BYTES = 8192
CHUNK = 256


@dataclass(frozen=True)
class _Part:
    """The picture files of `train/` or `test/`, by class."""

    folder: Path
    classes: dict[str, list[Path]]
    num_ignored: int


def load(config: DataConfig) -> Pictures:
    """Decode every picture once, in RGB, by the rule of `decode`.

    Raises:
        MissingInputError: the folder or its `train/` is absent.
        BadDataError: the classes are not what they must be; or, unless `data.on_bad_image` is
            `skip`, pictures cannot be read: one line each, and a last one with the way out.
        ConfigError: the pictures do not fit into memory.
        StorageError: the disk, or whatever the folder is on, fails at the moment.
    """
    parts = _found(folder_at(config.root))
    names = list(parts[0].classes)
    paths = [path for part in parts for files in part.classes.values() for path in files]
    images, reasons = decode_all(paths, config.channels, config.size, whole=True)
    bad = [f"{one_line(path)}: {why}" for path, why in zip(paths, reasons, strict=True) if why]
    if bad and config.on_bad_image == "error":
        raise BadDataError("\n".join([*bad, _way_out(len(bad), len(paths))]))
    good = np.array([why is None for why in reasons])
    images = images[good] if bad else images  # a copy only where it is needed
    labels, in_test = _labels(parts, names)[good].T
    _check_left(parts, labels, in_test)
    return Pictures(
        torch.from_numpy(images),
        torch.from_numpy(labels.copy()),
        tuple(names),
        num_pool=int((in_test == 0).sum()),
        bad=tuple(bad),
        num_ignored=sum(part.num_ignored for part in parts),
    )


def _labels(parts: list[_Part], names: list[str]) -> Numbers:
    """Return (N, 2): each picture's class, and 0 or 1 where it is in train or in test."""
    numbers = {name: number for number, name in enumerate(names)}
    rows = [
        (numbers[name], in_test)
        for in_test, part in enumerate(parts)
        for name, files in part.classes.items()
        for _ in files
    ]
    return np.array(rows, np.int64)


def _way_out(num_bad: int, num: int) -> str:
    return (
        f"{num_bad:,} of {num:,} pictures cannot be read; mend or remove them, or leave them out "
        f"with --set data.on_bad_image=skip"
    )


def _found(root: Path) -> list[_Part]:
    try:
        return _parts(root)
    except OSError as error:
        raise BadDataError(
            f"{one_line(error.filename)}: cannot be read: {error.strerror}; mend or remove it"
        ) from None


def _parts(root: Path) -> list[_Part]:
    """Find train and, where there is one, test, and check their classes."""
    for folder in (root, root / "train"):
        if not folder.is_dir():
            raise MissingInputError(f"{one_line(folder)}: no such folder; {EXPECTED}")
    train = _part(root / "train")
    _check_train(train)
    if not os.path.lexists(root / "test"):
        return [train]
    test = _part(root / "test")
    if test.num_ignored and not test.classes:
        raise BadDataError(
            f"{one_line(test.folder)}: must hold folders of train's classes; {EXPECTED}; remove it "
            f"to have the test set split off train"
        )
    for name in sorted(test.classes.keys() - train.classes.keys()):
        raise BadDataError(
            f"{one_line(test.folder / name)}: every test class must be one of train's; add "
            f"{one_line(train.folder / name)}, or remove it"
        )
    if not any(test.classes.values()):
        raise BadDataError(_no_test(test))
    return [train, test]


def _no_test(test: _Part) -> str:
    return (
        f"{one_line(test.folder)}: must hold a picture that can be read; remove the folder to have "
        f"the test set split off train"
    )


def _check_train(train: _Part) -> None:
    folder, names = one_line(train.folder), list(train.classes)
    if not names:
        raise BadDataError(f"{folder}: must hold a folder for each class; {EXPECTED}")
    if len(names) == 1:
        raise BadDataError(
            f"{folder}: must hold at least two classes, got only {names[0]!r}; add a folder"
        )
    for name, paths in train.classes.items():
        if not paths:
            raise BadDataError(_empty(train, name))


def _empty(train: _Part, name: str) -> str:
    return (
        f"{one_line(train.folder / name)}: a class must hold a picture that can be read; add some, "
        f"or remove the folder"
    )


def _check_left(parts: list[_Part], labels: Numbers, in_test: Numbers) -> None:
    """Check that the pictures left out have emptied no class, and not the test set."""
    for label, name in enumerate(parts[0].classes):
        if not np.any((labels == label) & (in_test == 0)):
            raise BadDataError(_empty(parts[0], name))
    if len(parts) == 2 and not in_test.any():
        raise BadDataError(_no_test(parts[1]))


def _part(folder: Path) -> _Part:
    classes, num_ignored = {}, 0
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            num_ignored += 1
        elif not path.exists():
            raise BadDataError(
                f"{one_line(path)}: is a link to nothing; mend it, or remove it to do without it"
            )
        elif not path.is_dir():
            num_ignored += 1
        else:
            _check_name(path)
            classes[path.name], num_passed = files_below(path)
            num_ignored += num_passed
    return _Part(folder, classes, num_ignored)


def _check_name(path: Path) -> None:
    if len(path.name) > MAX_NAME or not all(map(printable, path.name)):
        raise BadDataError(
            f"{one_line(path)}: a class name must be text of at most {MAX_NAME} characters without "
            f"control characters; rename the folder"
        )


def files_below(folder: Path) -> tuple[list[Path], int]:
    """Return the pictures in a folder and those below it, and how many files were passed over.

    Raises:
        OSError: a folder cannot be read.
    """
    files, num_ignored, seen, folders = [], 0, set(), [folder]
    while folders:
        current = folders.pop()
        if (identity := _identity(current)) in seen:
            continue
        seen.add(identity)
        for path in sorted(current.iterdir()):
            if path.name.startswith("."):
                num_ignored += 1
            elif path.is_dir():
                folders.append(path)
            elif path.suffix.lower() in SUFFIXES or not path.exists():  # a link to nothing
                files.append(path)
            else:
                num_ignored += 1
    return sorted(files), num_ignored


def _identity(folder: Path) -> tuple[int, int]:
    """Return what is the same for a folder by whatever path it is reached."""
    status = folder.stat()
    return status.st_dev, status.st_ino


def decode_all(
    paths: Sequence[Path], channels: int, size: int, *, whole: bool = False
) -> tuple[Bytes, list[str | None]]:
    """Decode into one (N, channels, size, size) array; return it and what is wrong with each file.

    The rows of unreadable files hold anything. For `whole` see `decode.into`.
    """
    images, num_threads = room(len(paths), channels, size), _num_threads(paths)
    chunk = min(CHUNK, 1 + len(paths) // num_threads)  # so that a few files, too, go to all threads

    def decode_rows(start: int) -> list[str | None]:
        interrupts.check()
        rows = range(start, min(start + chunk, len(paths)))
        return [decode.into(images[row], paths[row], whole=whole) for row in rows]

    Image.init()  # loads Pillow's formats once, before threads would do so at the same time
    with decode.quiet(), ThreadPoolExecutor(num_threads) as pool:
        reasons = list(pool.map(decode_rows, range(0, len(paths), chunk)))
    return images, [reason for some in reasons for reason in some]


def _num_threads(paths: Sequence[Path]) -> int:
    """Choose by the size of the files, of every hundredth.

    Decoding a small one is mostly Python's work, where threads only get into each other's way:
    60,000 JPEGs of 1 kB take 10 s in one thread and 13 s in two.
    """
    sizes = [path.stat().st_size for path in paths[::100] if path.is_file()]
    return min(MAX_THREADS, os.cpu_count() or 1) if sum(sizes) > SMALL_BYTES * len(sizes) else 1
