"""How many workers share a machine, and how many threads each gets; knows no study."""

from collections.abc import Mapping
from typing import Any

import torch

from nas_cifar10.config.schema import Config
from nas_cifar10.training import precision
from nas_cifar10.training.lanes import MAX_LANES


def num_workers(config: Config, device: torch.device) -> int:
    """Return how many segments are trained at once.

    `auto`: as many as share the cores when each keeps `MAX_LANES` of them busy with one network,
    but no more than a cohort has trials (docs/log.md); an accelerator is one worker. A Ray cluster
    takes a whole cohort, and lets wait what finds no room.
    """
    if config.search.workers != "auto":
        return config.search.workers
    if config.search.executor == "ray":
        return config.search.cohort
    if device.type != "cpu":
        return 1
    return min(_num_local(), config.search.cohort)


def num_threads(config: Config, workers: int) -> int:
    """Return the CPU threads of a worker; those of a cluster share nothing with this machine."""
    sharing = _num_local() if config.search.executor == "ray" else workers
    return precision.resolve_threads(config.training.threads, sharing)


def stored_threads(config: Config, resolved: Mapping[str, Any], device: torch.device) -> int:
    """Return the threads of a worker of a study that has been resolved.

    On another kind of device than the study was made on numbers differ anyway: counted anew.
    """
    if device.type == resolved["device"]:
        return int(resolved["threads"])
    return num_threads(config, num_workers(config, device))


def _num_local() -> int:
    return max(1, precision.num_cores() // MAX_LANES)
