"""Tables on stdout and progress on stderr; knows how things look, not how they came about."""

import logging
import sys
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from nas_cifar10.text import harmless

log = logging.getLogger(__name__)

_UNBROKEN = 100_000  # columns where nobody looks: a path is never wrapped in a pipe or a file


def stdout_console() -> Console:
    """Return stdout, as wide as the terminal or, where there is none, as any line."""
    return Console(width=None if sys.stdout.isatty() else _UNBROKEN)


def print_table(rows: Sequence[tuple[str, str]]) -> None:
    """Print rows of a name and a text."""
    table = Table(show_header=False, pad_edge=False)
    table.add_column()
    table.add_column(overflow="fold")  # a path is whole on a narrow terminal, too
    for name, text in rows:
        table.add_row(Text(harmless(name)), Text(harmless(text)))
    stdout_console().print(table)


def announce(text: str, *, quiet: bool = False) -> None:
    """Say on stderr what is about to take a while."""
    if not quiet:
        print(harmless(text), file=sys.stderr, flush=True)


class Screen:
    """Stderr: moving lines below fixed ones on a terminal, plain lines elsewhere."""

    def __init__(self, *, quiet: bool, status: Callable[[], Sequence[str]] = tuple) -> None:
        """Say nothing where `quiet`; the log gets every line all the same.

        Args:
            status: Returns what stands below the moving line, as it is at that moment.
        """
        self.quiet, self.status, self.moving = quiet, status, ""
        self.live: Live | None = None
        if sys.stderr.isatty() and not quiet:
            console = Console(stderr=True)
            self.live = Live(console=console, get_renderable=self._lines, transient=True)

    def __enter__(self) -> Self:
        """Start the moving line, on a terminal."""
        if self.live is not None:
            self.live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the moving line away."""
        if self.live is not None:
            self.live.stop()

    def fix(self, text: str) -> None:
        """Show a line that stays."""
        text = harmless(text)
        log.info(text)
        if self.live is not None:
            self.live.console.print(Text(text))
        elif not self.quiet:
            print(text, file=sys.stderr)

    def move(self, text: str) -> None:
        """Show a line that the next one takes the place of."""
        if self.live is None:
            self.fix(text)
        else:
            text = harmless(text)
            log.info(text)
            self.moving = text

    def _lines(self) -> Text:
        lines = "\n".join([self.moving, *self.status()])
        return Text(lines, overflow="ellipsis", no_wrap=True)
