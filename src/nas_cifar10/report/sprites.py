"""Many small pictures as one JPEG, and where each lies in it; knows no page."""

import io
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

Bytes = npt.NDArray[np.uint8]

_ALIGNMENT = 8  # pixels of a JPEG block: what starts on one does not bleed into its neighbour
_QUALITY = 90


@dataclass(frozen=True)
class Sheet:
    """Pictures of one size in a grid, row by row.

    Args:
        jpeg: The whole sheet.
        columns, rows: Of the grid.
        width, height: Of one picture, in pixels.
        cell_width, cell_height: Of its place in the grid.
    """

    jpeg: bytes
    columns: int
    rows: int
    width: int
    height: int
    cell_width: int
    cell_height: int


def sheet(images: Bytes) -> Sheet:
    """Lay pictures (n, H, W, 3), n at least 1, out in a grid about as wide as high."""
    num, height, width, _ = images.shape
    cell_height, cell_width = (
        math.ceil(side / _ALIGNMENT) * _ALIGNMENT for side in (height, width)
    )
    columns = math.ceil(math.sqrt(num * cell_height / cell_width))
    rows = math.ceil(num / columns)
    grid = np.zeros((rows, cell_height, columns, cell_width, 3), np.uint8)
    padding = ((0, cell_height - height), (0, cell_width - width), (0, 0))
    for number, image in enumerate(images):
        row, column = divmod(number, columns)
        grid[row, :, column] = np.pad(image, padding, mode="edge")
    content = io.BytesIO()
    whole = Image.fromarray(grid.reshape(rows * cell_height, columns * cell_width, 3))
    whole.save(content, format="jpeg", quality=_QUALITY, subsampling=0)
    return Sheet(content.getvalue(), columns, rows, width, height, cell_width, cell_height)
