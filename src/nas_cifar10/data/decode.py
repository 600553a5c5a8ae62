"""One picture file to pixels, or the reason why not; knows no folder, class or split.

The rule, in this order: the first frame; RGB, where 16-bit grey is scaled to 8 bits, transparency
is laid on white, and colour profiles are ignored (32-bit whole numbers count as 16-bit grey, and
floating-point ones as 8-bit, cut off at both ends); where one channel is wanted, its grey (luma of
ITU-R 601: 0.299 R + 0.587 G + 0.114 B); the orientation that EXIF names; then `fit`.
The format is told by the contents, not by the suffix. A file of more than `MAX_PIXELS` pixels, or a
third of it in WebP, half of it with transparency, is refused by its header, before it is decoded.
"""

import contextlib
import errno
import logging
import os
import stat
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError

from nas_cifar10.data.pictures import Bytes, fit, to_array
from nas_cifar10.errors import StorageError
from nas_cifar10.text import one_line

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
MAX_PIXELS = 46_000_000  # 8 bytes each where they are turned: all in all 1 GB in the process
MAX_SIDE = 10**6  # Pillow keeps a pointer for each row: 1 x 46,000,000 pixels take as much again

# 0 to 65,535 as 0 to 255, rounded; Pillow cuts off what a 32-bit file holds outside of it.
_EIGHT_BITS = [(grey + 128) // 257 for grey in range(65_536)]

# What says nothing of the file: a picture that is left out for it would be back the next time.
_PASSING = {errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EMFILE, errno.ENFILE, errno.ENOMEM}

# Of pictures above this, one at a time is decoded: the largest takes 0.4 GB, four at once 1.5.
_LARGE_PIXELS = 2**23
_ALONE = threading.RLock()

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence Pillow's remarks on metadata; a torn EXIF directory, where orientation is, raises.

    It holds for all threads, so it stands around them.
    """
    log = logging.getLogger("PIL")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.filterwarnings("error", message="Corrupt EXIF data")
            yield
    finally:
        log.setLevel(level)


@contextlib.contextmanager
def _stderr_closed() -> Iterator[None]:
    """Drop what is written to file descriptor 2, where libtiff complains past Python."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def into(pixels: Bytes, path: Path, *, whole: bool = False) -> str | None:
    """Decode a file into (C, H, W), H = W, in RGB or, where C is 1, in grey.

    Args:
        whole: No file may be left out for what is not wrong with itself.

    Returns:
        What is wrong with the file, if anything is.

    Raises:
        StorageError: what it lies on fails, or memory is short, and `whole` was asked for.
    """
    try:
        pixels[:] = _decoded(path, pixels.shape[0], pixels.shape[1])
    except Exception as error:  # a broken or hostile file can make a decoder raise anything
        if whole and _is_passing(error):
            raise StorageError(
                f"{one_line(path)}: cannot be read now: {_reason(error)}; try again, or remove it"
            ) from None
        return _reason(error)
    return None


def _is_passing(error: Exception) -> bool:
    """Say whether it tells of this machine; no file takes too much memory: see `MAX_PIXELS`."""
    return isinstance(error, MemoryError) or getattr(error, "errno", None) in _PASSING


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "is no picture in a known format"
    if isinstance(error, Image.DecompressionBombError):
        return f"has more than {MAX_PIXELS:,} pixels"
    if isinstance(error, MemoryError):
        return "does not fit into memory"
    text = error.strerror if isinstance(error, OSError) else None
    return one_line(text or str(error) or type(error).__name__)


def _decoded(path: Path, channels: int, size: int) -> Bytes:
    with contextlib.ExitStack() as stack:
        image, orientation = _opened(path, stack)
        image = _rgb(image)
        image = image.convert("L") if channels == 1 else image
        if orientation in _UPRIGHT:
            image = image.transpose(_UPRIGHT[orientation])
        return to_array(fit(image, size))


def _opened(path: Path, stack: contextlib.ExitStack) -> tuple[Image.Image, int]:
    """Return the first frame and its EXIF orientation; a large one keeps other large ones out."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("is no regular file")
    if status.st_size == 0:
        raise ValueError("is empty")
    with Image.open(path, formats=FORMATS) as image:
        num_pixels = image.width * image.height
        limit = MAX_PIXELS // _hunger(image)
        if num_pixels > limit:
            raise ValueError(f"has more than {limit:,} pixels")
        if max(image.size) > MAX_SIDE:
            raise ValueError(f"has a side of more than {MAX_SIDE:,} pixels")
        if num_pixels > _LARGE_PIXELS:
            stack.enter_context(_ALONE)
        _load(image)
        return image, _orientation(image)


def _hunger(image: Image.Image) -> int:
    """Return how many times as much memory a picture takes as an opaque one."""
    if image.format == "WEBP":
        return 3
    return 2 if image.has_transparency_data else 1


def _load(image: ImageFile.ImageFile) -> None:
    if any(tile.codec_name == "libtiff" for tile in image.tile):
        with _ALONE, _stderr_closed():
            image.load()
    else:
        image.load()


def _orientation(image: Image.Image) -> int:
    try:
        if raw := image.info.get("exif"):
            Image.Exif().load(raw)  # raises, where getexif() after open() hides that it failed
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception as error:  # as above
        if _is_passing(error):
            raise
        raise ValueError(f"has broken EXIF data: {_reason(error)}") from None


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        image = image.convert("I").point(_EIGHT_BITS, "L")
    if image.has_transparency_data:
        image = image if image.mode == "RGBA" else image.convert("RGBA")
        white = Image.new("RGB", image.size, "white")
        white.paste(image, mask=image)
        return white
    return image if image.mode == "RGB" else image.convert("RGB")
