"""Who trains segments: this process, or local worker processes; `ray_cluster` is the third.

Knows no study and no schedule. An executor takes as many segments as it is free for and gives
results back in whatever order they get done; nothing that a segment computes depends on who
computes it.
"""

import importlib
import logging
import multiprocessing
import os
import shutil
import signal
import sys
import threading
import warnings
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Protocol, Self, TypeAlias

import torch
import torch.multiprocessing

from nas_cifar10 import interrupts
from nas_cifar10.errors import CannotCreateError
from nas_cifar10.segment import Failed, Pictures, Segment, Trained, train_segment
from nas_cifar10.training.memory import give_back_memory, keep_freed_memory

log = logging.getLogger(__name__)

CHECK_SECONDS = 0.2  # how soon a wait for workers notices that the driver is to end
SHARED_MEMORY = Path("/dev/shm")  # where Linux keeps what torch shares; macOS has no such limit
PRELOAD = f"{__package__}.server"

Given: TypeAlias = tuple[Pictures, int, torch.device]  # what a worker trains on, and threads
Task: TypeAlias = tuple[Segment, bytes | None]
Result: TypeAlias = Trained | Failed
Train: TypeAlias = Callable[[Segment, Pictures, bytes | None], Result]


class Executor(Protocol):
    """Trains segments, at most one of a trial at a time."""

    @property
    def free(self) -> int:
        """How many segments can be submitted before a result has to be taken."""

    @property
    def busy(self) -> list[Segment | None]:
        """What each worker is at."""

    def submit(self, segment: Segment, checkpoint: bytes | None) -> None:
        """Hand over a segment, and where it starts."""

    def result(self) -> tuple[int, Result]:
        """Wait for a segment, and return its trial's number with what came out."""


class OpenExecutor(Executor, Protocol):
    """An executor whose workers end when it is closed."""

    def __enter__(self) -> Self:
        """Return the executor."""

    def __exit__(self, *error: object) -> None:
        """End the workers; what they are at is given up."""


class InProcess(AbstractContextManager["InProcess"]):
    """Trains in this process, one segment after the other."""

    def __init__(
        self,
        pictures: Pictures,
        threads: int,
        device: torch.device,
        train: Train | None = None,
    ) -> None:
        """Take this many CPU threads for all that this process computes from now on."""
        keep_freed_memory()
        give_back_memory()  # what was read and probed here is not needed here any more
        torch.set_num_threads(threads)
        self._train = train or train_segment
        self._pictures = pictures.to(device)
        self._tasks: deque[Task] = deque()

    @property
    def free(self) -> int:
        """One where nothing waits."""
        return 1 - len(self._tasks)

    @property
    def busy(self) -> list[Segment | None]:
        """The one segment there is."""
        return [segment for segment, _ in [*self._tasks]] or [None]

    def submit(self, segment: Segment, checkpoint: bytes | None) -> None:
        """Let the segment wait until its result is asked for."""
        self._tasks.append((segment, checkpoint))

    def result(self) -> tuple[int, Result]:
        """Train the segment that waits."""
        segment, checkpoint = self._tasks[0]
        try:
            return segment.trial, self._train(segment, self._pictures, checkpoint)
        finally:
            self._tasks.popleft()
            give_back_memory()  # the next segment is of another network, of other sizes

    def __exit__(self, *error: object) -> None:
        """Leave nothing behind: there is nothing."""


@dataclass
class Worker:
    """A process, the line to it, and what it is at."""

    process: multiprocessing.process.BaseProcess
    line: Connection
    task: Task | None = None


def fork_workers(number: int) -> list[Worker]:
    """Fork workers from this process where that is safe: before it has computed anything, on Linux.

    They share with it what importing torch takes, 350 MB. Elsewhere none are forked.
    """
    if sys.platform != "linux" or number == 1:
        return []
    importlib.import_module(PRELOAD)
    context = torch.multiprocessing.get_context("fork")
    with warnings.catch_warnings():  # on threads: those of BLAS wait, and know of forks
        warnings.simplefilter("ignore", DeprecationWarning)
        return [_start(context, _work_apart) for _ in range(number)]


def _start(context: Any, work: Callable[..., None], *arguments: object) -> Worker:
    # Any: what typeshed knows of a context by its name has no Process.
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(theirs, *arguments), daemon=True)
    process.start()
    theirs.close()
    return Worker(process, ours)


