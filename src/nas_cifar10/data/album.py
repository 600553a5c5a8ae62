"""The few pictures a page shows, and the file they are kept in; knows neither torch nor page."""

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from nas_cifar10.errors import StorageError, UnreadableError
from nas_cifar10.runs.files import write_atomic
from nas_cifar10.runs.reading import read_packed

NUM_SAMPLES = 25
MOST_SHOWN = 600 - NUM_SAMPLES
MOST_MISTAKES = 60
MOST_A_CELL = 6
LARGEST_SIDE = 64  # pixels; a page needs no more of a picture among hundreds

_NAMES = {"sample_images", "sample_labels", "shown_images", "shown_rows"}

Bytes = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.int64]


def choose(probabilities: npt.NDArray[np.float32], labels: Rows) -> Rows:
    """Choose which measured pictures to show: the surest mistakes, and some of each kind of answer.

    Of each pair of a true and a predicted class it takes the first pictures as they come, neither
    the best nor the worst, in rounds while there is room: one of each pair, then a second.

    Args:
        probabilities: (N, classes).
        labels: (N,).

    Returns:
        (n,) rows in ascending order, n at most `MOST_SHOWN`.
    """
    predicted, surest = probabilities.argmax(axis=1), probabilities.max(axis=1)
    by_confidence = np.argsort(-surest, kind="stable")
    mistakes = by_confidence[(predicted != labels)[by_confidence]][:MOST_MISTAKES]
    cells = labels * probabilities.shape[1] + predicted
    order = np.argsort(cells, kind="stable")
    _, starts, counts = np.unique(cells[order], return_index=True, return_counts=True)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order)) - np.repeat(starts, counts)
    in_rounds = np.argsort(rank, kind="stable")
    in_rounds = in_rounds[rank[in_rounds] < MOST_A_CELL]
    rest = in_rounds[~np.isin(in_rounds, mistakes)][: MOST_SHOWN - len(mistakes)]
    return np.sort(np.concatenate([mistakes, rest])).astype(np.int64)


def reduced(images: Bytes) -> Bytes:
    """Return pictures (n, H, W, C), C 1 or 3, with no side longer than `LARGEST_SIDE`."""
    num, height, width, channels = images.shape
    scale = LARGEST_SIDE / max(height, width)
    if scale >= 1:
        return images
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = np.empty((num, size[1], size[0], channels), np.uint8)
    for row, pixels in enumerate(images):
        image = Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels)
        small[row] = np.atleast_3d(np.asarray(image.resize(size, Image.Resampling.BOX)))
    return small


def keep(path: Path, **arrays: Bytes | Rows) -> None:
    """Write arrays into the run's file of pictures, beside its others.

    Raises:
        CannotCreateError, StorageError: as `write_atomic`.
        UnreadableError: there is such a file, and it cannot be read now, or takes more memory
            than there is.
    """
    content = io.BytesIO()
    np.savez_compressed(content, allow_pickle=False, **{**_kept(path), **arrays})
    write_atomic(path, content.getvalue())


def _kept(path: Path) -> dict[str, Bytes]:
    try:
        with np.load(read_packed(path), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files if name in _NAMES}
    except (UnreadableError, StorageError):  # it may be good
        raise
    except MemoryError:  # as may this
        raise UnreadableError(
            f"{path}: does not fit into memory; with more of it, or without the file, this goes on"
        ) from None
    except Exception:  # absent or damaged: what is written now replaces it
        return {}
