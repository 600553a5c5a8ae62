"""An open study: candidates drawn by Optuna's samplers, results recorded; knows no training.

A trial is drawn in an in-memory twin of the study and then stored whole, in one commit, so that
no trial with half its values can be left behind. Each draw uses a new sampler seeded from (seed,
trial number): samplers keep no state, and a resumed study goes on as if it had never stopped.
"""

import functools
import itertools
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from random import Random
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np
import optuna
from optuna.exceptions import StorageInternalError
from optuna.trial import TrialState

from nas_cifar10.config.load import config_from_plain
from nas_cifar10.crash import crash_point
from nas_cifar10.epochs import Epoch
from nas_cifar10.errors import CannotCreateError
from nas_cifar10.runs.database import Database
from nas_cifar10.runs.database_lock import StudyLock
from nas_cifar10.space.candidate import Candidate
from nas_cifar10.space.cost import Cost
from nas_cifar10.space.neighbours import values_for
from nas_cifar10.space.search_space import SearchSpace, Value
from nas_cifar10.study.book import Book, by_score, check_stored, distributions, row
from nas_cifar10.study.patience import Patience
from nas_cifar10.study.rows import Clock, Facts, Proposal, State, Trial, WholeLatency
from nas_cifar10.study.samplers import SAMPLERS, Fits, beside_the_best

optuna.logging.set_verbosity(optuna.logging.WARNING)

FACTS = "nas_cifar10"  # one attribute: a study has all its facts or none
_CLOCK = "nas_cifar10_clock"
_LATENCY = "nas_cifar10_latency"
_DRIVER = "nas_cifar10_driver"  # of a study on a server: who has driven it last
_STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}


P = ParamSpec("P")
R = TypeVar("R")


def _patiently(
    method: Callable[Concatenate["Study", P], R],
) -> Callable[Concatenate["Study", P], R]:
    """Let a method wait for its database, and say in one line what that could not do.

    A method may be run again after any of its steps, done or not, was the last.
    """

    @functools.wraps(method)
    def run(study: "Study", /, *args: P.args, **kwargs: P.kwargs) -> R:
        def act() -> R:
            study._catch_up()
            return method(study, *args, **kwargs)

        with study.database.explained(StorageInternalError):
            return study._patience.through(act)

    return run