class LocalProcesses(AbstractContextManager["LocalProcesses"]):
    """Trains in worker processes on this machine, which share one copy of the pictures.

    A worker that dies is replaced and its segment run again, until a trial has lost too many.
    Workers end with this process, however it ends.
    """

    def __init__(
        self,
        pictures: Pictures,
        threads: int,
        device: torch.device,
        workers: int,
        max_losses: int | None = None,
        train: Train = train_segment,
        method: str = "forkserver",
        forked: Sequence[Worker] = (),
    ) -> None:
        """Start the workers, each with so many CPU threads.

        Args:
            max_losses: A trial whose worker died so many times has failed; None: never.
            method: How Python starts a process. Workers are forked from a server that has imported
                torch and computed nothing: as safe as a spawned process, but it starts at once
                and shares what the import alone takes with other workers.
            forked: Workers that wait for pictures already; `method` is for those that are missing
                and for those that follow on one that died.

        Raises:
            CannotCreateError: the pictures do not fit into shared memory.
        """
        self._share(pictures)
        give_back_memory()  # what was read and probed here is not needed here any more
        self._given: Given = pictures, threads, device
        self._train = train
        self._context: Any = torch.multiprocessing.get_context(method)
        self._context.set_forkserver_preload([PRELOAD])
        self._losses: Counter[int] = Counter()
        self._max_losses = max_losses
        self._lost: deque[tuple[int, Result]] = deque()
        self._workers = list(forked)
        for worker in forked:
            with suppress(OSError):  # one that is dead is found out when it is given a task
                worker.line.send(self._given)
        self._workers += [self._start() for _ in range(workers - len(forked))]

    @property
    def free(self) -> int:
        """One for each idle worker."""
        return sum(worker.task is None for worker in self._workers)

    @property
    def busy(self) -> list[Segment | None]:
        """What each worker is at."""
        return [task[0] if (task := worker.task) else None for worker in self._workers]

    def submit(self, segment: Segment, checkpoint: bytes | None) -> None:
        """Send the segment to an idle worker."""
        place = next(n for n, worker in enumerate(self._workers) if worker.task is None)
        self._give(place, (segment, checkpoint))

    def result(self) -> tuple[int, Result]:
        """Wait for whichever worker is done first."""
        while not self._lost:
            busy = {w.line: n for n, w in enumerate(self._workers) if w.task is not None}
            interrupts.check()
            ready = wait(list(busy), timeout=CHECK_SECONDS)
            if not ready:
                continue
            place = busy[ready[0]]  # type: ignore[index] # typeshed: also sockets and handles
            worker = self._workers[place]
            assert worker.task is not None
            try:
                answer = worker.line.recv()
            except (EOFError, OSError):
                self._replace(place, worker.task)
                continue
            trial, worker.task = worker.task[0].trial, None
            if isinstance(answer, Exception):
                raise answer
            return trial, answer
        return self._lost.popleft()

    def __exit__(self, *error: object) -> None:
        """End the workers; what they are at is given up."""
        for worker in self._workers:
            worker.process.kill()
            worker.process.join()
            worker.line.close()

    @staticmethod
    def _share(pictures: Pictures) -> None:
        size = sum(tensor.nbytes for tensor in pictures.tensors().values())
        if SHARED_MEMORY.is_dir() and (free := shutil.disk_usage(SHARED_MEMORY).free) < size:
            raise CannotCreateError(
                f"{SHARED_MEMORY}: workers share the pictures there and need {size / 1e6:,.0f} MB, "
                f"{free / 1e6:,.0f} MB are free; enlarge it, or train with search.workers=1"
            )
        for tensor in pictures.tensors().values():
            tensor.share_memory_()  # type: ignore[no-untyped-call] # torch's own

    def _start(self) -> Worker:
        return _start(self._context, _work, self._train, self._given)

    def _give(self, place: int, task: Task) -> None:
        worker = self._workers[place]
        worker.task = task
        try:
            worker.line.send(task)
        except OSError:
            self._replace(place, task)

    def _replace(self, place: int, task: Task) -> None:
        """Start a worker in place of a dead one, with the same task unless that has cost enough."""
        interrupts.check()  # a signal to all of the processes is meant for this one
        trial, dead = task[0].trial, self._workers[place]
        dead.process.join()
        dead.line.close()
        self._workers[place] = self._start()
        self._losses[trial] += 1
        lost, code = self._losses[trial], dead.process.exitcode
        log.warning("a worker died (%s) while it trained trial %d", _cause(code), trial)
        if lost == self._max_losses:
            self._lost.append((trial, failed_workers(lost)))
        else:
            self._give(place, task)


def failed_workers(times: int) -> Failed:
    """Return what becomes of a trial that its workers do not survive."""
    return Failed(f"its worker died {times} times")


def _cause(exit_code: int | None) -> str:
    if exit_code is None or exit_code >= 0:
        return f"exit code {exit_code}"
    return signal.Signals(-exit_code).name


def _work_apart(line: Connection) -> None:
    """Work, and hold on to nothing of the driver's: neither files nor the lock on its study."""
    driver = multiprocessing.parent_process()
    assert driver is not None
    kept = {0, 1, 2, line.fileno(), driver.sentinel}
    for number in {int(path.name) for path in Path("/proc/self/fd").iterdir()} - kept:
        with suppress(OSError):  # the one that listed them is closed by now
            os.close(number)
    _work(line, train_segment)


def _work(line: Connection, train: Train, given: Given | None = None) -> None:
    """Train what comes down the line, until nobody is at its other end.

    Args:
        given: None: comes down the line first.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the driver decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_driver, daemon=True).start()
    keep_freed_memory()
    with suppress(EOFError, ConnectionError, interrupts.Interrupted):
        interrupts.check()  # a signal that came before the two lines above was only noted
        pictures, threads, device = given or line.recv()
        torch.set_num_threads(threads)
        pictures = pictures.to(device)
        while True:
            segment, checkpoint = line.recv()
            try:
                answer: Result | Exception = train(segment, pictures, checkpoint)
            except Exception as error:
                answer = error
            line.send(answer)
            del answer
            give_back_memory()  # the next segment is of another network, of other sizes


def _end_with_driver() -> None:
    driver = multiprocessing.parent_process()
    assert driver is not None
    driver.join()
    os._exit(1)


def open_executor(
    pictures: Pictures,
    threads: int,
    device: torch.device,
    workers: int,
    max_losses: int | None = None,
    forked: Sequence[Worker] = (),
) -> InProcess | LocalProcesses:
    """Return what trains with so many workers; one needs no process of its own.

    Args:
        pictures: On the CPU.
        max_losses: As for `LocalProcesses`.
        forked: As for `LocalProcesses`.
    """
    if workers == 1:
        return InProcess(pictures, threads, device)
    return LocalProcesses(pictures, threads, device, workers, max_losses, forked=forked)
