"""Rounds of ask, train, decide, tell; the only owner of the study while it runs.

Knows neither how a candidate is trained nor how one is drawn. A cohort is asked whole; all of it
that is alive trains to its next decision; decisions are taken in trial order; and so on until the
cohort is done. Nothing depends on a clock or on which trial was faster.
"""

import logging
import time
from collections.abc import Generator, Iterator
from dataclasses import replace

from nas_cifar10 import views
from nas_cifar10.epochs import Epoch
from nas_cifar10.errors import BadDataError
from nas_cifar10.networks.cost import cost
from nas_cifar10.runs import RunFolder, write_atomic
from nas_cifar10.search.schedules import SCHEDULES
from nas_cifar10.segment import (
    SEARCH,
    Failed,
    Pictures,
    Segment,
    belongs,
    epochs_in,
    load_state,
    train_segment,
)
from nas_cifar10.study import Study
from nas_cifar10.study_rows import Clock, Trial

log = logging.getLogger(__name__)

_VIEWS_EVERY_SECONDS = 5.0


def run_search(study: Study, run: RunFolder, pictures: Pictures) -> Generator[Trial]:
    """Go on with a study until it has all its trials, or until the caller stops listening.

    Yields:
        A trial whenever it was asked, has trained an epoch, or has ended.
    """
    driver = _Driver(study, run, pictures)
    before, started = study.clock.seconds, time.monotonic()

    def record(stopped: str | None, *, final: bool) -> float:
        passed = time.monotonic() - started
        study.clock = Clock(before + passed, stopped)
        views.write(study, driver.trials, run, final=final)
        return passed

    recorded, finished = -_VIEWS_EVERY_SECONDS, False
    try:
        for trial in driver.steps():
            yield trial
            if time.monotonic() - started > recorded + _VIEWS_EVERY_SECONDS:
                recorded = record(None, final=False)
        finished = True
    finally:
        record(None if finished else "interrupted", final=finished)