class Study:
    """An open study; only its driver may change it. Made by `storage`."""

    def __init__(
        self, database: Database, stored: optuna.Study, storage: optuna.storages.RDBStorage
    ) -> None:
        """Read the facts of a study of ours."""
        self.database = database
        self._stored = Book(stored, storage)
        self._twin: Book | None = None
        self._patience = Patience(database)
        self._behind: dict[int, _Waiting] = {}
        self.name = stored.study_name
        with database.read_as_ours(self.name):
            self.facts = Facts.from_json(stored.user_attrs[FACTS])
            self.config = config_from_plain(self.facts.config)
            if len(stored.directions) != 1 + len(self.config.search.costs):
                raise ValueError("it has not one direction a goal")
            timed = self.facts.resolved.get("latency")
            if "latency_ms" in self.config.search.watched and timed is None:
                raise ValueError("it has no table of latencies")
            data = self.config.data
            if self.facts.shape != (data.channels, data.size, data.size):
                raise ValueError("its pictures are not of its config's size")
        self.space = SearchSpace.from_config(self.config.space)
        self._drawn_from = distributions(self.space)  # once: every trial refers to them

    def drive(self, lock: StudyLock | None) -> None:
        """Wait for a server that goes away, from now on, and stop where another driver came.

        Args:
            lock: Held by this driver; None: the database has no such lock.
        """
        driver = uuid.uuid4().hex

        def check_ours() -> None:
            signed = None
            with suppress(KeyError):  # it was replaced
                signed = self._stored.study.user_attrs.get(_DRIVER)
            if signed != driver:
                raise CannotCreateError(
                    f"{self.database}: another driver went on with study {self.name!r} while the "
                    f"server was away; go on after it with --resume"
                )

        if lock is not None:
            self._sign(driver)
        seconds = self.config.search.storage_retry_seconds
        self._patience = Patience(self.database, seconds, lock, check_ours)

    @_patiently
    def _sign(self, driver: str) -> None:
        self._stored.study.set_user_attr(_DRIVER, driver)

    @_patiently
    def settle(self) -> None:
        """Wait until all epochs are stored.

        No decision is taken before: no checkpoint gets further than one that its record is before.
        """

    @property
    def is_behind(self) -> bool:
        """Say whether epochs wait for a database that is away."""
        return bool(self._behind)

    @property
    @_patiently
    def clock(self) -> Clock:
        """How long the search has run."""
        with self.database.read_as_ours(self.name):
            return Clock.from_json(self._stored.study.user_attrs.get(_CLOCK, {}))

    @clock.setter
    @_patiently
    def clock(self, clock: Clock) -> None:
        self._stored.study.set_user_attr(_CLOCK, asdict(clock))

    @property
    @_patiently
    def whole_latency(self) -> WholeLatency | None:
        """How long the best network takes, where it was timed."""
        with self.database.read_as_ours(self.name):
            found = self._stored.study.user_attrs.get(_LATENCY)
            return None if found is None else WholeLatency.from_json(found)

    @whole_latency.setter
    @_patiently
    def whole_latency(self, latency: WholeLatency) -> None:
        self._stored.study.set_user_attr(_LATENCY, asdict(latency))

    @_patiently
    def replace_config(self, config: dict[str, Any]) -> None:
        """Store another config; which keys may differ is the caller's business."""
        self.facts = replace(self.facts, config=config)
        self._stored.study.set_user_attr(FACTS, asdict(self.facts))
        self.config = config_from_plain(config)

    @_patiently
    def trials(self) -> list[Trial]:
        """Return every trial, by number."""
        with self.database.read_as_ours(self.name):
            stored = self._stored.study.get_trials(deepcopy=False)
            for number, frozen in enumerate(stored):
                check_stored(number, frozen, self._drawn_from)
            rows = [row(frozen) for frozen in stored]
            for each in rows:
                each.check(rows, self.config.training.epochs, self.config.search.watched)
            return rows

    @_patiently
    def propose(self, number: int, fits: Fits = lambda candidate: True) -> Proposal:
        """Draw the candidate of the next trial, which will have this number.

        Args:
            fits: A local search looks at no neighbour that does not; the others learn from what
                is refused.
        """
        baseline, sampler = self.config.search.baseline, self.config.search.sampler.name
        words = np.random.SeedSequence([self.config.seed, number]).generate_state(1)
        rng = Random(int(words[0]))
        if baseline is not None and number == 0:
            candidate = Candidate.from_json(baseline.model_dump())
            return self._fixed(number, "baseline", values_for(self.space, candidate, rng))
        if sampler == "exhaustive":
            place = (number - (baseline is not None)) % int(self.space.size())
            candidate = next(itertools.islice(self.space.enumerate(), place, None))
            return self._fixed(number, "random", values_for(self.space, candidate, rng))
        if sampler == "local":
            twin = self._mirror().study
            values = beside_the_best(twin, self.config.search, self.space, rng, fits)
            if values is not None:
                return self._fixed(number, "local", values)
        return self._sampled(number, int(words[0]))

    @_patiently
    def add(
        self,
        proposal: Proposal,
        cost: Cost,
        repeats: int | None,
        excess: Mapping[str, float] | None = None,
        latency_ms: float | None = None,
    ) -> Trial:
        """Store a proposal as a running trial, in one commit.

        Args:
            latency_ms: Where the study has a table of it.
            excess: By what share its costs exceed each limit there is: the sampler avoids what
                exceeds one by more than 0.
        """
        attributes = {
            "candidate": proposal.candidate.to_json(),
            "kind": proposal.kind,
            "parameters": cost.parameters,
            "macs": cost.macs,
            "layers": [layer.to_json() for layer in cost.layers],
            "repeats": repeats,
        } | ({"latency_ms": latency_ms} if latency_ms is not None else {})
        crash_point("trial.drawn")
        # Or else it was stored, and only the answer to that was lost.
        if not self._stored.has(proposal.number):
            self._stored.add(self._drawn_from, proposal.values, attributes, excess)
        crash_point("trial.stored")
        if excess:
            self._mirror().constrain(proposal.number, excess)
        return row(self._stored.trial(proposal.number))

    def set_epochs(self, trial: Trial, epochs: tuple[Epoch, ...]) -> Trial:
        """Report the epochs of a running trial that are new, then store all of them.

        In this order: a process killed in between reports once more, which changes nothing. Where
        the database is away they wait until it answers: the trial's checkpoint holds them.
        """
        waiting = self._behind.get(trial.number)
        reported = waiting.reported if waiting else len(trial.epochs)
        self._behind[trial.number] = _Waiting(reported, epochs)
        with self.database.explained(StorageInternalError):
            self._patience.attempt(self._catch_up)
        return replace(trial, epochs=epochs)

    def _catch_up(self) -> None:
        for number, waiting in list(self._behind.items()):
            new = waiting.epochs[waiting.reported :]
            self._report(self._stored, number, new)
            crash_point("epochs.reported")
            values = [epoch.to_json() for epoch in waiting.epochs]
            self._stored.set_attribute(number, "epochs", values)
            crash_point("epochs.stored")
            del self._behind[number]

    @_patiently
    def end(
        self, trial: Trial, state: State, reason: str, as_state: str, value: float | None
    ) -> Trial:
        """Tell the study how a trial ended.

        Args:
            state: complete, pruned, failed, infeasible or repeated, as people read it.
            as_state: complete, pruned or failed, as the sampler learns from it.
            value: What is maximised, where `as_state` is complete.
        """
        values = None if value is None else [value, *trial.costs(self.config.search.costs)]
        stored, twin = self._stored, self._mirror()
        # Or else it was told, and only the answer to that was lost.
        if not stored.trial(trial.number).state.is_finished():
            stored.set_attribute(trial.number, "outcome", {"state": state, "reason": reason})
            crash_point("outcome.stored")
            stored.study.tell(trial.number, values, state=_STATES[as_state])
        if not twin.trial(trial.number).state.is_finished():
            self._report(twin, trial.number, trial.epochs)
            twin.study.tell(trial.number, values, state=_STATES[as_state])
        crash_point("trial.told")
        return replace(trial, state=state, reason=reason)  # shares what was read before

    @_patiently
    def importances(self) -> dict[str, float]:
        """Return how much each dimension matters (PED-ANOVA, arXiv 2304.10255), largest first.

        For what is maximised; what a network costs follows from its dimensions anyway.

        Over complete trials that repeat no other; empty where fewer than two values differ.
        """
        trials = self._stored.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        own = [trial for trial in trials if trial.user_attrs.get("repeats") is None]
        if len({trial.values[0] for trial in own}) < 2 or not self.space.dimensions:
            return {}
        study = optuna.create_study(direction="maximize")
        with self.database.read_as_ours(self.name):
            study.add_trials(map(by_score, own))
        return dict(optuna.importance.get_param_importances(study))

    def _report(self, book: Book, number: int, epochs: tuple[Epoch, ...]) -> None:
        """Report epochs to one objective: with several, Optuna holds a report for a mistake."""
        if not self.config.search.costs:
            book.report(number, epochs, self.config.search.score)

    def _fixed(self, number: int, kind: str, values: dict[str, Value]) -> Proposal:
        self._mirror().add(self._drawn_from, values, {})
        return Proposal(number, kind, values, self.space.candidate(values))

    def _sampled(self, number: int, seed: int) -> Proposal:
        settings, twin = self.config.search.sampler, self._mirror()
        twin.study.sampler = SAMPLERS[settings.name](settings, seed)
        trial = twin.study.ask(self._drawn_from)
        assert trial.number == number
        kind = "model_based" if trial.relative_params else "random"
        return Proposal(number, kind, trial.params, self.space.candidate(trial.params))

    def _mirror(self) -> Book:
        if self._twin is None:
            storage = optuna.storages.InMemoryStorage()
            directions = self._stored.study.directions
            study = optuna.create_study(storage=storage, directions=directions)
            with self.database.read_as_ours(self.name):
                study.add_trials(self._stored.study.get_trials(deepcopy=False))
            self._twin = Book(study, storage)
        return self._twin


@dataclass(frozen=True)
class _Waiting:
    """Epochs of a trial, and how many of them the database has for certain."""

    reported: int
    epochs: tuple[Epoch, ...]
