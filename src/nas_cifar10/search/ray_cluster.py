"""Trains segments as tasks of a Ray cluster; imports Ray, so imported only where that is asked for.

A task is one segment: pictures lie once in each node's object store, checkpoints come and go as
bytes, and nothing else is shared. Ray repeats nothing by itself: what is lost is run again here.
"""

import ipaddress
import logging
import os
import secrets
import signal
import socket
import time
import warnings
from collections import deque
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, TypeAlias

import numpy as np
import torch

from nas_cifar10 import interrupts
from nas_cifar10.config.search import RayConfig
from nas_cifar10.data.parts import Parts
from nas_cifar10.errors import (
    ConfigError,
    MissingInputError,
    MissingPackageError,
    StateError,
    StorageError,
)
from nas_cifar10.search.executors import CHECK_SECONDS, failed_workers
from nas_cifar10.search.worker import Result, Task
from nas_cifar10.segment import Segment, train_segment
from nas_cifar10.training.memory import give_back_memory, keep_freed_memory

# Ray reads these once, when it is imported: whoever reaches a cluster can run anything on it.
os.environ.setdefault("RAY_AUTH_MODE", "token")
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
# A cluster that starts here is reached from here alone. Ray has this switch for other systems,
# where that is the default, but obeys it on all; who joins one elsewhere is not touched by it.
os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # no remark on it
# A machine that vanished says no more, not even that it is gone: without these, seven minutes pass
# until what it was at is given up. Nodes allow to be asked once a minute, not more often.
os.environ.setdefault("RAY_grpc_client_keepalive_time_ms", "70000")
os.environ.setdefault("RAY_grpc_client_keepalive_timeout_ms", "20000")
os.environ.setdefault("RAY_worker_niceness", "0")  # of our own cluster: as local workers are

try:
    import ray
    from ray import exceptions
except ImportError as error:
    raise MissingPackageError("search.executor=ray:", error.name or "ray", "ray") from None

log = logging.getLogger(__name__)

PROBE_SECONDS = 5.0  # for a cluster's port to answer
FIT_SECONDS = 10.0  # how often it is asked whether any node could take a segment
_OWN_TOKEN = secrets.token_hex(32)  # Ray reads it once a process
_WORKER_LOST = (
    exceptions.WorkerCrashedError,
    exceptions.NodeDiedError,
    exceptions.ObjectLostError,
    exceptions.OutOfMemoryError,
)

Arrays: TypeAlias = Mapping[str, "np.ndarray[Any, Any] | None"]


def connect(config: RayConfig) -> None:
    """Join the cluster, or start one on this machine that ends with this process.

    Nobody is told about it and no dashboard is opened. A cluster of our own listens on loopback and
    takes orders only from who has its token, which is made for it and kept nowhere.

    Raises:
        MissingInputError: nothing answers at the address, or not to us.
        ConfigError: the cluster can be reached by others, and Ray's tokens are off.
    """
    if config.address is None:
        os.environ["RAY_AUTH_TOKEN"] = _OWN_TOKEN
        where: dict[str, Any] = {"address": "local", "include_dashboard": False}
    else:
        if config.address != "auto":
            _probe(config.address)
        where = {"address": config.address}
    handlers = {number: signal.getsignal(number) for number in interrupts.SIGNALS}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # remarks on Ray's own code
            ray.init(log_to_driver=False, logging_level=logging.ERROR, **where)
    except (ConnectionError, RuntimeError, ValueError, exceptions.RayError) as error:
        raise MissingInputError(
            f"search.ray.address={config.address or 'null'}: no Ray cluster can be used there: "
            f"{_first_line(error)}; is it up, and RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH its token?"
        ) from None
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if config.address == "auto":
        try:
            _check_private(str(ray.get_runtime_context().gcs_address))
        except ConfigError:
            ray.shutdown()
            raise


def _probe(address: str) -> None:
    """Ask whether anything listens there: Ray itself takes a minute to give up."""
    _check_private(address)
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), PROBE_SECONDS).close()
    except OSError as error:
        raise MissingInputError(
            f"search.ray.address={address}: nothing answers there ({error.strerror or error}); "
            f"start the cluster with ray start --head, or leave the key out for one of its own"
        ) from None


def _check_private(address: str) -> None:
    if _is_loopback(address) or os.environ["RAY_AUTH_MODE"].lower() == "token":
        return
    raise ConfigError(
        f"search.ray.address={address}: is no loopback address, and Ray runs whatever anybody "
        f"sends there; RAY_AUTH_MODE={os.environ['RAY_AUTH_MODE']} turns its tokens off: "
        f"set RAY_AUTH_MODE=token, here and on every node (docs/clusters.md)"
    )


def _is_loopback(address: str) -> bool:
    """Say whether an address, HOST:PORT, is this machine's alone; a name may lead anywhere."""
    host = address.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _train(
    segment: Segment,
    arrays: Arrays,
    num_classes: int,
    checkpoint: bytes | None,
    threads: int,
    device: torch.device,
    versions: Mapping[str, str],
) -> Result:
    """Train a segment on whichever node this runs."""
    if versions != _versions():
        raise StateError(
            f"node {socket.gethostname()} has {_versions()}, the driver {dict(versions)}: "
            f"install the same there, or numbers differ"
        )
    keep_freed_memory()
    torch.set_num_threads(threads)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # shared memory is read-only, and is only read
        tensors = {k: None if a is None else torch.from_numpy(a) for k, a in arrays.items()}
    pictures = Parts(**tensors, num_classes=num_classes)  # type: ignore[arg-type] # by name
    result = train_segment(segment, pictures.to(device), checkpoint)
    give_back_memory()
    return result


