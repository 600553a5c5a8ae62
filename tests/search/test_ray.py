"""A Ray cluster as executor: what it loses is run again, and what it cannot do is said."""

import contextlib
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import pytest

from made_ports import free_port
from made_search import pictures
from made_segments import CPU, segment, slow, the_same, wait_until
from made_trained import CONFIG, refused
from nas_cifar10.config.search import RayConfig
from nas_cifar10.errors import ConfigError, MissingInputError, StateError
from nas_cifar10.runs.folder import RunFolder
from nas_cifar10.segment import Failed, Trained, train_segment

if find_spec("ray") is None:
    pytest.skip("the extra [ray] is not installed", allow_module_level=True)

from made_ray import command, is_the_same, tasks_on_ray
from nas_cifar10.search import ray_cluster

pytestmark = [
    pytest.mark.ray,
    pytest.mark.skipif(not Path("/proc").is_dir(), reason="asks Linux which processes run"),
]

RAY = ("--set", "search.executor=ray", "--workers", "2")


OWN = f"OF_TESTS={os.getpid()}".encode()


@pytest.fixture(autouse=True)
def marked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mark what this process starts, and what that starts."""
    name, _, value = OWN.decode().partition("=")
    monkeypatch.setenv(name, value)


@pytest.fixture
def tasks() -> Iterator[ray_cluster.RayTasks]:
    with tasks_on_ray(RayConfig(), max_losses=2) as found:
        yield found


def own_tasks() -> list[int]:
    """Return the processes of Ray tasks that this process began, or a driver it started.

    Those of tests beside this one are none of ours.
    """
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            is_own = OWN in (path / "environ").read_bytes().split(b"\0")
            if is_own and (path / "cmdline").read_bytes().startswith(b"ray::_train"):
                found.append(int(path.name))
        except OSError:
            continue  # it has just ended
    return found


def kill_a_task() -> None:
    wait_until(lambda: bool(own_tasks()))
    os.kill(own_tasks()[0], signal.SIGKILL)


def lose(tasks: ray_cluster.RayTasks, seen: pytest.LogCaptureFixture, times: int) -> None:
    """Kill trial 7's worker, and train others until the driver has noticed."""
    kill_a_task()
    while seen.text.count("trial 7 lost a worker") < times:
        tasks.submit(segment(8), None)
        trial, result = tasks.result()
        assert trial == 8
        assert the_same(result, train_segment(segment(8), pictures(), None))


def test_a_lost_segment_is_trained_again_and_a_poisonous_trial_fails(
    tasks: ray_cluster.RayTasks, caplog: pytest.LogCaptureFixture
) -> None:
    tasks.submit(slow(7), None)
    lose(tasks, caplog, 1)
    assert tasks.free == 1
    kill_a_task()
    assert tasks.result() == (7, Failed("its worker died 2 times"))
    assert tasks.free == 2
    tasks.submit(segment(9), None)
    assert isinstance(tasks.result()[1], Trained)


def test_a_segment_that_no_node_can_take_is_told(caplog: pytest.LogCaptureFixture) -> None:
    options = RayConfig(cpus=1000.0, gpus=2.0)
    with tasks_on_ray(options):
        assert "no node of the Ray cluster has 1000 CPU, 2 GPU; waiting" in caplog.text


