"""Who trains segments: this process, or local worker processes; `ray_cluster` is the third.

Knows no study and no schedule. An executor takes as many segments as it is free for and gives
results back in whatever order they get done; nothing that a segment computes depends on who
computes it.
"""

import logging
import shutil
import signal
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, Protocol

import torch
import torch.multiprocessing

from nas_cifar10 import interrupts
from nas_cifar10.data.parts import Parts
from nas_cifar10.errors import CannotCreateError
from nas_cifar10.search.worker import PRELOAD, Given, Result, Task, Train, Worker, start_worker
from nas_cifar10.segment import Failed, Segment, train_segment
from nas_cifar10.training.memory import give_back_memory, keep_freed_memory

log = logging.getLogger(__name__)

CHECK_SECONDS = 0.2  # how soon a wait for workers notices that the driver is to end
SHARED_MEMORY = Path("/dev/shm")  # where Linux keeps what torch shares; macOS has no such limit


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


class InProcess(AbstractContextManager["InProcess"]):
    """Trains in this process, one segment after the other."""

    def __init__(
        self,
        pictures: Parts,
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


class LocalProcesses(AbstractContextManager["LocalProcesses"]):
    """Trains in worker processes on this machine, which share one copy of the pictures.

    A worker that dies is replaced and its segment run again, until a trial has lost too many.
    Workers end with this process, however it ends.
    """

    def __init__(
        self,
        pictures: Parts,
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
        check_shared_memory(pictures)
        for tensor in pictures.tensors().values():
            tensor.share_memory_()  # type: ignore[no-untyped-call] # torch's own
        give_back_memory()  # what was read and probed here is not needed here any more
        torch.accelerator.empty_cache()
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

    def _start(self) -> Worker:
        return start_worker(self._context, self._train, self._given)

    def _give(self, place: int, task: Task) -> None:
        try:
            self._workers[place].line.send(task)
        except OSError:  # it died at nothing, which no trial is to blame for
            log.warning("a worker died (%s) while it waited", self._renew(place))
            with suppress(OSError):  # one that dies at once is found out by who waits for it
                self._workers[place].line.send(task)
        self._workers[place].task = task

    def _renew(self, place: int) -> str:
        """Start a worker in place of a dead one, and return what that died of."""
        interrupts.check()  # a signal to all of the processes is meant for this one
        dead = self._workers[place]
        dead.process.join()
        dead.line.close()
        self._workers[place] = self._start()
        return _cause(dead.process.exitcode)

    def _replace(self, place: int, task: Task) -> None:
        """Start a worker in place of a dead one, with the same task unless that has cost enough."""
        trial, cause = task[0].trial, self._renew(place)
        self._losses[trial] += 1
        lost = self._losses[trial]
        log.warning("a worker died (%s) while it trained trial %d", cause, trial)
        if lost == self._max_losses:
            self._lost.append((trial, failed_workers(lost)))
        else:
            self._give(place, task)


def check_shared_memory(pictures: Parts) -> None:
    """Check that there is room for what worker processes share.

    Raises:
        CannotCreateError: there is not.
    """
    size = sum(tensor.nbytes for tensor in pictures.tensors().values())
    if SHARED_MEMORY.is_dir() and (free := shutil.disk_usage(SHARED_MEMORY).free) < size:
        raise CannotCreateError(
            f"{SHARED_MEMORY}: workers share the pictures there and need {size / 1e6:,.0f} MB, "
            f"{free / 1e6:,.0f} MB are free; enlarge it, or train with search.workers=1"
        )


def failed_workers(times: int) -> Failed:
    """Return what becomes of a trial that its workers do not survive."""
    return Failed(f"its worker died {times} times")


def _cause(exit_code: int | None) -> str:
    if exit_code is None or exit_code >= 0:
        return f"exit code {exit_code}"
    known = {each.value: each.name for each in signal.Signals}
    return known.get(-exit_code, f"signal {-exit_code}")


def open_executor(
    pictures: Parts,
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
