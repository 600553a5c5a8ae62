"""Made-up pictures in folders, for tests to read, and the decoding rule by other means."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps
from torchvision.transforms import functional

from nas_cifar10.config.schema import DataConfig
from nas_cifar10.data.image_folder import load
from nas_cifar10.data.pictures import Pictures


def noise(width: int = 6, height: int = 6, seed: int = 0, channels: int = 3) -> Image.Image:
    shape = (height, width, channels)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    return Image.fromarray(pixels.squeeze())


def save(path: Path, image: Image.Image | None = None, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    (image or noise()).save(path, **options)
    return path


def cats_and_dogs(root: Path) -> Path:
    """Make two classes of two pictures, and no test set."""
    for number, name in enumerate(("cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png")):
        save(root / "train" / name, noise(seed=number))
    return root


def read(root: Path, **values: object) -> Pictures:
    values = {"source": "image_folder", "root": str(root), "image_size": 6, **values}
    return load(DataConfig.model_validate(values))


def first(root: Path, **values: object) -> np.ndarray:
    """Return the first picture of the first class as (H, W, C)."""
    pixels: np.ndarray = read(root, **values).images[0].permute(1, 2, 0).numpy()
    return pixels


def oracle(path: Path, size: int) -> np.ndarray:
    """The written rule, step by step, by other means."""
    with Image.open(path) as file:
        image = ImageOps.exif_transpose(file)
    if image.mode != "RGB":
        image = Image.alpha_composite(
            Image.new("RGBA", image.size, "white"), image.convert("RGBA")
        ).convert("RGB")
    if image.size != (size, size):
        resize = functional.InterpolationMode.BILINEAR
        image = functional.center_crop(functional.resize(image, [size], resize), [size, size])
    return np.asarray(image)
