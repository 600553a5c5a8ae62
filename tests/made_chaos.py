"""Processes for tests to kill: forked from this one, so that they start at once.

The made-up trainer takes a few milliseconds and no torch, for volume; the same faults are tried
with real tiny training too.
"""

import atexit
import functools
import hashlib
import logging
import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL, Signals
from typing import TypeAlias

import pytest
import torch

from made_search import begin, digits, pictures, place_in, take_up
from made_study import made_config, made_facts
from nas_cifar10 import interrupts
from nas_cifar10.__main__ import main
from nas_cifar10.config.schema import Config
from nas_cifar10.data.parts import Parts
from nas_cifar10.epochs import Epoch, Scores
from nas_cifar10.errors import NasError
from nas_cifar10.interrupts import Interrupted
from nas_cifar10.networks.build import build
from nas_cifar10.retrain.train import prepare, retrain_all
from nas_cifar10.runs.asked import Asked
from nas_cifar10.runs.files import disk_error
from nas_cifar10.runs.lock import locked
from nas_cifar10.search import driver
from nas_cifar10.search.driver import run_search
from nas_cifar10.search.executors import InProcess, LocalProcesses
from nas_cifar10.search.worker import Train
from nas_cifar10.segment import Segment, Trained, identity, merged, train_segment
from nas_cifar10.study.ranking import best_of
from nas_cifar10.study.storage import create_study, find_study
from nas_cifar10.training.checkpoint import epochs_in, load_state, packed
from nas_cifar10.training.memory import give_back_memory
from nas_cifar10.training.optim import make_optimizer

Tally: TypeAlias = Callable[..., None]  # see chaos/conftest.py

FULL = os.environ.get("NAS_CHAOS") == "full"
CPU = torch.device("cpu")
UNEXPECTED = 70  # a traceback, where one line was promised


def counts(short: int, full: int) -> int:
    """Return how often something is tried: in every run of the tests, or in the full tier."""
    return full if FULL else short


def made_up(
    segment: Segment, pictures: Parts, checkpoint: bytes | None, milliseconds: float = 15
) -> Trained:
    """Train without training: an epoch's accuracy follows from a hash of candidate and epoch."""
    done = [] if checkpoint is None else epochs_in(load_state(checkpoint))
    for number in range(len(done) + 1, segment.stop + 1):
        time.sleep(milliseconds / 1000)
        words = f"{segment.candidate.fingerprint()} {number}".encode()
        share = int.from_bytes(hashlib.sha256(words).digest()[:6], "big") / 2**48
        accuracy = 0.4 + 0.3 * share + 0.02 * number
        scores = Scores(loss=1 - accuracy, accuracy=accuracy, macro_f1=accuracy, auc=None)
        done.append(Epoch(number, scores, scores, 0.0))
    network = build(segment.candidate.architecture, pictures.shape, pictures.num_classes)
    optimizer = make_optimizer(network, merged(segment))
    state = {"network": network.state_dict(), "optimizer": optimizer.state_dict()}
    return Trained(tuple(done), packed(identity(segment), done, **state))


at_once = functools.partial(made_up, milliseconds=0)


def no_checkpoint_is_lost(record: logging.LogRecord) -> bool:
    """Fail where a trial starts over: what is killed, whenever, leaves its checkpoint whole."""
    assert "starts over" not in record.msg, record.getMessage()
    return True


def search(folder: Path, config: Config, workers: int = 1, train: Train = train_segment) -> None:
    """Begin a search, or go on with it, as the command line does."""
    driver.log.addFilter(no_checkpoint_is_lost)
    place = place_in(folder)
    with locked(place.run, place.database.path):
        name = config.name
        study = find_study(place.database, name)
        study = study or create_study(place.database, name, made_facts(config))
        executor: InProcess | LocalProcesses
        if workers == 1:
            executor = InProcess(pictures(), 1, CPU, train)
        else:
            losses = config.search.max_losses
            executor = LocalProcesses(pictures(), 1, CPU, workers, losses, train, "fork")
        with executor, closing(run_search(study, place.run, executor)) as events:
            for _ in events:
                pass


