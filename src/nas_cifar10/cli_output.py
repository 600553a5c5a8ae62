"""Tables on stdout and progress on stderr; knows how things look, not how they came about."""

import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from nas_cifar10.epochs import Epoch
from nas_cifar10.study import Study
from nas_cifar10.study_rows import Trial

log = logging.getLogger(__name__)

_UNBROKEN = 100_000  # columns where nobody looks: a path is never wrapped in a pipe or a file


def print_table(rows: Sequence[tuple[str, str]], folder: Path | None) -> None:
    """Print rows of a name and a text, then where the results are."""
    console = Console(width=None if sys.stdout.isatty() else _UNBROKEN)
    table = Table(show_header=False, pad_edge=False)
    for name, text in rows:
        table.add_row(Text(name), Text(text))
    console.print(table)
    if folder is not None:
        print(f"results in {folder}")


class Screen:
    """Stderr: one moving line below fixed ones on a terminal, plain lines elsewhere."""

    def __init__(self, *, quiet: bool) -> None:
        """Say nothing where `quiet`; the log gets every line all the same."""
        self.quiet = quiet
        self.live: Live | None = None
        if sys.stderr.isatty() and not quiet:
            self.live = Live(console=Console(stderr=True), refresh_per_second=4, transient=True)

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
        log.info(text)
        if self.live is not None:
            self.live.console.print(Text(text))
        elif not self.quiet:
            print(text, file=sys.stderr)

    def move(self, text: str) -> None:
        """Show a line that the next one replaces."""
        if self.live is None:
            self.fix(text)
        else:
            log.info(text)
            self.live.update(Text(text, overflow="ellipsis", no_wrap=True))


class _Pace:
    """How many epochs are left at most, and how long they take at the pace so far."""

    def __init__(self, left: int) -> None:
        self.left, self.trained, self.started = left, 0, time.monotonic()

    def __str__(self) -> str:
        if not self.trained or not self.left:
            return ""
        seconds = (time.monotonic() - self.started) / self.trained * self.left
        if seconds < 90:
            return f"  at most {seconds:.0f} s left"
        return f"  at most {seconds / 60:.0f} min left"


class SearchProgress:
    """Follows a search, trial by trial."""

    def __init__(self, screen: Screen, study: Study) -> None:
        """Start from what the study holds already."""
        self.screen = screen
        self.num_trials, self.epochs = study.config.search.trials, study.config.training.epochs
        self.best: tuple[float, int] | None = None
        self.trained: dict[int, int] = {}
        self.pace = _Pace(self.num_trials * self.epochs)
        for trial in study.trials():
            self._take(trial)
        self.pace.trained = 0

    def show(self, trial: Trial) -> None:
        """Show a trial that was asked, has trained an epoch, or has ended."""
        self._take(trial)
        head = f"trial {trial.number} of {self.num_trials}"
        accuracy = f"  {trial.epochs[-1].measured.accuracy:.4f}" if trial.epochs else ""
        best = f"  best {self.best[0]:.4f} (trial {-self.best[1]})" if self.best else ""
        if trial.state != "running":
            reason = f", {trial.reason}" if trial.reason else ""
            self.screen.fix(f"{head}: {trial.state}{reason}{accuracy}{best}{self.pace}")
        elif trial.epochs:
            epoch = f"epoch {len(trial.epochs)}/{self.epochs}"
            self.screen.move(f"{head}: {epoch}{accuracy}{best}{self.pace}")
        else:
            self.screen.move(f"{head}: {trial.kind}, {trial.candidate.architecture}")

    def _take(self, trial: Trial) -> None:
        new = len(trial.epochs) - self.trained.get(trial.number, 0)
        self.trained[trial.number] = len(trial.epochs)
        self.pace.left -= new
        self.pace.trained += new
        if trial.state != "running":
            self.pace.left -= self.epochs - len(trial.epochs)
        if trial.state == "complete":
            value = (trial.epochs[-1].measured.accuracy, -trial.number)
            self.best = max(self.best or value, value)


class RetrainProgress:
    """Follows a retrain, epoch by epoch."""

    def __init__(self, screen: Screen, trial: Trial, epochs: int, monitor: str) -> None:
        """Say what is trained."""
        self.screen, self.epochs = screen, epochs
        self.monitor = "test (monitor only)" if monitor == "test" else monitor
        self.pace = _Pace(epochs)
        screen.fix(f"retrain of trial {trial.number}: {trial.candidate.architecture}")

    def show(self, epoch: Epoch) -> None:
        """Show an epoch."""
        self.pace.trained += 1
        self.pace.left = self.epochs - epoch.number
        held_out = f"  {self.monitor} {epoch.held_out.accuracy:.4f}" if epoch.held_out else ""
        self.screen.move(
            f"epoch {epoch.number}/{self.epochs}: train {epoch.train.accuracy:.4f}"
            f"{held_out}{self.pace}"
        )