class _Driver:
    def __init__(self, study: Study, run: RunFolder, pictures: Pictures) -> None:
        self.study, self.run, self.pictures = study, run, pictures
        self.config = study.config
        self.trials = study.trials()
        schedule = self.config.search.schedule
        self.schedule = SCHEDULES[schedule.name](
            self.config.name, self.config.training.epochs, schedule.reduction_factor
        )

    def steps(self) -> Iterator[Trial]:
        for trial in self.trials:
            if trial.state != "running":  # killed after its end, before its checkpoint went
                self.run.drop_checkpoint(trial.number)
        while self._running() or len(self.trials) < self.config.search.trials:
            yield from self._fill_cohort()
            while self._running():
                yield from self._round()
                yield from self._end_repeats()

    def _running(self) -> list[Trial]:
        return [trial for trial in self.trials if trial.state == "running"]

    def _fill_cohort(self) -> Iterator[Trial]:
        size, running = self.config.search.cohort, self._running()
        first = running[0].number if running else len(self.trials)
        end = min((first // size + 1) * size, self.config.search.trials)
        while len(self.trials) < end:
            yield self._ask()

    def _ask(self) -> Trial:
        proposal = self.study.propose(len(self.trials))
        architecture = proposal.candidate.architecture
        price = cost(architecture, self.pictures.shape, self.pictures.num_classes)
        same = [t.number for t in self.trials if t.candidate == proposal.candidate]
        measured = [n for n in same if self.trials[n].state not in ("failed", "repeated")]
        original = next((n for n in measured if self.trials[n].repeats is None), None)
        trial = self.study.add(proposal, price.parameters, price.macs, original)
        self.trials.append(trial)
        return trial

    def _round(self) -> Iterator[Trial]:
        """Decide what the last round left to decide, then train all that go on to their next stop.

        After a restart some trials may be further than others; those wait.
        """
        alive = [trial for trial in self._running() if trial.repeats is None]
        passed = {trial.number: self._stops_passed(trial) for trial in alive}
        rounds = min(passed.values(), default=0)
        here = [trial for trial in alive if passed[trial.number] == rounds]
        for trial in here:
            ended = self._decide(trial) if rounds else None
            if ended is not None:
                yield ended
        for trial in here:
            if self.trials[trial.number].state == "running":
                stops = self.schedule.decision_epochs(trial.number)
                yield from self._train(trial, stops[rounds])

    def _stops_passed(self, trial: Trial) -> int:
        stops = self.schedule.decision_epochs(trial.number)
        return sum(stop <= len(trial.epochs) for stop in stops)

    def _decide(self, trial: Trial) -> Trial | None:
        """End a trial that has reached the maximum or may not go on."""
        epoch = len(trial.epochs)
        if epoch == self.config.training.epochs:
            return self._end(trial, "complete", "", self._objective(trial.epochs[-1]))
        reports = {t.number: [self._objective(e) for e in t.epochs] for t in self.trials}
        stop = max(s for s in self.schedule.decision_epochs(trial.number) if s <= epoch)
        if self.schedule.goes_on(trial.number, stop, reports):
            return None
        return self._end(trial, "pruned", f"not promoted at epoch {stop}", None)

    def _objective(self, epoch: Epoch) -> float:
        return float(getattr(epoch.measured, self.config.search.objective))

    def _end(
        self, trial: Trial, state: str, reason: str, value: float | None, as_state: str = ""
    ) -> Trial:
        ended = self.study.end(trial, state, reason, as_state or state, value)
        self.trials[trial.number] = ended
        self.run.drop_checkpoint(trial.number)
        return ended

    def _end_repeats(self) -> Iterator[Trial]:
        for trial in self._running():
            if trial.repeats is None:
                continue
            first = self.trials[trial.repeats]
            if first.state != "running":
                value = self._objective(first.epochs[-1]) if first.state == "complete" else None
                yield self._end(
                    trial, "repeated", f"same as trial {first.number}", value, first.state
                )

    def _train(self, trial: Trial, stop: int) -> Iterator[Trial]:
        """Train to epoch `stop`, an epoch a segment: a stop in between loses one epoch at most."""
        checkpoint, done = self._resume_point(trial)
        if len(done) > len(trial.epochs):  # killed after the checkpoint, before its record
            trial = self.trials[trial.number] = self.study.set_epochs(trial, done)
        trial = replace(trial, epochs=done)
        while len(trial.epochs) < stop:
            segment = self._segment(trial, len(trial.epochs) + 1)
            result = train_segment(segment, self.pictures, checkpoint)
            if isinstance(result, Failed):
                yield self._end(trial, "failed", result.reason, None)
                return
            checkpoint = result.checkpoint
            write_atomic(self.run.checkpoint(trial.number), checkpoint)
            trial = self.trials[trial.number] = self.study.set_epochs(trial, result.epochs)
            yield trial

    def _segment(self, trial: Trial, stop: int) -> Segment:
        precision = self.study.facts.resolved["precision"]
        return Segment(
            candidate=trial.candidate,
            training=self.config.training,
            data=self.study.facts.data["fingerprint"],
            seed=self.config.seed,
            stream=SEARCH,
            trial=trial.number,
            stop=stop,
            precision=precision,
            measure_precision=precision,
        )

    def _resume_point(self, trial: Trial) -> tuple[bytes | None, tuple[Epoch, ...]]:
        """Return a trial's checkpoint and its epochs, or a fresh start where it is lost."""
        path = self.run.checkpoint(trial.number)
        if not trial.epochs and not path.exists():
            return None, ()
        try:
            checkpoint = path.read_bytes()
            state = load_state(checkpoint)
            if not belongs(self._segment(trial, 0), state):
                raise BadDataError("belongs to another trial")
            return checkpoint, tuple(epochs_in(state))
        except (OSError, BadDataError) as error:
            log.warning("trial %d starts over: its checkpoint is lost: %s", trial.number, error)
            return None, ()
