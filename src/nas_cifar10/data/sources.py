"""The sources by name, each a function of the config's data section; knows no split and no use."""

from collections.abc import Callable

import numpy as np
import torch

from nas_cifar10.config.schema import DataConfig
from nas_cifar10.data import cifar10, image_folder
from nas_cifar10.data.pictures import Pictures, fit_all


def digits(config: DataConfig) -> Pictures:
    """Return scikit-learn's 1,797 handwritten digits of 8x8 grey pixels; no test set of its own."""
    from sklearn.datasets import load_digits  # takes a second, which only this source should pay

    found = load_digits()
    grey = np.rint(found.images * (255 / 16)).astype(np.uint8)  # (N, H, W), written as 0 to 16
    images = fit_all(grey[:, None], config.size)
    labels = torch.from_numpy(found.target.astype(np.int64))
    return Pictures(torch.from_numpy(images), labels, tuple("0123456789"), len(labels))


SOURCES: dict[str, Callable[[DataConfig], Pictures]] = {
    "cifar10": cifar10.load,
    "digits": digits,
    "image_folder": image_folder.load,
}

DOWNLOADED: dict[str, Callable[[DataConfig], bool]] = {"cifar10": cifar10.is_there}


def is_there(config: DataConfig) -> bool:
    """Say whether `load` would download nothing; whether what is there is right is not asked."""
    return config.source not in DOWNLOADED or DOWNLOADED[config.source](config)


def load(config: DataConfig) -> Pictures:
    """Return all pictures of the source that the config names.

    Raises:
        BadDataError: pictures or an archive are not what they must be.
        MissingInputError: there are none, and none can be fetched.
        ConfigError: they do not fit into memory at the size asked for.
    """
    return SOURCES[config.source](config)
