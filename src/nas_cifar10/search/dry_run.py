"""A rehearsal: the smallest and the largest network on one batch, and how long a run would take.

Writes nothing, and no number of it goes into a study.
"""

import math
from collections.abc import Mapping
from functools import cache
from typing import Any

import torch

from nas_cifar10.config.schema import Config
from nas_cifar10.data.dataset import read
from nas_cifar10.data.sources import is_there
from nas_cifar10.data.split import DataSet
from nas_cifar10.errors import MissingInputError, NasError
from nas_cifar10.search.probe import batch_size, extremes, price, training_step
from nas_cifar10.search.resolved import refused, resolve
from nas_cifar10.space.candidate import Candidate
from nas_cifar10.space.search_space import SearchSpace
from nas_cifar10.text import three_digits
from nas_cifar10.training.precision import is_out_of_memory, resolve_device, seconds_of

_STEPS = 3  # timed of each network


def dry_run(config: Config, requested_device: str) -> list[tuple[str, str]]:
    """Return what there is to know before a search, as rows of a table.

    Raises:
        MissingInputError: the pictures would have to be downloaded first.
    """
    device = resolve_device(requested_device)
    if not is_there(config.data):
        raise MissingInputError(
            f"{config.data.root}: CIFAR-10 is not there yet, and a dry run writes nothing; "
            f"nas data --config FILE fetches it"
        )
    data = read(config.data, config.seed)
    resolved = resolve(config, data, device)
    space = SearchSpace.from_config(config.space)
    size = space.size()
    rows = [
        ("space", "endlessly many candidates" if math.isinf(size) else f"{size:,.0f} candidates"),
        (
            "pictures",
            f"{len(data.split.train):,} train, {len(data.split.validation):,} validation, "
            f"{len(data.split.test):,} test",
        ),
        (
            "computes in",
            f"{resolved['precision']} on {device.type}, workers: {resolved['workers']}, "
            f"threads each: {resolved['threads']}",
        ),
    ]
    searched, retrained = list[float](), list[float]()
    for name, candidate in zip(("smallest", "largest"), extremes(space, data), strict=True):
        found, reason = price(candidate, data), refused(config, candidate, data, resolved)
        told = f"{candidate.architecture}: {found.parameters:,} parameters, {found.macs:,} MACs"
        if reason is not None:
            rows.append((name, f"{told}, refused: {reason}"))
            continue
        seconds = _seconds_an_epoch(config, candidate, data, resolved)
        searched.append(seconds[0])
        retrained.append(seconds[1])
        rows.append((name, f"{told}, about {three_digits(seconds[0])} s an epoch"))
    epochs = config.search.trials * config.training.epochs
    at_once = min(resolved["workers"], config.search.cohort)
    unless = f" if nothing is pruned ({epochs:,} epochs)" if searched else ""
    rows.append(("search", _span(epochs / at_once, searched) + unless))
    rows.append(("retrain", _span(config.retrain.epochs * config.retrain.seeds, retrained)))
    return rows


def _seconds_an_epoch(
    config: Config, candidate: Candidate, data: DataSet, resolved: Mapping[str, Any]
) -> tuple[float, float]:
    """Return what an epoch of the search takes, and one of the retrain."""
    learnt = num_train = len(data.split.train)
    if config.retrain.monitor != "validation":  # then that part is learnt from, too
        learnt += len(data.split.validation)
    batch = min(batch_size(config, candidate), num_train)
    step = cache(lambda threads: _seconds_a_step(config, candidate, data, resolved, threads, batch))
    searched = step(resolved["threads"]) * math.ceil(num_train / batch)
    return searched, step(resolved["retrain_threads"]) * math.ceil(learnt / batch)


def _seconds_a_step(
    config: Config,
    candidate: Candidate,
    data: DataSet,
    resolved: Mapping[str, Any],
    threads: int,
    batch: int,
) -> float:
    device, precision = torch.device(resolved["device"]), resolved["precision"]
    torch.set_num_threads(threads)
    try:
        step = training_step(config, candidate, data, device, batch)
        step(precision)  # the first step prepares kernels
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise NasError(
            f"{candidate.architecture}: does not fit into memory in batches of {batch}; "
            f"its trials would fail"
        ) from None
    return min(seconds_of(step, precision, device) for _ in range(_STEPS))  # the least disturbed


def _span(epochs: float, seconds: list[float]) -> str:
    """Say how long so many epochs take, by the seconds of the extremes that are not refused."""
    if not seconds:
        return "unknown: the smallest and the largest are refused"
    low, high = (_spent(epochs * value) for value in (min(seconds), max(seconds)))
    return f"between {low} and {high}" if len(seconds) > 1 else f"from {low} on"


def _spent(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.2g} min" if seconds < 5400 else f"{seconds / 3600:,.1f} h"
