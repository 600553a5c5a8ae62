"""Where this tool's log goes while a command runs: to stderr, and to run.log."""

import logging
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TextIO

from nas_cifar10.cli import output
from nas_cifar10.runs.files import cannot_write
from nas_cifar10.runs.folder import RunFolder
from nas_cifar10.text import harmless


class _RunLog(logging.FileHandler):
    """run.log; that it cannot be written is an error like any other."""

    def handleError(self, record: logging.LogRecord) -> None:  # logging's own name
        """Let the run end: a disk that has no room for a line has none for a checkpoint."""
        error = sys.exception()
        if isinstance(error, OSError):
            raise cannot_write(Path(self.baseFilename), error) from error
        super().handleError(record)


class _Stderr(logging.StreamHandler[TextIO]):
    """Stderr as it is at that moment: while lines move there, what goes above them."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line."""
        self.stream = sys.stderr
        super().emit(record)


class _Lines(logging.Formatter):
    """Lines whose names of files and pictures do no harm to a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return harmless(super().format(record))


@contextmanager
def _logged(handler: logging.Handler, level: int, form: str) -> Iterator[None]:
    """Send this tool's log there, from `level` on, while the block runs."""
    log = logging.getLogger("nas_cifar10")
    before = log.level
    log.setLevel(logging.DEBUG)
    handler.setLevel(level)
    handler.setFormatter(_Lines(form))
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before)
        handler.close()


def on_screen(loudness: int) -> AbstractContextManager[None]:
    """Send warnings to stderr, and with -v everything that is not shown as progress already."""
    handler = _Stderr()
    handler.addFilter(lambda record: record.name != output.__name__)
    return _logged(handler, logging.DEBUG if loudness > 0 else logging.WARNING, "%(message)s")


def in_file(run: RunFolder) -> AbstractContextManager[None]:
    """Send everything to run.log."""
    try:
        handler = _RunLog(run.log, encoding="utf-8")
    except OSError as error:
        raise cannot_write(run.log, error) from error
    return _logged(handler, logging.DEBUG, "%(asctime)s %(levelname)s %(message)s")
