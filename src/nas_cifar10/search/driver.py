"""Rounds of ask, train, decide, tell; the only owner of the study while it runs.

Knows neither how a candidate is trained nor how one is drawn. A cohort is asked whole; all of it
that is alive trains to its next decision; decisions are taken in trial order; and so on until the
cohort is done. Nothing depends on which trial was faster, and only
`search.max_minutes` on a clock.
"""

import heapq
import logging
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import replace

from nas_cifar10 import interrupts, views
from nas_cifar10.crash import crash_point
from nas_cifar10.epochs import Epoch
from nas_cifar10.errors import BadDataError, MissingInputError, UnreadableError
from nas_cifar10.networks.cost import cost
from nas_cifar10.runs.files import write_atomic
from nas_cifar10.runs.folder import RunFolder
from nas_cifar10.runs.reading import read_bytes
from nas_cifar10.search.budgets import costs_of, excess, refusal
from nas_cifar10.search.executors import Executor
from nas_cifar10.search.schedules import make_schedule
from nas_cifar10.search.whole import time_best
from nas_cifar10.segment import (
    SEARCH,
    Failed,
    Segment,
    epochs_before,
)
from nas_cifar10.space.candidate import Architecture, Candidate
from nas_cifar10.space.cost import Cost
from nas_cifar10.study.rows import Clock, State, Trial
from nas_cifar10.study.study import Study

log = logging.getLogger(__name__)

_VIEWS_EVERY_SECONDS = 5.0
_VIEWS_PAUSE = 20  # times as long as writing them took: they grow with the study
_UNMEASURED = ("failed", "infeasible")


def run_search(study: Study, run: RunFolder, executor: Executor) -> Generator[Trial]:
    """Go on with a study until it has all its trials, or until the caller stops listening.

    No cohort is asked once the search has taken `search.max_minutes`, all its sittings together.

    Yields:
        A trial whenever it was asked, has trained an epoch, or has ended.
    """
    before, started = study.clock.seconds, time.monotonic()

    def seconds() -> float:
        return before + time.monotonic() - started

    driver = _Driver(study, run, executor, seconds)
    requested = study.config.search.trials
    log.info("study %s: %d of %d trials asked", study.name, len(driver.trials), requested)

    def record(stopped: str | None, *, final: bool) -> float:
        """Write the views, and return when to do so next."""
        begun = seconds()
        study.clock = Clock(begun, stopped)
        views.write(study, driver.trials, run, final=final)
        return seconds() + max(_VIEWS_EVERY_SECONDS, _VIEWS_PAUSE * (seconds() - begun))

    due, finished = 0.0, False
    try:
        for trial in driver.steps():
            yield trial
            if seconds() > due and not study.is_behind:
                due = record(None, final=False)
        time_best(study, driver.trials)
        finished = True
    finally:
        at_end = "time" if len(driver.trials) < study.config.search.trials else None
        record(at_end if finished else "interrupted", final=finished)


