"""From the config's data section to divided pictures; knows no study."""

import logging

from nas_cifar10.config.schema import DataConfig
from nas_cifar10.data.describe import fingerprint as fingerprint_of
from nas_cifar10.data.sources import load
from nas_cifar10.data.split import DataSet, divide
from nas_cifar10.errors import StateError

log = logging.getLogger(__name__)


def read(config: DataConfig, seed: int) -> DataSet:
    """Read all pictures and divide them; those left out are named in the log.

    Raises:
        NasError: as `load` and `divide`.
    """
    pictures = load(config)
    for reason in pictures.bad:
        log.warning("%s", reason)
    return divide(pictures, config, seed)


def read_again(config: DataConfig, seed: int, fingerprint: str) -> DataSet:
    """Read pictures that were read before.

    Raises:
        StateError: they are not the same.
        NasError: as `read`.
    """
    data = read(config, seed)
    if fingerprint_of(data) != fingerprint:
        raise StateError(
            f"the pictures of {config.source} under {config.root} are not those the study was "
            f"made with; put them back, or start over (nas search --overwrite)"
        )
    return data