def _versions() -> dict[str, str]:
    """Return what must be the same everywhere for numbers to be the same."""
    return {"nas-cifar10": version("nas-cifar10"), "torch": version("torch")}


@dataclass(frozen=True)
class _Running:
    """A task under way, and the nodes there were when it began."""

    task: Task
    nodes: frozenset[str]


class RayTasks(AbstractContextManager["RayTasks"]):
    """Trains segments as Ray tasks, on whatever nodes the cluster has at the time."""

    def __init__(
        self,
        pictures: Parts,
        threads: int,
        device: torch.device,
        workers: int,
        options: RayConfig,
        max_losses: int | None = None,
    ) -> None:
        """Hand the pictures to a cluster that this process is connected to.

        Args:
            pictures: On the CPU.
            workers: Segments at once; those that find no room wait in the cluster.
            max_losses: A trial has failed when so many of its workers died. One whose node left
                meanwhile does not count: nodes come and go, and it was not the trial.
        """
        fields: dict[str, Any] = dict(vars(pictures))
        self._num_classes = fields.pop("num_classes")
        arrays: Arrays = {k: None if t is None else t.numpy() for k, t in fields.items()}
        self._pictures = ray.put(arrays)
        give_back_memory()
        self._needs = {"CPU": options.cpus or float(threads), "GPU": options.gpus}
        # With a GPU said here, not later, Ray gives each task a process of its own: one that has
        # computed on a GPU cannot change to another.
        needs: dict[str, Any] = {"num_cpus": self._needs["CPU"], "num_gpus": options.gpus}
        self._train: Any = ray.remote(max_retries=0, **needs)(_train)
        self._settings = (threads, device, _versions())
        self._workers, self._max_losses = workers, max_losses
        self._running: dict[Any, _Running] = {}
        self._losses: dict[int, list[frozenset[str]]] = {}
        self._failed: deque[tuple[int, Result]] = deque()
        self._asked = time.monotonic()
        self._warn_if_nothing_fits()

    @property
    def free(self) -> int:
        """How many more may be under way or wait in the cluster."""
        return self._workers - len(self._running) - len(self._failed)

    @property
    def busy(self) -> list[Segment | None]:
        """What is under way; the cluster says not where."""
        segments: list[Segment | None] = [each.task[0] for each in [*self._running.values()]]
        return segments + [None] * (self._workers - len(segments))

    def submit(self, segment: Segment, checkpoint: bytes | None) -> None:
        """Hand the segment to the cluster."""
        found = self._train.remote(
            segment, self._pictures, self._num_classes, checkpoint, *self._settings
        )
        self._running[found] = _Running((segment, checkpoint), _alive())

    def result(self) -> tuple[int, Result]:
        """Wait for whichever task is done first.

        Raises:
            StorageError: the cluster went away.
        """
        while not self._failed:
            interrupts.check()
            ready, _ = ray.wait(list(self._running), num_returns=1, timeout=CHECK_SECONDS)
            if not ready:
                self._warn_if_nothing_fits()
                continue
            running = self._running.pop(ready[0])
            try:
                return running.task[0].trial, ray.get(ready[0])
            except exceptions.RayTaskError as error:
                raise error.cause from None
            except _WORKER_LOST as error:
                self._again(running, error)
            except exceptions.RayError as error:
                raise StorageError(f"the Ray cluster went away: {_first_line(error)}") from None
        return self._failed.popleft()

    def __exit__(self, *error: object) -> None:
        """Leave the cluster, or end one of our own; what is under way is given up."""
        for found in self._running:
            ray.cancel(found, force=True)
        ray.shutdown()

    def _again(self, lost: _Running, error: Exception) -> None:
        """Run a lost segment again, unless its trial has cost enough workers."""
        segment, checkpoint = lost.task
        losses = self._losses.setdefault(segment.trial, [])
        losses.append(lost.nodes)
        log.warning("trial %d lost a worker: %s", segment.trial, _first_line(error))
        alive = _alive()
        died = sum(nodes <= alive for nodes in losses)
        if died == self._max_losses:
            self._failed.append((segment.trial, failed_workers(died)))
        else:
            self.submit(segment, checkpoint)

    def _warn_if_nothing_fits(self) -> None:
        if time.monotonic() < self._asked:
            return
        self._asked = time.monotonic() + FIT_SECONDS
        wanted = {name: amount for name, amount in self._needs.items() if amount}
        if not any(_fits(node["Resources"], wanted) for node in _nodes()):
            told = ", ".join(f"{amount:g} {name}" for name, amount in wanted.items())
            log.warning("no node of the Ray cluster has %s; waiting for one that does", told)


def _fits(has: Mapping[str, float], wanted: Mapping[str, float]) -> bool:
    return all(has.get(name, 0) >= amount for name, amount in wanted.items())


def _alive() -> frozenset[str]:
    return frozenset(node["NodeID"] for node in _nodes())


def _nodes() -> list[dict[str, Any]]:
    """Return the nodes that are there now."""
    try:
        found: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call] # Ray's own
    except (exceptions.RayError, ConnectionError) as error:
        raise StorageError(f"the Ray cluster went away: {_first_line(error)}") from None
    return [node for node in found if node["Alive"]]


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
