"""From a config to a study that is ready to run, or to go on; trains nothing but a probe.

The order matters: what can be refused cheaply is refused before pictures are read, and nothing is
written before everything was checked.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from nas_cifar10 import interrupts
from nas_cifar10.config.schema import Config
from nas_cifar10.data.dataset import read, read_again
from nas_cifar10.data.describe import describe
from nas_cifar10.data.loader import normalise
from nas_cifar10.data.split import DataSet
from nas_cifar10.errors import CannotCreateError, ConfigError
from nas_cifar10.networks import latency
from nas_cifar10.networks.build import build, initialise
from nas_cifar10.networks.cost import cost
from nas_cifar10.runs import environment
from nas_cifar10.runs.place import Place
from nas_cifar10.search import identity
from nas_cifar10.search.budgets import costs_of, refusal
from nas_cifar10.search.executors import OpenExecutor, check_shared_memory, open_executor
from nas_cifar10.search.record import describe_run
from nas_cifar10.search.sharing import num_threads, num_workers
from nas_cifar10.search.worker import Worker, fork_workers
from nas_cifar10.segment import search_pictures
from nas_cifar10.space.candidate import Candidate
from nas_cifar10.space.cost import Cost
from nas_cifar10.space.search_space import SearchSpace
from nas_cifar10.study.rows import Facts
from nas_cifar10.study.storage import create_study, delete_study, find_study, taken
from nas_cifar10.study.study import Study
from nas_cifar10.training import precision
from nas_cifar10.training.engine import train_step
from nas_cifar10.training.lanes import MAX_LANES, Lanes
from nas_cifar10.training.memory import keep_freed_memory
from nas_cifar10.training.optim import make_optimizer

PROBE_MACS = 10**10  # of one step's forward passes: well below a second


@dataclass(frozen=True)
class Ready:
    """A study, its pictures, and who will train on them."""

    study: Study
    data: DataSet
    executor: OpenExecutor


def existing(place: Place, *, resume: bool, overwrite: bool) -> Study | None:
    """Return the study to go on with, or None where a new one is to be made.

    Raises:
        CannotCreateError: there is one, and neither `resume` nor `overwrite` was asked for; or the
            folder holds the run of another study.
    """
    study, run = find_study(place.database, place.study_name), place.run
    name = study.name if study is not None else place.study_name
    holder = environment.read(run.environment).study if run.environment.exists() else None
    if resume:
        replace(place, study_name=name).refuse_other()
    if resume or overwrite or (study is None and holder is None):
        return study if resume else None
    if study is not None and holder is None:
        raise taken(place.database, study.name)
    raise CannotCreateError(
        f"{run.root}: holds a run already (study {holder!r}); go on with --resume, or replace it "
        f"with --overwrite"
    )


def start(
    config: Config,
    place: Place,
    requested_device: str,
    begin: Callable[[], None] = interrupts.check,
    *,
    overwrite: bool,
) -> Ready:
    """Make a new study and the files that describe its run.

    Args:
        begin: Is called before anything is written or removed.

    Raises:
        NasError: the pictures, the device or the database cannot be used; nothing was written.
    """
    device = precision.resolve_device(requested_device)
    forked = _workers(config, device)
    data = read(config.data, config.seed)
    _check_room(config, data, device)
    facts = Facts(config.plain(), resolve(config, data, device), describe(data))
    name = place.study_name or config.name
    begin()
    if overwrite:
        replaced = {name, *_own_study(place)}
        place.run.clear()  # first: while the study is there, the folder is not taken for free
        for each in replaced:
            delete_study(place.database, each)
    study = create_study(place.database, name, facts)
    describe_run(study, place, data, device)
    return Ready(study, data, _executor(study, data, device, forked))


def go_on(
    study: Study,
    config: Config,
    place: Place,
    requested_device: str | None,
    begin: Callable[[], None] = interrupts.check,
) -> Ready:
    """Take up a stored study, with a config that may differ in its free keys.

    Args:
        requested_device: None: the one the study was made on.
        begin: Is called before anything is written.

    Raises:
        StateError: the config or the pictures are not those of the study.
    """
    # Read again first: a key that was added since then has its default in the study.
    identity.check(study.config.plain(), config.plain())
    device = precision.stored_device(study.facts.resolved["device"], requested_device)
    forked = _workers(config, device)
    data = read_again(config.data, config.seed, study.facts.data["fingerprint"])
    _check_room(config, data, device)
    begin()
    if config.plain() != study.facts.config:
        study.replace_config(config.plain())
    describe_run(study, place, data, device)
    return Ready(study, data, _executor(study, data, device, forked))


def _own_study(place: Place) -> list[str]:
    """Return the study of the run that is there, where its database lies in the run's folder."""
    path, run = place.database.path, place.run
    own = path is not None and path.parent.resolve() == run.root.resolve()
    return [environment.read(run.environment).study] if own and run.environment.exists() else []


