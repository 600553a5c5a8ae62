"""Ctrl-C and SIGTERM as a flag that work asks about between two of its steps; knows no work.

The handler notes the signal, and cuts off nothing but what stands in `at_once`: a batch ends, a
file is written or not begun. A second signal does what it does to any process: it ends it at once,
which is as safe as SIGKILL is.
"""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(BaseException):  # like KeyboardInterrupt, which it stands in for
    """Somebody wants this process to end; the front door answers it, and a worker just ends."""

    def __init__(self, signal_number: int) -> None:
        """Keep the signal: 2 (Ctrl-C) or 15 (terminate)."""
        super().__init__(signal_number)
        self.signal_number = signal_number


_received: int | None = None
_at_once = False


def listen() -> None:
    """Note signals from now on; one that this process was started to ignore stays ignored."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _note)


def ignore() -> None:
    """Let no signal disturb the last moments: the work is done, and its exit code decided."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def check() -> None:
    """Give up here if a signal has come.

    Raises:
        Interrupted: it has.
    """
    if _received is not None:
        raise Interrupted(_received)


@contextmanager
def at_once() -> Iterator[None]:
    """Give up in the middle of what is done here: a long wait that can be cut anywhere."""
    global _at_once
    check()
    _at_once = True
    try:
        yield
    finally:
        _at_once = False


@contextmanager
def loading() -> Iterator[None]:
    """Give up before any module that is loaded here: torch's take seconds, on a slow disk minutes.

    Between two modules and not within one, where somebody might take what is raised for their own.
    """
    check()
    sys.meta_path.insert(0, _FINDER)
    try:
        yield
    finally:
        sys.meta_path.remove(_FINDER)


class _NoFinder:
    """Is asked for every module before it is loaded, and finds none."""

    def find_spec(self, *_: object) -> None:
        check()


_FINDER = _NoFinder()


def _note(number: int, frame: FrameType | None) -> None:
    global _received
    _received = number
    for each in SIGNALS:
        signal.signal(each, signal.SIG_DFL)
    if _at_once:
        raise Interrupted(number)
