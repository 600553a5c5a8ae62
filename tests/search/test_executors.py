"""Executors: whoever trains, the result is the same; a worker that dies costs a segment."""

import os
import platform
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from importlib.util import find_spec
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import pytest
import torch

from made_chaos import children
from made_ray import command, tasks_on_ray
from made_search import pictures
from made_segments import CPU, runs, segment, slow, the_same, wait_until
from made_trained import CONFIG
from nas_cifar10 import interrupts
from nas_cifar10.config.search import RayConfig
from nas_cifar10.errors import CannotCreateError
from nas_cifar10.interrupts import Interrupted
from nas_cifar10.runs.folder import RunFolder
from nas_cifar10.search import executors
from nas_cifar10.search.executors import (
    Executor,
    InProcess,
    LocalProcesses,
    open_executor,
)
from nas_cifar10.search.worker import fork_workers
from nas_cifar10.segment import Failed, Trained, train_segment


@pytest.fixture
def here() -> InProcess:
    return InProcess(pictures(), 1, CPU)


@pytest.fixture(scope="module")
def on_ray() -> Iterator[Executor]:
    """Two tasks at a time on a Ray cluster of this machine."""
    if find_spec("ray") is None:
        pytest.skip("the extra [ray] is not installed")
    with tasks_on_ray(RayConfig()) as found:
        yield found


@pytest.fixture(scope="module")
def two() -> Iterator[LocalProcesses]:
    """Two workers for all tests that do them no harm."""
    with ExitStack() as stack:
        found = open_executor(pictures(), 1, CPU, workers=2)
        assert isinstance(found, LocalProcesses)
        stack.enter_context(found)
        yield found


@pytest.fixture
def forked() -> Iterator[LocalProcesses]:
    """Two workers that are copies of this process."""
    if sys.platform != "linux":
        pytest.skip("workers are forked on Linux alone")
    with LocalProcesses(pictures(), 1, CPU, workers=2, forked=fork_workers(2)) as found:
        yield found


class TestEveryExecutor:
    """What the driver relies on."""

    @pytest.fixture(params=["here", "two", "forked", pytest.param("on_ray", marks=pytest.mark.ray)])
    def executor(self, request: pytest.FixtureRequest) -> Executor:
        found: Executor = request.getfixturevalue(request.param)
        return found

    def test_segments_come_back_as_they_would_be_trained_here(self, executor: Executor) -> None:
        expected = {trial: train_segment(segment(trial), pictures(), None) for trial in range(5)}
        waiting, found = list(expected), dict[int, Trained | Failed]()
        while len(found) < 5:
            while waiting and executor.free:
                executor.submit(segment(waiting.pop()), None)
            trial, result = executor.result()
            found[trial] = result
        assert all(the_same(found[trial], expected[trial]) for trial in expected)

    def test_a_checkpoint_is_gone_on_from(self, executor: Executor) -> None:
        straight = train_segment(segment(3, stop=2), pictures(), None)
        executor.submit(segment(3), None)
        _, first = executor.result()
        assert isinstance(first, Trained)
        executor.submit(segment(3, stop=2), first.checkpoint)
        _, second = executor.result()
        assert the_same(second, straight)

    def test_it_is_free_again_after_a_result(self, executor: Executor) -> None:
        before = executor.free
        executor.submit(segment(0), None)
        assert executor.free == before - 1
        executor.result()
        assert executor.free == before

    def test_an_error_of_ours_is_raised_where_the_driver_is(self, executor: Executor) -> None:
        executor.submit(replace(segment(0), precision="fp7", stream="none"), None)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="seed string"):
            executor.result()
        assert executor.free


def test_one_worker_is_this_process() -> None:
    assert isinstance(open_executor(pictures(), 1, CPU, workers=1), InProcess)


def test_workers_share_the_pictures() -> None:
    shared = pictures()
    with LocalProcesses(shared, 1, CPU, workers=2):
        for tensor in shared.tensors().values():
            assert tensor.is_shared()  # type: ignore[no-untyped-call] # torch's own


def test_shared_memory_that_is_too_small_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    full = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(executors, "SHARED_MEMORY", tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: full)
    with pytest.raises(CannotCreateError, match=r"workers share the pictures .* search.workers=1"):
        LocalProcesses(pictures(), 1, CPU, workers=2)