class _Driver:
    def __init__(
        self, study: Study, run: RunFolder, executor: Executor, seconds: Callable[[], float]
    ) -> None:
        self.study, self.run, self.executor, self.seconds = study, run, executor, seconds
        self.config = study.config
        self.limits = study.config.search.constraints
        self.trials = study.trials()
        self.numbers: dict[Candidate, list[int]] = {}
        for trial in self.trials:
            self.numbers.setdefault(trial.candidate, []).append(trial.number)
        self.reports = {t.number: [self._objective(e) for e in t.epochs] for t in self.trials}
        self.schedule = make_schedule(self.config, self._minimised)

    def _minimised(self, number: int) -> tuple[float, ...]:
        return self.trials[number].costs(self.config.search.costs)

    def steps(self) -> Iterator[Trial]:
        for trial in self.trials:
            if trial.state != "running":  # killed after its end, before its checkpoint went
                self.run.drop_checkpoint(trial.number)
        while self._running() or (self._wants_more() and self._has_time()):
            yield from self._fill_cohort()
            while self._running():
                yield from self._round()
                yield from self._end_repeats()

    def _wants_more(self) -> bool:
        return len(self.trials) < self.config.search.trials

    def _has_time(self) -> bool:
        minutes = self.config.search.max_minutes
        return minutes is None or self.seconds() < 60 * minutes

    def _running(self) -> list[Trial]:
        return [trial for trial in self.trials if trial.state == "running"]

    def _fill_cohort(self) -> Iterator[Trial]:
        size, running = self.config.search.cohort, self._running()
        first = running[0].number if running else len(self.trials)
        end = min((first // size + 1) * size, self.config.search.trials)
        yield from self._refuse(running)
        while len(self.trials) < end:
            interrupts.check()
            trial = self._ask()
            yield trial
            yield from self._refuse([trial])

    def _ask(self) -> Trial:
        proposal = self.study.propose(len(self.trials), lambda new: self._refusal(new) is None)
        same = self.numbers.setdefault(proposal.candidate, [])
        own = [self.trials[n] for n in same if self.trials[n].repeats is None]
        original = next((t.number for t in own if t.state not in _UNMEASURED), None)
        price, costs = self._costs(proposal.candidate.architecture)
        over, latency = excess(self.limits, costs), costs.get("latency_ms")
        trial = self.study.add(proposal, price, original, over, latency)
        self.trials.append(trial)
        same.append(trial.number)
        return trial

    def _refuse(self, trials: Iterable[Trial]) -> Iterator[Trial]:
        """End what costs too much before the next trial is asked, which is to learn from it."""
        for trial in trials:
            reason = self._refusal(trial.candidate)
            if reason is not None:
                yield self._end(trial, "infeasible", reason, None, "pruned")

    def _refusal(self, candidate: Candidate) -> str | None:
        return refusal(self.limits, self._costs(candidate.architecture)[1])

    def _costs(self, architecture: Architecture) -> tuple[Cost, dict[str, float]]:
        facts = self.study.facts
        price = cost(architecture, facts.shape, facts.num_classes)
        return price, costs_of(architecture, price, facts.shape, facts.resolved.get("latency"))

    def _round(self) -> Iterator[Trial]:
        """Decide what the last round left to decide, then train all that go on to their next stop.

        After a restart some trials may be further than others; those wait.
        """
        self.study.settle()
        alive = [trial for trial in self._running() if trial.repeats is None]
        passed = {trial.number: self._stops_passed(trial) for trial in alive}
        rounds = min(passed.values(), default=0)
        here = [trial for trial in alive if passed[trial.number] == rounds]
        for trial in here:
            ended = self._decide(trial) if rounds else None
            if ended is not None:
                yield ended
        yield from self._train(
            {
                trial.number: self.schedule.decision_epochs(trial.number)[rounds]
                for trial in here
                if self.trials[trial.number].state == "running"
            }
        )

    def _stops_passed(self, trial: Trial) -> int:
        stops = self.schedule.decision_epochs(trial.number)
        return sum(stop <= len(trial.epochs) for stop in stops)

    def _decide(self, trial: Trial) -> Trial | None:
        """End a trial that has reached the maximum or may not go on."""
        epoch = len(trial.epochs)
        if epoch == self.config.training.epochs:
            return self._end(trial, "complete", "", self._objective(trial.epochs[-1]))
        stop = max(s for s in self.schedule.decision_epochs(trial.number) if s <= epoch)
        if self.schedule.goes_on(trial.number, stop, self.reports):
            return None
        return self._end(trial, "pruned", f"not promoted at epoch {stop}", None)

    def _objective(self, epoch: Epoch) -> float:
        return float(getattr(epoch.measured, self.config.search.score))

    def _end(
        self, trial: Trial, state: State, reason: str, value: float | None, as_state: str = ""
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

    def _train(self, goals: Mapping[int, int]) -> Iterator[Trial]:
        """Train each trial to its goal, an epoch a segment: a stop loses one epoch at most.

        The trial with the most work left goes first, so that workers end a round together.
        """
        starts = {number: self._resume_point(number) for number in goals}
        waiting = [self._turn(n, goal) for n, goal in goals.items() if self._epochs(n) < goal]
        heapq.heapify(waiting)
        num_running = 0
        while waiting or num_running:
            while waiting and self.executor.free:
                _, number = heapq.heappop(waiting)
                segment = self._segment(self.trials[number], self._epochs(number) + 1)
                log.info("trial %d: epoch %d is handed out", number, segment.stop)
                self.executor.submit(segment, starts.pop(number))
                num_running += 1
            interrupts.check()
            number, result = self.executor.result()
            num_running -= 1
            if isinstance(result, Failed):
                yield self._end(self.trials[number], "failed", result.reason, None)
                continue
            write_atomic(self.run.checkpoint(number), result.checkpoint)
            crash_point("checkpoint.written")
            trial = self.study.set_epochs(self.trials[number], result.epochs)
            self._keep(trial)
            if len(trial.epochs) < goals[number]:
                starts[number] = result.checkpoint
                heapq.heappush(waiting, self._turn(number, goals[number]))
            yield trial

    def _keep(self, trial: Trial) -> None:
        self.trials[trial.number] = trial
        self.reports[trial.number] = [self._objective(epoch) for epoch in trial.epochs]

    def _turn(self, number: int, goal: int) -> tuple[int, int]:
        """Return what stands the lower, the sooner it is a trial's turn."""
        return -self.trials[number].macs * (goal - self._epochs(number)), number

    def _epochs(self, number: int) -> int:
        return len(self.trials[number].epochs)

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

    def _resume_point(self, number: int) -> bytes | None:
        """Return a trial's checkpoint, and let its record say the same; None: it starts over."""
        trial, (checkpoint, done) = self.trials[number], self._stored_checkpoint(number)
        if len(done) > len(trial.epochs):  # killed after the checkpoint, before its record
            trial = self.study.set_epochs(trial, done)
        self._keep(replace(trial, epochs=done))
        return checkpoint

    def _stored_checkpoint(self, number: int) -> tuple[bytes | None, tuple[Epoch, ...]]:
        path, trial = self.run.checkpoint(number), self.trials[number]
        if not trial.epochs and not path.exists():
            return None, ()
        facts, segment = self.study.facts, self._segment(trial, 0)
        try:
            checkpoint = read_bytes(path)
            return checkpoint, epochs_before(segment, checkpoint, facts.shape, facts.num_classes)
        except UnreadableError as error:
            told = f"trial {number}: {error}; it is left as it is, and resumes"
            raise UnreadableError(told) from None
        except (MissingInputError, BadDataError) as error:
            log.warning("trial %d starts over: its checkpoint is lost: %s", number, error)
            return None, ()
