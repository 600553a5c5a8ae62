"""Pictures come out of the sheet where they were put."""

import io

import numpy as np
import pytest
from PIL import Image

from nas_cifar10.report.sprites import sheet

SIZES = [(1, (8, 8)), (7, (32, 32)), (600, (12, 20)), (3, (64, 48))]


@pytest.mark.parametrize(("num", "size"), SIZES)
def test_each_picture_lies_in_its_place(num: int, size: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    flat = random.integers(0, 256, (num, 1, 1, 3), np.uint8)
    images = np.broadcast_to(flat, (num, *size, 3))
    laid = sheet(images)
    assert (laid.height, laid.width) == size
    with Image.open(io.BytesIO(laid.jpeg)) as image:
        whole = np.asarray(image).astype(int)
    assert whole.shape == (laid.rows * laid.cell_height, laid.columns * laid.cell_width, 3)
    for number, picture in enumerate(images):
        row, column = divmod(number, laid.columns)
        top, left = row * laid.cell_height, column * laid.cell_width
        found = whole[top : top + laid.height, left : left + laid.width]
        assert abs(found - picture).max() <= 4
