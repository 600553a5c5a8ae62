"""From a config to a study that is ready to run, or to go on; trains nothing but a probe.

The order matters: what can be refused cheaply is refused before pictures are read, and nothing is
written before everything was checked.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import torch

from nas_cifar10 import interrupts
from nas_cifar10.config.schema import Config
from nas_cifar10.config.search import SearchConfig
from nas_cifar10.data.dataset import read, read_again
from nas_cifar10.data.describe import describe
from nas_cifar10.data.parts import Parts, search_parts
from nas_cifar10.data.split import DataSet
from nas_cifar10.errors import CannotCreateError, ConfigError
from nas_cifar10.runs import environment
from nas_cifar10.runs.place import Place, recorded
from nas_cifar10.search import identity
from nas_cifar10.search.executors import Executor, check_shared_memory, open_executor
from nas_cifar10.search.record import describe_run
from nas_cifar10.search.resolved import resolve
from nas_cifar10.search.sharing import num_workers, stored_threads
from nas_cifar10.search.worker import Worker, fork_workers
from nas_cifar10.study.rows import Facts
from nas_cifar10.study.storage import create_study, delete_study, find_study, taken
from nas_cifar10.study.study import Study
from nas_cifar10.training import precision


@dataclass(frozen=True)
class Ready:
    """A study, its pictures, and who will train on them with how many threads each."""

    study: Study
    data: DataSet
    device: torch.device
    threads: int
    executor: AbstractContextManager[Executor]


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
        for other in _own_study(place) - {name}:  # first: the folder's record alone names it
            delete_study(place.database, other)
        place.run.clear()
        delete_study(place.database, name)  # last: with it, the folder is not taken for free
    study = create_study(place.database, name, facts)
    return _ready(study, place, data, device, forked)


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
    return _ready(study, place, data, device, forked)


def _own_study(place: Place) -> set[str]:
    """Return the study of the run that is there, where it lies in the run's folder."""
    path, run = place.database.path, place.run
    if path is None or path.parent.resolve() != run.root.resolve():
        return set()
    found = recorded(run)
    return {found[0]} if found is not None and found[1].may_be(place.database) else set()


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
        check_shared_memory(search_parts(data))


def _ready(
    study: Study, place: Place, data: DataSet, device: torch.device, forked: list[Worker]
) -> Ready:
    """Describe the run, and find who trains: workers may change, threads only with the device."""
    config, workers = study.config, num_workers(study.config, device)
    threads = stored_threads(config, study.facts.resolved, device)
    describe_run(study, place, data, device)
    executor = _executor(config.search, search_parts(data), threads, device, workers, forked)
    return Ready(study, data, device, threads, executor)


def _executor(
    search: SearchConfig,
    pictures: Parts,
    threads: int,
    device: torch.device,
    workers: int,
    forked: list[Worker],
) -> AbstractContextManager[Executor]:
    if search.executor == "ray":
        from nas_cifar10.search.ray_cluster import RayTasks

        return RayTasks(pictures, threads, device, workers, search.ray, search.max_losses)
    return open_executor(pictures, threads, device, workers, search.max_losses, forked)
