"""A trained model on new pictures: which files, decoded as in training, each answered or named.

Knows nothing of the run the model came from, and prints nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from nas_cifar10.data.image_folder import SUFFIXES, decode_all, files_below
from nas_cifar10.data.parts import Part
from nas_cifar10.errors import BadDataError, ConfigError, MissingInputError
from nas_cifar10.model import Model, probabilities
from nas_cifar10.text import one_line

MAX_BATCH = 1024
BATCH_BYTES = 2**25  # of decoded pictures: 1,024 of 104x104 in RGB


@dataclass(frozen=True)
class Answer:
    """What the model says about one file.

    Args:
        top: The likeliest classes with their probabilities, likeliest first; of equally likely
            ones, that which `class_names` has first. Empty where the file is bad.
        reason: Why the file cannot be read, if it cannot.
    """

    path: Path
    top: tuple[tuple[str, float], ...]
    reason: str | None = None


def picture_files(paths: Sequence[Path]) -> tuple[list[Path], int]:
    """Find the pictures that were named: a file as it is, of a folder all that are below it.

    Folders are read as the source `image_folder` reads a class: hidden files and folders, and files
    without a picture's suffix, are passed over, and a link to nothing is one that cannot be read.

    Returns:
        The files, and how many in the folders were passed over.

    Raises:
        MissingInputError: one of the paths does not exist, or there is no picture in a folder.
        BadDataError: a folder cannot be read.
    """
    missing = [path for path in paths if not path.exists()]
    if missing:
        raise MissingInputError("\n".join(f"{one_line(path)}: no such file" for path in missing))
    files: list[Path] = []
    num_passed = 0
    for path in paths:
        found, num = _below(path) if path.is_dir() else ([path], 0)
        files += found
        num_passed += num
    return files, num_passed


def _below(folder: Path) -> tuple[list[Path], int]:
    try:
        found, num_passed = files_below(folder)
    except OSError as error:
        raise BadDataError(
            f"{one_line(error.filename)}: cannot be read: {error.strerror}; mend or remove it"
        ) from None
    if not found:
        suffixes = " ".join(sorted(suffix[1:] for suffix in SUFFIXES))
        raise MissingInputError(f"{one_line(folder)}: holds no picture ({suffixes})")
    return found, num_passed


def check_top(model: Model, top: int) -> None:
    """Check how many classes are asked for.

    Raises:
        ConfigError: not as many as the model has.
    """
    num_classes = len(model.class_names)
    if not 1 <= top <= num_classes:
        raise ConfigError(f"--top-k: must be 1 to {num_classes}, the model's classes, got {top}")


def predict(model: Model, files: Sequence[Path], top: int) -> Iterator[Answer]:
    """Answer file by file, in their order; no more than a batch of them is in memory at a time.

    Yields:
        One answer a file, with the `top` likeliest classes.
    """
    channels, size, _ = model.shape
    step = max(1, min(MAX_BATCH, BATCH_BYTES // (channels * size**2)))
    for start in range(0, len(files), step):
        yield from _answers(model, files[start : start + step], top)


def _answers(model: Model, files: Sequence[Path], top: int) -> Iterator[Answer]:
    channels, size, _ = model.shape
    pixels, reasons = decode_all(files, channels, size)
    good = [row for row, reason in enumerate(reasons) if reason is None]
    likeliest = iter(_likeliest(model, torch.from_numpy(pixels[good]), top) if good else ())
    for path, reason in zip(files, reasons, strict=True):
        yield Answer(path, next(likeliest) if reason is None else (), reason)


def _likeliest(model: Model, images: torch.Tensor, top: int) -> list[tuple[tuple[str, float], ...]]:
    unknown = torch.zeros(len(images), dtype=torch.int64)
    found = probabilities(model.network, Part(images, unknown, torch.arange(len(images))))
    order = (-found).argsort(axis=1, kind="stable")[:, :top]
    return [
        tuple((model.class_names[label], float(row[label])) for label in labels)
        for row, labels in zip(found, order, strict=True)
    ]