def test_a_loss_is_not_the_trials_where_a_node_has_left_since(
    tasks: ray_cluster.RayTasks,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ids = itertools.count()
    monkeypatch.setattr(ray_cluster, "_alive", lambda: frozenset({str(next(ids))}))
    tasks.submit(slow(7), None)
    for times in (1, 2, 3):  # two would be enough to fail
        lose(tasks, caplog, times)
    assert tasks.free == 1


def test_a_node_with_other_versions_is_refused(tasks: ray_cluster.RayTasks) -> None:
    tasks._settings = (1, CPU, {"nas-cifar10": "0.0.1", "torch": "1.0"})
    tasks.submit(segment(0), None)
    with pytest.raises(StateError, match="install the same there, or numbers differ"):
        tasks.result()


def processes() -> set[int]:
    """Return this process and all that were started by it, or by those."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has just ended
            words = path.read_text().rpartition(")")[2].split()
            parents[int(path.parent.name)] = int(words[1])
    found = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def listening(pids: set[int]) -> set[IPv4Address | IPv6Address]:
    """Return the addresses at which any of these can be reached over TCP."""
    sockets = set()
    for pid in pids:
        with contextlib.suppress(OSError):  # it has just ended
            for path in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):  # closed
                    sockets.add(str(path.readlink()).removeprefix("socket:[").removesuffix("]"))
    found = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        for _, local, _, state, *words in map(str.split, table.read_text().splitlines()[1:]):
            if state == "0A" and words[5] in sockets:
                found.add(address_of(local.partition(":")[0]))
    return found


def address_of(digits: str) -> IPv4Address | IPv6Address:
    """Read an address as Linux writes it, in words of this machine's byte order."""
    words = [int(digits[at : at + 8], 16) for at in range(0, len(digits), 8)]
    address = ip_address(b"".join(word.to_bytes(4, sys.byteorder) for word in words))
    return getattr(address, "ipv4_mapped", None) or address


def test_a_cluster_of_its_own_is_reached_from_here_alone(tasks: ray_cluster.RayTasks) -> None:
    tasks.submit(segment(0), None)
    tasks.result()  # so that a worker is there too
    pids = processes()
    assert len(pids) > 3
    found = listening(pids)
    assert found
    assert all(address.is_loopback for address in found), found


def test_signals_are_still_ours(tasks: ray_cluster.RayTasks) -> None:
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_an_address_where_nothing_answers_is_named_before_anything_is_written(
    tmp_path: Path,
) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    address = f"127.0.0.1:{free_port()}"
    words = ("search", "--config", tmp_path / "config.yaml", "--run", tmp_path / "run", *RAY)
    message = refused(66, *words, "--set", f"search.ray.address={address}")
    assert f"search.ray.address={address}: nothing answers there" in message
    assert not (tmp_path / "run" / "study.db").exists()


def test_other_machines_are_refused_without_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    for host in ("192.0.2.1", "[2001:db8::1]", "127.0.0.1.example.org"):
        with pytest.raises(ConfigError, match="RAY_AUTH_MODE=token"):
            ray_cluster.connect(RayConfig(address=f"{host}:6379"))
    for host in ("127.0.0.1", "127.1.2.3", "[::1]", "localhost"):
        with pytest.raises(MissingInputError, match="nothing answers there"):
            ray_cluster.connect(RayConfig(address=f"{host}:{free_port()}"))
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setattr(ray_cluster, "PROBE_SECONDS", 0.1)
    with pytest.raises(MissingInputError, match="nothing answers there"):
        ray_cluster.connect(RayConfig(address="192.0.2.1:6379"))


def test_without_the_extra_one_line_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, ray_cluster.__name__)
    monkeypatch.delattr("nas_cifar10.search.ray_cluster")
    words = ("search", "--config", tmp_path / "config.yaml", "--run", tmp_path / "run", *RAY)
    assert "pip install 'nas-cifar10[ray]'" in refused(66, *words)


LONGER = ("--set", "search.trials=6", "--set", "training.epochs=3")


def test_a_killed_search_goes_on_and_ends_as_one_worker_does(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG)
    here, there = RunFolder(tmp_path / "here"), RunFolder(tmp_path / "there")
    begin = ("search", "--config", config, "-q", *LONGER)
    assert subprocess.run(command(*begin, "--run", here.root), capture_output=True).returncode == 0
    with subprocess.Popen(
        command(*begin, "--run", there.root, *RAY),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as driver:
        try:
            wait_until(lambda: any(there.checkpoints.glob("*/*.pt")))
        finally:
            driver.kill()
    wait_until(lambda: not own_tasks(), seconds=30)
    again = subprocess.run(
        command("search", "--run", there.root, "--resume", "-q"), capture_output=True
    )
    assert again.returncode == 0, again.stderr.decode()
    is_the_same(there, here)
