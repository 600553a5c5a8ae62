"""A search or a retrain as lines on the screen: how far, how long, the best so far."""

import time

from nas_cifar10.cli.output import Screen
from nas_cifar10.config.retrain import RetrainConfig
from nas_cifar10.epochs import Epoch
from nas_cifar10.search.executors import Executor
from nas_cifar10.segment import Segment
from nas_cifar10.study.ranking import best_of, score
from nas_cifar10.study.rows import Trial
from nas_cifar10.study.study import Study
from nas_cifar10.text import about


class _Pace:
    """How many epochs are left at most, and how long they take at the pace so far."""

    def __init__(self, left: int) -> None:
        self.left, self.trained, self.started = left, 0, time.monotonic()

    def __str__(self) -> str:
        if not self.trained or not self.left:
            return ""
        seconds = (time.monotonic() - self.started) / self.trained * self.left
        return f"  at most {about(seconds)} left"


class SearchProgress:
    """Follows a search, trial by trial."""

    def __init__(self, study: Study, executor: Executor, *, quiet: bool) -> None:
        """Start from what the study holds already."""
        self.executor, self.search = executor, study.config.search
        self.num_trials, self.epochs = self.search.trials, study.config.training.epochs
        self.best: Trial | None = None
        self.trained: dict[int, int] = {}
        self.ended: set[int] = set()
        self.pace = _Pace(self.num_trials * self.epochs)
        for trial in study.trials():
            self._take(trial)
        self.pace.trained = 0
        self.screen = Screen(quiet=quiet, status=self._status)

    def show(self, trial: Trial) -> None:
        """Show a trial that was asked, has trained an epoch, or has ended."""
        self._take(trial)
        head, ended = f"trial {trial.number}", f"{len(self.ended)} of {self.num_trials} ended"
        reached = f"  {score(trial, self.search):.4f}" if trial.epochs else ""
        reached_best = f"{score(self.best, self.search):.4f}" if self.best else ""
        best = f"  best {reached_best} (trial {self.best.number})" if self.best else ""
        if trial.state != "running":
            reason = f", {trial.reason}" if trial.reason else ""
            told = f"{head}: {trial.state}{reason}{reached}"
            self.screen.fix(f"{told}  {ended}{best}{self.pace}")
        elif trial.epochs:
            epoch = f"epoch {len(trial.epochs)}/{self.epochs}"
            self.screen.move(f"{head}: {epoch}{reached}  {ended}{best}{self.pace}")
        else:
            self.screen.move(f"{head}: {trial.kind}, {trial.candidate.architecture}")

    def _take(self, trial: Trial) -> None:
        new = len(trial.epochs) - self.trained.get(trial.number, 0)
        self.trained[trial.number] = len(trial.epochs)
        self.pace.left -= new
        self.pace.trained += new
        if trial.state != "running":
            self.ended.add(trial.number)
            self.pace.left -= self.epochs - len(trial.epochs)
        if trial.state == "complete":
            self.best = best_of([*([self.best] if self.best else []), trial], self.search)

    def _status(self) -> list[str]:
        """Say what the best is so far, and what each worker is at."""
        told = []
        if self.best is not None:
            network = self.best.candidate.architecture
            reached = score(self.best, self.search)
            told.append(f"  best {reached:.4f}: trial {self.best.number}, {network}")
        for worker, segment in enumerate(self.executor.busy, start=1):
            told.append(f"  worker {worker}: {self._at(segment)}")
        return told

    def _at(self, segment: Segment | None) -> str:
        if segment is None:
            return "idle"
        network = segment.candidate.architecture
        return f"trial {segment.trial}, epoch {segment.stop}/{self.epochs}, {network}"


class RetrainProgress:
    """Follows a retrain, epoch by epoch."""

    def __init__(self, screen: Screen, settings: RetrainConfig, trials: int) -> None:
        """Take what all trials have in common, and how many they are."""
        self.screen, self.epochs, self.seeds = screen, settings.epochs, settings.seeds
        self.trials_left = trials
        self.monitor = {"test": "test (monitor only)"}.get(settings.monitor, settings.monitor)
        self.pace = _Pace(0)

    def show(self, trial: Trial, seed: int, epoch: Epoch | None) -> None:
        """Show an epoch of one of a trial's seeds; None: say that the trial begins."""
        if epoch is None:
            self.pace = _Pace(self.epochs * self.seeds)
            self.trials_left -= 1
            self.screen.fix(f"retrain of trial {trial.number}: {trial.candidate.architecture}")
            return
        self.pace.trained += 1
        left = self.seeds - seed + self.seeds * self.trials_left
        self.pace.left = left * self.epochs - epoch.number
        held_out = f"  {self.monitor} {epoch.held_out.accuracy:.4f}" if epoch.held_out else ""
        which = f"seed {seed + 1}/{self.seeds}, " if self.seeds > 1 else ""
        self.screen.move(
            f"{which}epoch {epoch.number}/{self.epochs}: train {epoch.train.accuracy:.4f}"
            f"{held_out}{self.pace}"
        )
