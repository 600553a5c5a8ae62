"""A cluster whose second node is killed again and again, and drivers that are: nothing is lost."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from importlib.util import find_spec
from pathlib import Path

import pytest

from made_chaos import Tally, counts
from made_postgres import running_server
from made_trained import CONFIG
from nas_cifar10.runs.folder import RunFolder

if find_spec("ray") is None:
    pytest.skip("the extra [ray] is not installed", allow_module_level=True)

from made_ray import SHARED, Nodes, command, is_the_same, running_nodes

pytestmark = [pytest.mark.chaos, pytest.mark.ray]

ENV = os.environ | SHARED
LIVES_SECONDS = counts(5, 20)


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    with running_nodes() as found:
        yield found


def keys(**values: object) -> list[str]:
    given = {name.replace("__", "."): value for name, value in values.items()}
    return [word for name, value in given.items() for word in ("--set", f"{name}={value}")]


def begin(folder: Path, trials: int) -> list[str]:
    """Return the words of a search of real trials, as one local worker does it."""
    (folder / "config.yaml").write_text(CONFIG)
    many = keys(search__trials=trials, search__cohort=4, training__epochs=3)
    wide = keys(space__channels="[4,5,6,7,8,9,10,11,12]")
    return ["search", "--config", str(folder / "config.yaml"), "-q", *many, *wide]


def on(nodes: Nodes) -> list[str]:
    ray = keys(search__executor="ray", search__ray__address=nodes.address)
    return [*ray, *keys(search__max_losses="null"), "--workers", "2"]


def straight(folder: Path, trials: int) -> RunFolder:
    run = RunFolder(folder / "straight")
    done = subprocess.run(command(*begin(folder, trials), "--run", run.root), capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return run


def test_a_node_may_die_and_come_back(tmp_path: Path, nodes: Nodes, tally: Tally) -> None:
    trials = counts(10, 200)
    expected, run = straight(tmp_path, trials), RunFolder(tmp_path / "cluster")
    words = [*begin(tmp_path, trials), "--run", str(run.root), *on(nodes)]
    kills = 0
    with (tmp_path / "said").open("wb") as said:
        driver = subprocess.Popen(command(*words), stdout=subprocess.DEVNULL, stderr=said, env=ENV)
        while driver.poll() is None:
            try:
                driver.wait(LIVES_SECONDS)
            except subprocess.TimeoutExpired:
                nodes.lose(silently=kills % 2 == 1)
                kills += 1
                time.sleep(1)
                nodes.join()
    assert driver.returncode == 0, (tmp_path / "said").read_text()
    is_the_same(run, expected)
    assert kills > 0
    where = "network namespaces" if nodes.network.other else "loopback addresses"
    tally(f"Ray nodes in {where}", node_kills=kills, trials=trials)


@pytest.mark.postgres
def test_a_driver_may_die_with_ray_and_a_server_behind_it(
    tmp_path: Path, nodes: Nodes, tally: Tally
) -> None:
    trials, kills = counts(8, 60), counts(2, 20)
    expected, run = straight(tmp_path, trials), RunFolder(tmp_path / "cluster")
    with ExitStack() as stack:
        server = stack.enter_context(running_server())
        url = server.url(server.new_database())
        words = [*begin(tmp_path, trials), "--run", str(run.root), "--study-db", url, *on(nodes)]
        for number in range(kills):
            driver = subprocess.Popen(
                command(*words, "--resume"),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=ENV,
            )
            before = _last_write(run)
            while driver.poll() is None and _last_write(run) <= before:
                time.sleep(0.05)
            assert driver.poll() is None, f"ended before kill {number}"
            driver.kill()
            driver.wait()
        done = subprocess.run(command(*words, "--resume"), capture_output=True, env=ENV)
        assert done.returncode == 0, done.stderr.decode()
        is_the_same(run, expected)
    tally("Ray and PostgreSQL", driver_kills=kills, trials=trials)


def _last_write(run: RunFolder) -> int:
    """Return when a checkpoint was written last, in nanoseconds; 0: never yet."""
    latest = 0
    with suppress(FileNotFoundError):  # a trial that ends takes its checkpoint with it
        for path in run.checkpoints.glob("*/*.pt"):
            latest = max(latest, path.stat().st_mtime_ns)
    return latest