JOB = made_config("search.trials=3", "search.cohort=2", "training.epochs=2", "retrain.epochs=2")


@contextmanager
def nobody_else(folder: Path) -> Iterator[None]:
    """Fail where another process is within as well; note who came and went."""
    with (folder / "visitors").open("a", encoding="ascii") as visitors:
        witness = os.open(folder / "within", os.O_CREAT | os.O_EXCL)
        os.write(visitors.fileno(), f"{os.getpid()} comes\n".encode())
        yield
        os.write(visitors.fileno(), f"{os.getpid()} goes\n".encode())
        (folder / "within").unlink()
        os.close(witness)


def whole_job(folder: Path, within: AbstractContextManager[None] | None = None) -> None:
    """Search and retrain, from wherever the folder stands."""
    place = place_in(folder)
    with locked(place.run, place.database.path), within or nullcontext():
        there = place.run.study.exists()
        ready = take_up(place) if there else begin(JOB, place, overwrite=True)
        with ready.executor as executor:
            for _ in run_search(ready.study, place.run, executor):
                pass
        best = best_of(ready.study.trials(), JOB.search)
        assert best is not None
        job = prepare(ready.study, best, JOB, digits(), place.run)
        for _ in retrain_all([job], Asked(), resume=True):
            pass


@functools.cache
def _warmed_up() -> None:
    """Let this process do all once: each forked one would take seconds to load what it takes."""
    with tempfile.TemporaryDirectory() as folder:
        whole_job(Path(folder))


def fork(act: Callable[[], None]) -> int:
    """Start a process of its own group that does one thing; return its number."""
    _warmed_up()
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    code = UNEXPECTED
    try:
        os.setsid()
        interrupts.listen()
        act()
        code = 0
    except NasError as error:
        print(error, file=sys.stderr)
        code = error.exit_code
    except Interrupted as stop:
        code = 128 + stop.signal_number
    except OSError as error:
        failed = disk_error(error)
        code = UNEXPECTED if failed is None else failed.exit_code
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def outcome(act: Callable[[], None]) -> int:
    """Run something in a process of its own; return its exit code, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(fork(act), 0)[1])


@dataclass(frozen=True)
class Ended:
    """How a process ended, what it said, and what it took.

    Args:
        megabytes: By how much it grew beyond the process it was forked from, if it was.
    """

    code: int
    said: str
    cpu_seconds: float
    megabytes: float


def nas(folder: Path, *words: str) -> None:
    """Be the command line, in a folder; does not come back."""
    atexit._clear()  # what the tests' process has to do at its end
    os.chdir(folder)
    sys.argv = ["nas", *words]
    main()


def observed(act: Callable[[], None], log: Path, seconds: int = 60) -> Ended:
    """Run something in a process of its own, for so long and in 3 GB more at most."""

    def limited() -> None:
        signal.alarm(seconds)
        limit_memory(3 * 1024)
        say_to(log)
        act()

    give_back_memory()  # or else it would have some to grow into
    small = os.wait4(fork(lambda: None), 0)[2].ru_maxrss
    _, status, used = os.wait4(fork(limited), 0)
    return Ended(
        os.waitstatus_to_exitcode(status),
        log.read_text(errors="replace"),
        used.ru_utime + used.ru_stime,
        (used.ru_maxrss - small) / 1024,
    )


def say_to(log: Path) -> None:
    """Let what this process says from now on go to a file."""
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")


def limit_memory(megabytes: int) -> None:
    """Let this process ask for so much more and no more."""
    room = megabytes * 2**20 + 1024 * _status("VmSize")
    resource.setrlimit(resource.RLIMIT_AS, (room, room))


def by_itself(folder: Path, *words: str, before: tuple[str, ...] = ()) -> Ended:
    """Run the command in a process that has nothing of this one's."""
    command = [*before, sys.executable, "-m", "nas_cifar10", *words]
    started = [sys.executable, "-c", _MEASURED, *command]  # or else this one's size would count
    done = subprocess.run(started, cwd=folder, capture_output=True, text=True, check=False)
    code, cpu_seconds, kilobytes = done.stdout.splitlines()[-1].split()
    return Ended(int(code), done.stderr, float(cpu_seconds), int(kilobytes) / 1024)


