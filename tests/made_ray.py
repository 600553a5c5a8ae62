"""Ray nodes for tests: raylets of their own, each of which can be killed."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from made_network import Network, two_machines
from made_ports import free_port
from made_search import pictures, timeless
from made_segments import CPU, wait_until
from nas_cifar10.config.search import RayConfig
from nas_cifar10.runs.files import read_json
from nas_cifar10.runs.folder import RunFolder

if TYPE_CHECKING:
    from nas_cifar10.search import ray_cluster

_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
# What nodes and drivers share: a token, and how soon a machine that says nothing is given up.
SHARED = {
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": "of-the-tests-" * 4,
    "RAY_grpc_client_keepalive_time_ms": "5000",
    "RAY_grpc_client_keepalive_timeout_ms": "5000",
    "RAY_worker_niceness": "0",
}


class Node:
    """One raylet, with one CPU, in a process group of its own."""

    def __init__(self, *words: str, before: Sequence[str] = ()) -> None:
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--num-cpus=1"]
        self._process = subprocess.Popen(
            [*before, *command, "--disable-usage-stats", *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | _QUIET | SHARED,
            start_new_session=True,
        )

    def wait_for(self, host: str, port: int) -> None:
        """Wait until it answers there."""
        wait_until(lambda: self._answers(host, port))

    def _answers(self, host: str, port: int) -> bool:
        assert self._process.poll() is None, "the node did not start"
        with suppress(OSError), socket.create_connection((host, port), 1):
            return True
        return False

    def kill(self) -> None:
        """End everything of it at once."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


class Nodes:
    """A head that stays, and a second node that comes and goes."""

    def __init__(self, folder: Path, network: Network) -> None:
        self.network = network
        port = free_port()
        self.address = f"{network.here}:{port}"
        own = ("--include-dashboard=false", f"--temp-dir={folder}")
        self._head = Node("--head", f"--port={port}", f"--node-ip-address={network.here}", *own)
        self._head.wait_for(network.here, port)
        self._joins = 0
        self.join()

    def join(self) -> None:
        """Start the second node, as another machine would."""
        self._joins += 1  # a new address each time: nobody waits for the old one
        address, before = self.network.there(self._joins)
        place = f"--node-ip-address={address}"
        self._second = Node(f"--address={self.address}", place, before=before)

    def lose(self, *, silently: bool) -> None:
        """Kill the second node, or let it vanish as a machine without power does."""
        if silently:
            self.network.cut()
        self._second.kill()

    def end(self) -> None:
        """Kill both."""
        self._second.kill()
        self._head.kill()


@contextmanager
def running_nodes() -> Iterator[Nodes]:
    """Yield two nodes; their sockets need a short path."""
    with (
        two_machines() as network,
        tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder,
    ):
        nodes = Nodes(Path(folder), network)
        try:
            yield nodes
        finally:
            nodes.end()


@contextmanager
def tasks_on_ray(
    options: RayConfig, max_losses: int | None = None
) -> Iterator["ray_cluster.RayTasks"]:
    """Yield an executor of two tasks at a time, on a cluster of its own."""
    from nas_cifar10.search import ray_cluster

    ray_cluster.connect(options)
    with ray_cluster.RayTasks(pictures(), 1, CPU, 2, options, max_losses) as found:
        yield found


def command(*words: object) -> list[str]:
    """Return what starts the command line in a process of its own."""
    return [sys.executable, "-m", "nas_cifar10", *map(str, words)]


def is_the_same(run: RunFolder, expected: RunFolder) -> None:
    """Check that two searches found the same, whoever trained and whatever died."""
    assert timeless(run.trials) == timeless(expected.trials)
    assert timeless(run.curves) == timeless(expected.curves)
    assert read_json(run.best) == read_json(expected.best)
