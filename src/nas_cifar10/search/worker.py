"""A process that trains what it is sent, and ends with its driver; knows no other worker."""

import importlib
import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeAlias

import torch
import torch.multiprocessing

from nas_cifar10 import interrupts
from nas_cifar10.data.parts import Parts
from nas_cifar10.segment import Failed, Segment, Trained, train_segment
from nas_cifar10.training.memory import give_back_memory, keep_freed_memory

PRELOAD = f"{__package__}.server"

Given: TypeAlias = tuple[Parts, int, torch.device]  # what a worker trains on, and threads
Task: TypeAlias = tuple[Segment, bytes | None]
Result: TypeAlias = Trained | Failed
Train: TypeAlias = Callable[[Segment, Parts, bytes | None], Result]


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


def start_worker(context: Any, train: Train, given: Given) -> Worker:
    """Start one that has its pictures, in a context of multiprocessing."""
    return _start(context, _work, train, given)


def _start(context: Any, work: Callable[..., None], *arguments: object) -> Worker:
    # Any: what typeshed knows of a context by its name has no Process.
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(theirs, *arguments), daemon=True)
    process.start()
    theirs.close()
    return Worker(process, ours)


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
        while True:
            segment, checkpoint = line.recv()
            try:  # a GPU has its copy from the first segment on, and may have no room for one
                pictures = pictures.to(device)
                answer: Result | Exception = train(segment, pictures, checkpoint)
            except Exception as error:
                answer = error
            line.send(answer)
            del answer
            give_back_memory()  # the next segment is of another network, of other sizes
            torch.accelerator.empty_cache()  # which other workers have no part in


def _end_with_driver() -> None:
    driver = multiprocessing.parent_process()
    assert driver is not None
    driver.join()
    os._exit(1)