def _workers(config: Config, device: torch.device) -> list[Worker]:
    """Join the cluster that is to train, or fork workers: before anything is read or written."""
    if config.search.executor == "ray":
        options = config.search.ray
        if device.type == "cuda" and options.address is not None and not options.gpus:
            raise ConfigError(
                "search.ray.gpus=0: a segment is to train on a GPU and could go to a node without "
                "one; set the share of a GPU it needs (0.25: four segments on each), or train with "
                "--device cpu"
            )
        from nas_cifar10.search import ray_cluster

        ray_cluster.connect(config.search.ray)
        return []
    return fork_workers(num_workers(config, device)) if device.type == "cpu" else []


def _check_room(config: Config, data: DataSet, device: torch.device) -> None:
    if config.search.executor == "local" and num_workers(config, device) > 1:
        check_shared_memory(search_pictures(data))


def _executor(
    study: Study, data: DataSet, device: torch.device, forked: list[Worker]
) -> OpenExecutor:
    """Return who trains: workers may change on the way, threads only with the device."""
    workers, resolved = num_workers(study.config, device), study.facts.resolved
    search, pictures = study.config.search, search_pictures(data)
    # On another kind of device than the study was made on numbers differ anyway.
    alike = device.type == resolved["device"]
    threads = resolved["threads"] if alike else num_threads(study.config, workers)
    if search.executor == "ray":
        from nas_cifar10.search.ray_cluster import RayTasks

        return RayTasks(pictures, threads, device, workers, search.ray, search.max_losses)
    return open_executor(pictures, threads, device, workers, search.max_losses, forked)


def resolve(config: Config, data: DataSet, device: torch.device) -> dict[str, Any]:
    """Decide number format and threads, once for the whole study."""
    space = SearchSpace.from_config(config.space)
    largest = extremes(space, data)[1]
    workers = num_workers(config, device)
    threads = num_threads(config, workers)
    torch.set_num_threads(threads)
    keep_freed_memory()  # the probe times what the search will do
    format_, speedup = precision.resolve_precision(
        config.training.precision, device, lambda: _probe_step(config, largest, data, device)
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
    costs = costs_of(candidate.architecture, found, _shape(data), timed)
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
        "parts_ms": latency.time_parts(space, _shape(data), len(data.class_names), device),
    }


def batch_size(config: Config, candidate: Candidate) -> int:
    """Return the candidate's own batch size, or the config's where the space draws none."""
    return int(dict(candidate.training).get("batch_size", config.training.batch_size))


def _probe_step(
    config: Config, largest: Candidate, data: DataSet, device: torch.device
) -> Callable[[str], None]:
    """Return what learns from so few pictures that it takes seconds, whatever the space holds.

    Weights are not updated: that takes the same time in either format, and once a whole batch. A
    GPU gets the whole batch: with few pictures its time is that of asking it.
    """
    macs, pictures = price(largest, data).macs, batch_size(config, largest)
    if device.type == "cpu":
        pictures = min(pictures, max(MAX_LANES, PROBE_MACS // macs))
    network, images, labels = _with_noise(config, largest, data, device, pictures)

    def step(number_format: str) -> None:
        with Lanes(network) as lanes:
            lanes.learn(images, labels, number_format, label_smoothing=0.0)

    return step


def extremes(space: SearchSpace, data: DataSet) -> tuple[Candidate, Candidate]:
    """Return the candidates of a space that take the least and the most work on these pictures."""
    return space.extremes(lambda candidate: price(candidate, data).macs)


def price(candidate: Candidate, data: DataSet) -> Cost:
    """Return what a candidate costs with these pictures."""
    return cost(candidate.architecture, _shape(data), len(data.class_names))


def _shape(data: DataSet) -> tuple[int, int, int]:
    """Return C, H, W."""
    channels, height, width = (int(size) for size in data.images.shape[1:])
    return channels, height, width


def training_step(
    config: Config, candidate: Candidate, data: DataSet, device: torch.device, pictures: int
) -> Callable[[str], None]:
    """Return a function that trains a candidate on so much noise in a number format."""
    network, images, labels = _with_noise(config, candidate, data, device, pictures)
    optimizer = make_optimizer(network, config.training)

    def step(number_format: str) -> None:
        with Lanes(network) as lanes:
            train_step(lanes, optimizer, images, labels, number_format)

    return step


def _with_noise(
    config: Config, candidate: Candidate, data: DataSet, device: torch.device, pictures: int
) -> tuple[nn.Module, Tensor, Tensor]:
    """Return a network, and so much noise with labels for it to learn from."""
    shape = _shape(data)
    network = build(candidate.architecture, shape, len(data.class_names))
    initialise(network, config.seed, candidate.architecture.initialisation)
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload] # no stub
    generator = torch.Generator().manual_seed(config.seed)
    noise = torch.randint(0, 256, (pictures, *shape), dtype=torch.uint8, generator=generator)
    images = normalise(noise.to(device))
    return network, images, torch.zeros(len(images), dtype=torch.int64, device=device)