def busy(executor: LocalProcesses) -> list[int]:
    return [worker.process.pid or 0 for worker in executor._workers if worker.task is not None]


@pytest.fixture
def own() -> Iterator[LocalProcesses]:
    """Two workers of one test's own."""
    with LocalProcesses(pictures(), 1, CPU, workers=2) as found:
        yield found


@pytest.mark.parametrize("kind", ["own", "forked"])
def test_a_killed_worker_is_replaced_and_its_segment_trained_again(
    kind: str, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    executor: LocalProcesses = request.getfixturevalue(kind)
    executor.submit(segment(7, stop=30), None)
    os.kill(busy(executor)[0], signal.SIGKILL)
    trial, result = executor.result()
    assert (trial, executor.free) == (7, 2)
    assert the_same(result, train_segment(segment(7, stop=30), pictures(), None))
    assert "a worker died (SIGKILL) while it trained trial 7" in caplog.text


def test_a_signal_to_all_processes_kills_no_trial(
    own: LocalProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    own.submit(segment(7, stop=30), None)
    worker = busy(own)[0]

    def terminated(lines: list[Any], timeout: float) -> Any:
        """Let the signal come while the driver waits."""
        os.kill(worker, signal.SIGTERM)
        ready = wait(lines)
        monkeypatch.setattr(interrupts, "_received", signal.SIGTERM)
        return ready

    monkeypatch.setattr(executors, "wait", terminated)
    with pytest.raises(Interrupted):
        own.result()
    assert not own._losses


def test_a_forked_worker_that_is_dead_before_it_is_given_pictures_is_replaced() -> None:
    if sys.platform != "linux":
        pytest.skip("workers are forked on Linux alone")
    first, second = fork_workers(2)
    first.process.kill()
    first.process.join()
    with LocalProcesses(pictures(), 1, CPU, workers=2, forked=[first, second]) as executor:
        executor.submit(segment(7), None)
        assert the_same(executor.result()[1], train_segment(segment(7), pictures(), None))


@pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux alone")
def test_a_worker_ends_quietly_when_nobody_is_at_its_line(
    capfd: pytest.CaptureFixture[str],
) -> None:
    idle, equipped = fork_workers(2)
    equipped.line.send((pictures(), 1, CPU))
    for worker in (idle, equipped):
        worker.line.close()
        worker.process.join(30)
        assert worker.process.exitcode == 0
    assert capfd.readouterr().err == ""


@pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux alone")
def test_a_forked_worker_ends_for_a_signal_that_came_too_early_to_end_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Until it has a handler of its own, a signal is noted as the driver notes it."""
    monkeypatch.setattr(interrupts, "_received", signal.SIGTERM)
    workers = fork_workers(2)
    for worker in workers:
        worker.process.join(60)
    assert [worker.process.exitcode for worker in workers] == [0, 0]


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="asks Linux which files a process has open")
def test_a_forked_worker_holds_nothing_of_the_drivers(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with lock.open("w"):
        workers = fork_workers(2)
        with LocalProcesses(pictures(), 1, CPU, workers=2, forked=workers) as executor:
            for trial in (0, 1):
                executor.submit(segment(trial), None)
            for _ in (0, 1):
                executor.result()  # so that both are past their beginning
            for worker in workers:
                assert lock not in files_of(worker.process.pid or 0)
            assert lock in files_of(os.getpid())


def files_of(pid: int) -> set[Path]:
    """Return what a process has open."""
    return {path.readlink() for path in Path(f"/proc/{pid}/fd").iterdir() if path.is_symlink()}


@pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux alone")
def test_a_search_forks_its_workers_itself(tmp_path: Path) -> None:
    """A server of theirs would hold 370 MB of its own."""
    (tmp_path / "config.yaml").write_text(CONFIG)
    words = ["search", "--config", tmp_path / "config.yaml", "--run", tmp_path / "run"]
    words += ["--workers", "2", "--set", "training.epochs=1000"]
    with subprocess.Popen(command(*words), stderr=subprocess.DEVNULL) as driver:
        try:
            # By then whoever trains has been started.
            wait_until(RunFolder(tmp_path / "run").checkpoint(0).exists)
            told = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children(driver.pid)]
            assert told.count(Path(f"/proc/{driver.pid}/cmdline").read_bytes()) == 2
            assert not any(b"forkserver" in words for words in told)
        finally:
            driver.kill()


def test_a_trial_that_kills_its_workers_fails(caplog: pytest.LogCaptureFixture) -> None:
    with LocalProcesses(pictures(), 1, CPU, workers=2, max_losses=3) as executor:
        executor.submit(slow(7), None)
        for times in (1, 2):
            (pid,) = busy(executor)
            os.kill(pid, signal.SIGKILL)
            # It may be a zombie with threads that still hold its line, so others may be done first.
            while caplog.text.count("while it trained trial 7") < times:
                executor.submit(segment(8), None)
                assert executor.result()[0] == 8
        os.kill(busy(executor)[0], signal.SIGKILL)
        assert executor.result() == (7, Failed("its worker died 3 times"))
        executor.submit(segment(8), None)
        assert isinstance(executor.result()[1], Trained)


@pytest.mark.skipif(Path("/dev/nvidiactl").exists(), reason="has what it must lack")
def test_a_worker_without_room_for_its_pictures_says_so() -> None:
    """A GPU that is full, or is not there, is no fault of a trial."""
    with LocalProcesses(pictures(), 1, torch.device("cuda"), workers=2, max_losses=3) as executor:
        executor.submit(segment(1), None)
        with pytest.raises((AssertionError, RuntimeError), match=r"CUDA|NVIDIA"):
            executor.result()


def test_a_worker_that_dies_at_nothing_is_no_loss_of_the_next_trial(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with LocalProcesses(pictures(), 1, CPU, workers=2, max_losses=1) as executor:
        executor.submit(segment(6), None)
        executor.result()
        worker = executor._workers[0]
        worker.process.kill()
        worker.process.join()
        executor.submit(segment(7), None)
        trial, found = executor.result()
        assert (trial, type(found)) == (7, Trained)
    assert "a worker died (SIGKILL) while it waited" in caplog.text


DRIVER = """
import sys
import torch
sys.path.insert(0, {tests!r})
from made_search import pictures
from test_executors import busy, slow
from nas_cifar10.search.executors import LocalProcesses

if __name__ == "__main__":
    with LocalProcesses(pictures(), 1, torch.device("cpu"), workers=2) as executor:
        executor.submit(slow(0), None)
        executor.submit(slow(1), None)
        print(*busy(executor), flush=True)
        executor.result()
"""


def test_a_worker_may_die_of_a_signal_without_a_name(caplog: pytest.LogCaptureFixture) -> None:
    with LocalProcesses(pictures(), 1, CPU, workers=2, max_losses=1) as executor:
        executor.submit(slow(0), None)
        os.kill(busy(executor)[0], signal.SIGRTMIN + 6)
        assert executor.result() == (0, Failed("its worker died 1 times"))
    assert f"a worker died (signal {signal.SIGRTMIN + 6}) while it trained trial 0" in caplog.text


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="asks Linux which processes run")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_workers_end_with_their_driver(tmp_path: Path, how: signal.Signals) -> None:
    here = Path(__file__).parent
    script = tmp_path / "driver.py"
    script.write_text(DRIVER.format(tests=str(here.parent)), encoding="utf-8")
    command = [sys.executable, str(script)]
    environment = os.environ | {"PYTHONPATH": f"{here.parent}:{here}"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, text=True
    ) as driver:
        assert driver.stdout is not None
        try:
            pids = [int(word) for word in driver.stdout.readline().split()]
            assert len(pids) == 2
            driver.send_signal(how)
            driver.wait(timeout=30)
        finally:
            driver.kill()
        wait_until(lambda: not any(runs(pid) for pid in pids), seconds=30)


GIVEN_BACK = """
import os
from pathlib import Path
import torch
from made_search import pictures
from made_segments import CPU, segment
from nas_cifar10.search.executors import InProcess
from nas_cifar10.segment import Failed

def resident():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

def takes_200_mb(*_):
    torch.ones(50_000_000)
    return Failed("made up")

executor = InProcess(pictures(), 1, CPU, takes_200_mb)
before = resident()
executor.submit(segment(0), None)
executor.result()
assert resident() - before < 50
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told to")
def test_one_process_gives_back_what_a_segment_took() -> None:
    here = Path(__file__).parent
    environment = os.environ | {"PYTHONPATH": f"{here.parent}:{here}"}
    subprocess.run([sys.executable, "-c", GIVEN_BACK], check=True, env=environment)
