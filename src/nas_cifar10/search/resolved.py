"""What is decided once for a whole study, before its first trial, and stored in it."""

from collections.abc import Mapping
from typing import Any

import torch

from nas_cifar10.config.schema import Config
from nas_cifar10.data.split import DataSet
from nas_cifar10.errors import ConfigError
from nas_cifar10.networks import latency
from nas_cifar10.search.budgets import costs_of, refusal
from nas_cifar10.search.probe import extremes, price, probe_step
from nas_cifar10.search.sharing import num_threads, num_workers
from nas_cifar10.space.candidate import Candidate
from nas_cifar10.space.search_space import SearchSpace
from nas_cifar10.training import precision
from nas_cifar10.training.memory import keep_freed_memory


def resolve(config: Config, data: DataSet, device: torch.device) -> dict[str, Any]:
    """Decide number format and threads, once for the whole study."""
    space = SearchSpace.from_config(config.space)
    largest = extremes(space, data)[1]
    workers = num_workers(config, device)
    threads = num_threads(config, workers)
    torch.set_num_threads(threads)
    keep_freed_memory()  # the probe times what the search will do
    format_, speedup = precision.resolve_precision(
        config.training.precision, device, lambda: probe_step(config, largest, data, device)
    )
    wanted = "latency_ms" in config.search.watched
    timed = {"latency": _timed(space, data, device)} if wanted else {}
    resolved = {
        "device": device.type,
        "processor": precision.processor(),
        "precision": format_,
        "bf16_speedup": speedup,
        "threads": threads,
        "retrain_threads": precision.resolve_threads(config.training.threads, workers=1),
        "workers": workers,
        **timed,
    }
    _check_baseline(config, data, resolved)
    return resolved


def _check_baseline(config: Config, data: DataSet, resolved: Mapping[str, Any]) -> None:
    if config.search.baseline is None:
        return
    reason = refused(
        config, Candidate.from_json(config.search.baseline.model_dump()), data, resolved
    )
    if reason is not None:
        raise ConfigError(
            f"search.baseline: search.constraints refuse it: {reason}; raise the limit, or search "
            f"without it (search.baseline=null)"
        )


def refused(
    config: Config, candidate: Candidate, data: DataSet, resolved: Mapping[str, Any]
) -> str | None:
    """Return why a candidate would not be trained; None: it would.

    Args:
        resolved: As `resolve` decided it.
    """
    found, timed = price(candidate, data), resolved.get("latency")
    costs = costs_of(candidate.architecture, found, data.shape, timed)
    return refusal(config.search.constraints, costs)


def _timed(space: SearchSpace, data: DataSet, device: torch.device) -> dict[str, Any]:
    """Time everything a network of the space can be made of, on the threads set now."""
    return {
        "device": device.type,
        "hardware": precision.hardware(device),
        "threads": torch.get_num_threads(),
        "batch_size": 1,
        "precision": "fp32",
        "repeats": latency.REPEATS,
        "parts_ms": latency.time_parts(space, data.shape, data.num_classes, device),
    }
