"""The table of sources, the digits, and the rule that brings pictures to size."""

from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import InterpolationMode, functional

from nas_cifar10.config.schema import DataConfig
from nas_cifar10.data.pictures import fit, fit_all, room, to_array
from nas_cifar10.data.sources import SOURCES, load
from nas_cifar10.errors import ConfigError


def test_the_table_has_exactly_the_sources_of_the_schema() -> None:
    assert set(SOURCES) == set(get_args(DataConfig.model_fields["source"].annotation))


def test_digits_are_1797_grey_pictures_of_8x8_in_the_full_range() -> None:
    pictures = load(DataConfig(source="digits"))
    assert pictures.images.shape == (1797, 1, 8, 8)
    assert pictures.images.dtype == torch.uint8
    assert pictures.images.is_contiguous()
    assert pictures.labels.dtype == torch.int64
    assert pictures.class_names == tuple("0123456789")
    assert pictures.num_pool == 1797
    levels = [round(value * 255 / 16) for value in range(17)]
    assert np.unique(pictures.images.numpy()).tolist() == levels


def test_digits_come_in_another_size_by_the_rule_of_all_pictures() -> None:
    small = load(DataConfig(source="digits"))
    large = load(DataConfig(source="digits", image_size=12))
    assert large.images.shape == (1797, 1, 12, 12)
    image = Image.fromarray(small.images[7, 0].numpy())
    assert np.array_equal(large.images[7].numpy(), to_array(fit(image, 12)))


@settings(deadline=None)
@given(st.integers(5, 80), st.integers(5, 80), st.integers(1, 40), st.sampled_from(["L", "RGB"]))
def test_fit_equals_torchvisions_resize_and_centre_crop(
    width: int, height: int, size: int, mode: str
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    image = Image.fromarray(pixels).convert(mode)
    resized = functional.resize(image, [size], InterpolationMode.BILINEAR, antialias=True)
    expected = functional.center_crop(resized, [size, size])
    assert np.array_equal(np.asarray(fit(image, size)), np.asarray(expected))


def test_fit_gives_back_a_picture_that_has_the_size() -> None:
    image = Image.new("RGB", (5, 5))
    assert fit(image, 5) is image


@pytest.mark.parametrize(("width", "height"), [(4001, 3), (3, 4001)])
def test_fit_looks_at_the_middle_of_a_very_long_picture(width: int, height: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    image = Image.fromarray(pixels)
    middle = functional.center_crop(image, [min(height, 48), min(width, 48)])
    assert np.array_equal(np.asarray(fit(image, 6)), np.asarray(fit(middle, 6)))
    assert fit(Image.new("L", (40_000_000, 1)), 32).size == (32, 32)  # as a whole, 41 GB


def test_fit_all_equals_fit_one_by_one() -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 3, 10, 10), np.uint8)
    for fitted, pixels in zip(fit_all(images, 7), images, strict=True):
        image = Image.fromarray(pixels.transpose(1, 2, 0))
        assert np.array_equal(fitted, to_array(fit(image, 7)))
    assert fit_all(images, 10) is images


def test_pictures_that_do_not_fit_into_memory_are_refused_with_the_key() -> None:
    with pytest.raises(ConfigError, match=r"^data.image_size: 1,000,000,000 pictures of 1024x1024"):
        room(10**9, 3, 1024)