_MEASURED = """
import os, resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(code, used.ru_utime + used.ru_stime, used.ru_maxrss)
"""


def _status(name: str) -> int:
    """Return one of the numbers that Linux tells of this process, in kB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise AssertionError("Linux always says")


@dataclass
class Counts:
    """What was done to a search until it was through."""

    workers_killed: int = 0
    drivers_killed: int = 0
    codes: list[int] = field(default_factory=list)
    slowest_end: float = 0.0


def children(pid: int) -> list[int]:
    """Return the processes a process has started."""
    try:
        return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def alive(group: int) -> list[int]:
    """Return the processes of a group that are no zombies."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, process_group = path.read_text().rpartition(")")[2].split()[:3]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(process_group) == group and state != "Z":
            found.append(int(path.parent.name))
    return found


def wall_age(pid: int, born: float) -> float:
    """Return the seconds since then."""
    return time.monotonic() - born


def processor_age(pid: int, born: float) -> float:
    """Return the seconds a process has spent on the processor."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, words[11:13])) / os.sysconf("SC_CLK_TCK")


def under_fire(
    act: Callable[[], None],
    generator: random.Random,
    *,
    kill_workers: bool,
    driver_lives: float | None,
    how: Signals = SIGKILL,
) -> Counts:
    """Run something until it gets through, and kill it and its workers meanwhile.

    Args:
        driver_lives: Up to so many seconds, drawn for each start; None: it is left alone. A driver
            without workers lives by the processor's clock: beside much other work it would be
            stopped before it has done anything, again and again.
    """
    told, age = Counts(), wall_age if kill_workers else processor_age
    while not told.codes or told.codes[-1] != 0:
        pid = fork(act)
        born, limit = time.monotonic(), float("inf")
        if driver_lives is not None:
            limit = generator.uniform(0, driver_lives)
        for _ in ticks(generator):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                break
            if age(pid, born) >= limit:
                begun = time.monotonic()
                os.kill(pid, how)
                told.drivers_killed += 1
                _, status = os.waitpid(pid, 0)
                told.slowest_end = max(told.slowest_end, time.monotonic() - begun)
                break
            victims = children(pid) if kill_workers else []
            if victims:
                with suppress(ProcessLookupError):  # it ended by itself just now
                    os.kill(generator.choice(victims), SIGKILL)
                    told.workers_killed += 1
        told.codes.append(os.waitstatus_to_exitcode(status))
        end = time.monotonic() + 120
        while alive(pid):
            assert time.monotonic() < end, "a worker outlived its driver"
            time.sleep(0.01)
        assert UNEXPECTED not in told.codes
        assert len(told.codes) < 500
    return told


def ticks(generator: random.Random) -> Iterator[None]:
    """Wait 50 to 350 ms, again and again."""
    while True:
        time.sleep(generator.uniform(0.05, 0.35))
        yield


@contextmanager
def disk(folder: Path, kilobytes: int) -> Iterator[Path]:
    """Mount a file system of this size in memory."""
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
    done = subprocess.run(["mount", *options], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("mounting a small disk needs root on Linux")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def intact(database: Path) -> bool:
    """Say whether a SQLite file is whole."""
    with closing(sqlite3.connect(database)) as connection:
        return bool(connection.execute("PRAGMA integrity_check").fetchone() == ("ok",))


def leftovers(folder: Path) -> list[Path]:
    """Return what a run leaves behind only by mistake."""
    return [p for p in folder.rglob("*") if p.name.endswith((".new", ".lock", "checkpoint.pt"))]
