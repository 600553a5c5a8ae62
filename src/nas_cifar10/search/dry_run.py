"""A rehearsal: the smallest and the largest network on one batch, and how long a run would take.

Writes nothing, and no number of it goes into a study.
"""

import math
import time

import torch

from nas_cifar10.config import Config
from nas_cifar10.data import cifar10
from nas_cifar10.data.dataset import read
from nas_cifar10.data.split import DataSet
from nas_cifar10.errors import MissingInputError, NasError
from nas_cifar10.networks.cost import cost
from nas_cifar10.search.setup import batch_size, resolve, training_step
from nas_cifar10.space.candidate import Candidate
from nas_cifar10.space.search_space import SearchSpace
from nas_cifar10.training.precision import is_out_of_memory, resolve_device


def dry_run(config: Config, requested_device: str) -> list[tuple[str, str]]:
    """Return what there is to know before a search, as rows of a table.

    Raises:
        MissingInputError: the pictures would have to be downloaded first.
    """
    device = resolve_device(requested_device)
    if config.data.source == "cifar10" and not cifar10.is_there(config.data):
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
    seconds = []
    for name, candidate in zip(("smallest", "largest"), space.extremes(), strict=True):
        seconds.append(_seconds_an_epoch(config, candidate, data, device, resolved["precision"]))
        rows.append((name, _describe(candidate, data, seconds[-1])))
    epochs = config.search.trials * config.training.epochs
    span = _span(epochs / resolved["workers"], seconds)
    rows.append(("search", f"{span} if nothing is pruned ({epochs:,} epochs)"))
    rows.append(("retrain", f"{_span(config.retrain.epochs, seconds)}"))
    return rows


def _seconds_an_epoch(
    config: Config, candidate: Candidate, data: DataSet, device: torch.device, precision: str
) -> float:
    try:
        step = training_step(config, candidate, data, device)
        step(precision)  # the first step prepares kernels
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise NasError(
            f"{candidate.architecture}: does not fit into memory in batches of "
            f"{batch_size(config, candidate)}; its trials would fail"
        ) from None
    started = time.perf_counter()
    step(precision)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    taken = time.perf_counter() - started
    return taken * math.ceil(len(data.split.train) / batch_size(config, candidate))


def _describe(candidate: Candidate, data: DataSet, seconds: float) -> str:
    channels, height, width = (int(size) for size in data.images.shape[1:])
    price = cost(candidate.architecture, (channels, height, width), len(data.class_names))
    return (
        f"{candidate.architecture}: {price.parameters:,} parameters, {price.macs:,} MACs, "
        f"about {seconds:.3g} s an epoch"
    )


def _span(epochs: float, seconds: list[float]) -> str:
    low, high = (epochs * value / 60 for value in seconds)
    return f"between {low:.2g} and {high:.2g} min"
