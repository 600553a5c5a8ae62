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

from nas_cifar10.config import Config
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


class Progress:
    """What happens, as it happens: one moving line on a terminal, plain lines elsewhere."""

    def __init__(self, total: int, epochs: int, done: int, loudness: int) -> None:
        """Expect `total` epochs at most, of which `done` are behind; see `of_search`."""
        self.total, self.epochs, self.done = total, epochs, done
        self.quiet = loudness < 0
        self.best: tuple[float, int] | None = None
        self.seen: dict[int, int] = {}
        self.started, self.fresh = time.monotonic(), 0
        self.live: Live | None = None
        if sys.stderr.isatty() and not self.quiet:
            self.live = Live(console=Console(stderr=True), refresh_per_second=4, transient=True)

    @classmethod
    def of_search(cls, study: Study, loudness: int) -> Self:
        """Follow a search."""
        config, trials = study.config, study.trials()
        epochs = config.training.epochs
        done = sum(epochs if t.state != "running" else len(t.epochs) for t in trials)
        progress = cls(config.search.trials * epochs, epochs, done, loudness)
        progress.num_trials = config.search.trials
        for trial in trials:
            progress.seen[trial.number] = len(trial.epochs)
            progress._note_best(trial)
        return progress

    @classmethod
    def of_retrain(cls, trial: Trial, config: Config, loudness: int) -> Self:
        """Follow a retrain."""
        epochs = config.retrain.epochs
        progress = cls(epochs, epochs, 0, loudness)
        progress.monitor = config.retrain.monitor
        progress._line(f"retrain of trial {trial.number}: {trial.candidate.architecture}")
        return progress

    num_trials = 0
    monitor = ""

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

    def show_trial(self, trial: Trial) -> None:
        """Show a trial that was asked, has trained an epoch, or has ended."""
        new = len(trial.epochs) - self.seen.get(trial.number, 0)
        self.seen[trial.number] = len(trial.epochs)
        self.done, self.fresh = self.done + new, self.fresh + new
        head = f"trial {trial.number + 1}/{self.num_trials}"
        if trial.state != "running":
            self.done += self.epochs - len(trial.epochs)
            self._note_best(trial)
            reason = f" ({trial.reason})" if trial.reason else ""
            self._line(f"{head} {trial.state}{reason}{self._accuracy(trial)}{self._tail()}")
        elif trial.epochs:
            text = f"{head} epoch {len(trial.epochs)}/{self.epochs}{self._accuracy(trial)}"
            self._move(f"{text}{self._tail()}")
        else:
            self._move(f"{head} asked: {trial.candidate.architecture}, {trial.kind}")

    def show_epoch(self, epoch: Epoch) -> None:
        """Show an epoch of a retrain."""
        self.fresh += 1
        self.done = epoch.number
        text = f"epoch {epoch.number}/{self.epochs}  train accuracy {epoch.train.accuracy:.4f}"
        if epoch.held_out is not None:
            only = " (monitor only)" if self.monitor == "test" else ""
            text += f"  {self.monitor}{only} {epoch.held_out.accuracy:.4f}"
        self._move(f"{text}{self._tail()}")

    def _accuracy(self, trial: Trial) -> str:
        if not trial.epochs:
            return ""
        return f"  validation accuracy {trial.epochs[-1].measured.accuracy:.4f}"

    def _note_best(self, trial: Trial) -> None:
        if trial.state == "complete":
            value = (trial.epochs[-1].measured.accuracy, -trial.number)
            self.best = max(self.best or value, value)

    def _tail(self) -> str:
        best = f"  best {self.best[0]:.4f} (trial {1 - self.best[1]})" if self.best else ""
        left = self.total - self.done
        if not self.fresh or not left:
            return best
        seconds = (time.monotonic() - self.started) / self.fresh * left
        return f"{best}  at most {_duration(seconds)} left"

    def _line(self, text: str) -> None:
        log.info(text)
        if self.live is not None:
            self.live.console.print(Text(text))
        elif not self.quiet:
            print(text, file=sys.stderr)

    def _move(self, text: str) -> None:
        if self.live is not None:
            log.info(text)
            self.live.update(Text(text, overflow="ellipsis", no_wrap=True))
        else:
            self._line(text)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
