"""A study as plain rows for anybody, drawn by Optuna's samplers; knows no training.

A trial is drawn in an in-memory twin of the study and then stored whole, in one commit, so that
no trial with half its values can be left behind. Each draw uses a new sampler seeded from (seed,
trial number): samplers keep no state, and a resumed study goes on as if it had never stopped.
"""

import functools
import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import UTC
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.exceptions import StorageInternalError
from optuna.trial import FrozenTrial, TrialState, create_trial

from nas_cifar10 import config_file
from nas_cifar10.config_search import SamplerConfig
from nas_cifar10.crash import crash_point
from nas_cifar10.database import Database
from nas_cifar10.epochs import Epoch
from nas_cifar10.space.candidate import Candidate
from nas_cifar10.space.cost import Cost
from nas_cifar10.space.search_space import Choice, Dimension, IntegerRange, SearchSpace, Value
from nas_cifar10.study_rows import Clock, Facts, Proposal, Trial, WholeLatency

optuna.logging.set_verbosity(optuna.logging.WARNING)

FACTS = "nas_cifar10"  # one attribute: a study has all its facts or none
_CLOCK = "nas_cifar10_clock"
_LATENCY = "nas_cifar10_latency"
_STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}


class _FlatTPE(optuna.samplers.TPESampler):
    """TPE for a space whose dimensions every trial has.

    Which dimensions all trials share is known: finding it out again for every draw would compare
    every value of every trial, four fifths of a draw at 1,000 trials.
    """

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the space of any trial, in the order Optuna would."""
        first = study.get_trials(deepcopy=False)[0].distributions
        return {name: first[name] for name in sorted(first) if not first[name].single()}


SAMPLERS: dict[str, Callable[[SamplerConfig, int], optuna.samplers.BaseSampler]] = {
    "tpe": lambda settings, seed: _FlatTPE(n_startup_trials=settings.startup_trials, seed=seed),
    "random": lambda settings, seed: optuna.samplers.RandomSampler(seed=seed),
}

P = ParamSpec("P")
R = TypeVar("R")


def _explained(
    method: Callable[Concatenate["Study", P], R],
) -> Callable[Concatenate["Study", P], R]:
    """Let a method say in one line what its database could not do."""

    @functools.wraps(method)
    def run(study: "Study", /, *args: P.args, **kwargs: P.kwargs) -> R:
        with study.database.explained(StorageInternalError):
            return method(study, *args, **kwargs)

    return run


class Study:
    """An open study; only its driver may change it. Made by `study_open`."""

    def __init__(
        self, database: Database, stored: optuna.Study, storage: optuna.storages.RDBStorage
    ) -> None:
        """Read the facts of a study of ours."""
        self.database = database
        self._stored = _Book(stored, storage)
        self._twin: _Book | None = None
        self.name = stored.study_name
        with database.read_as_ours(self.name):
            self.facts = Facts.from_json(stored.user_attrs[FACTS])
            self.config = config_file.from_plain(self.facts.config)
            if len(stored.directions) != 1 + len(self.config.search.costs):
                raise ValueError("it has not one direction a goal")
        self.space = SearchSpace.from_config(self.config.space)

    @property
    @_explained
    def clock(self) -> Clock:
        """How long the search has run."""
        with self.database.read_as_ours(self.name):
            return Clock.from_json(self._stored.study.user_attrs.get(_CLOCK, {}))

    @clock.setter
    @_explained
    def clock(self, clock: Clock) -> None:
        self._stored.study.set_user_attr(_CLOCK, asdict(clock))

    @property
    @_explained
    def whole_latency(self) -> WholeLatency | None:
        """How long the best network takes, where it was timed."""
        with self.database.read_as_ours(self.name):
            found = self._stored.study.user_attrs.get(_LATENCY)
            return None if found is None else WholeLatency.from_json(found)

    @whole_latency.setter
    @_explained
    def whole_latency(self, latency: WholeLatency) -> None:
        self._stored.study.set_user_attr(_LATENCY, asdict(latency))

    @_explained
    def replace_config(self, config: dict[str, Any]) -> None:
        """Store another config; which keys may differ is the caller's business."""
        self.facts = replace(self.facts, config=config)
        self._stored.study.set_user_attr(FACTS, asdict(self.facts))
        self.config = config_file.from_plain(config)

    @_explained
    def trials(self) -> list[Trial]:
        """Return every trial, by number."""
        with self.database.read_as_ours(self.name):
            stored = self._stored.study.get_trials(deepcopy=False)
            drawn_from = distributions(self.space)
            for number, frozen in enumerate(stored):
                _check(number, frozen, drawn_from)
            rows = [_row(frozen) for frozen in stored]
            for row in rows:
                row.check(self.config.search.costs)
            return rows

    @_explained
    def propose(self, number: int) -> Proposal:
        """Draw the candidate of the next trial, which will have this number."""
        baseline, sampler = self.config.search.baseline, self.config.search.sampler.name
        if baseline is not None and number == 0:
            candidate = Candidate.from_json(baseline.model_dump())
            return self._fixed(number, "baseline", self.space.values(candidate))
        if sampler == "exhaustive":
            place = (number - (baseline is not None)) % int(self.space.size())
            candidate = next(itertools.islice(self.space.enumerate(), place, None))
            return self._fixed(number, "random", self.space.values(candidate))
        return self._sampled(number)

    @_explained
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
        self._stored.add(self.space, proposal.values, attributes, excess)
        crash_point("trial.stored")
        if excess:
            self._mirror().constrain(proposal.number, excess)
        frozen = self._stored.study.get_trials(deepcopy=False)[-1]
        assert frozen.number == proposal.number
        return _row(frozen)

    @_explained
    def set_epochs(self, trial: Trial, epochs: tuple[Epoch, ...]) -> Trial:
        """Report the epochs of a running trial that are new, then store all of them.

        In this order: a process killed in between reports once more, which changes nothing.
        """
        new = epochs[len(trial.epochs) :]
        self._report(self._stored, trial.number, new)
        crash_point("epochs.reported")
        values = [epoch.to_json() for epoch in epochs]
        self._stored.set_attribute(trial.number, "epochs", values)
        crash_point("epochs.stored")
        return replace(trial, epochs=epochs)

    @_explained
    def end(
        self, trial: Trial, state: str, reason: str, as_state: str, value: float | None
    ) -> Trial:
        """Tell the study how a trial ended.

        Args:
            state: complete, pruned, failed, infeasible or repeated, as people read it.
            as_state: complete, pruned or failed, as the sampler learns from it.
            value: What is maximised, where `as_state` is complete.
        """
        self._stored.set_attribute(trial.number, "outcome", {"state": state, "reason": reason})
        crash_point("outcome.stored")
        twin = self._mirror()
        self._report(twin, trial.number, trial.epochs)
        values = None if value is None else [value, *trial.costs(self.config.search.costs)]
        for book in (self._stored, twin):
            book.study.tell(trial.number, values, state=_STATES[as_state])
        crash_point("trial.told")
        return _row(self._stored.study.get_trials(deepcopy=False)[trial.number])

    @_explained
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
            study.add_trials(map(_by_score, own))
        return dict(optuna.importance.get_param_importances(study))

    def _report(self, book: "_Book", number: int, epochs: tuple[Epoch, ...]) -> None:
        """Report epochs to one objective: with several, Optuna holds a report for a mistake."""
        if not self.config.search.costs:
            book.report(number, epochs, self.config.search.score)

    def _fixed(self, number: int, kind: str, values: dict[str, Value]) -> Proposal:
        self._mirror().add(self.space, values, {})
        return Proposal(number, kind, values, self.space.candidate(values))

    def _sampled(self, number: int) -> Proposal:
        settings, twin = self.config.search.sampler, self._mirror()
        words = np.random.SeedSequence([self.config.seed, number]).generate_state(1)
        twin.study.sampler = SAMPLERS[settings.name](settings, int(words[0]))
        trial = twin.study.ask(distributions(self.space))
        assert trial.number == number
        kind = "model_based" if trial.relative_params else "random"
        return Proposal(number, kind, trial.params, self.space.candidate(trial.params))

    def _mirror(self) -> "_Book":
        if self._twin is None:
            storage = optuna.storages.InMemoryStorage()
            directions = self._stored.study.directions
            study = optuna.create_study(storage=storage, directions=directions)
            with self.database.read_as_ours(self.name):
                study.add_trials(self._stored.study.get_trials(deepcopy=False))
            self._twin = _Book(study, storage)
        return self._twin


class _Book:
    """A study together with the storage it is written to."""

    def __init__(self, study: optuna.Study, storage: optuna.storages.BaseStorage) -> None:
        self.study = study
        self.storage = storage
        self.study_id = storage.get_study_id_from_name(study.study_name)

    def add(
        self,
        space: SearchSpace,
        values: Mapping[str, Value],
        attributes: dict[str, Any],
        excess: Mapping[str, float] | None = None,
    ) -> None:
        trial = create_trial(
            state=TrialState.RUNNING,
            params=dict(values),
            distributions=distributions(space),
            user_attrs=attributes,
            constraints=dict(excess) if excess else None,
        )
        self.study.add_trial(trial)

    def constrain(self, number: int, excess: Mapping[str, float]) -> None:
        as_stored = create_trial(state=TrialState.FAIL, constraints=dict(excess))
        for key, value in as_stored.system_attrs.items():
            self.storage.set_trial_system_attr(self._id(number), key, value)

    def set_attribute(self, number: int, key: str, value: Any) -> None:
        self.storage.set_trial_user_attr(self._id(number), key, value)

    def report(self, number: int, epochs: tuple[Epoch, ...], objective: str) -> None:
        for epoch in epochs:
            value = getattr(epoch.measured, objective)
            self.storage.set_trial_intermediate_value(self._id(number), epoch.number, value)

    def _id(self, number: int) -> int:
        return self.storage.get_trial_id_from_study_id_trial_number(self.study_id, number)


def distributions(space: SearchSpace) -> dict[str, BaseDistribution]:
    """Return the dimensions of a space as Optuna writes them."""
    return {name: _distribution(d) for name, d in space.dimensions.items()}


def _distribution(dimension: Dimension) -> BaseDistribution:
    if isinstance(dimension, Choice):
        return CategoricalDistribution(dimension.values)
    if isinstance(dimension, IntegerRange):
        return IntDistribution(dimension.low, dimension.high, dimension.log, dimension.step)
    return FloatDistribution(dimension.low, dimension.high, dimension.log)


def _check(number: int, frozen: FrozenTrial, drawn_from: dict[str, BaseDistribution]) -> None:
    """Check what Optuna takes as it is stored."""
    if frozen.number != number:
        raise ValueError(f"trial {number} is missing, or there twice")
    if frozen.distributions != drawn_from:
        raise ValueError(f"trial {number} was drawn from another space")
    if not all(math.isfinite(value) for value in frozen.values or ()):
        raise ValueError(f"the value of trial {number} is no finite number")


def _by_score(frozen: FrozenTrial) -> FrozenTrial:
    """Return a complete trial as it would be if there were no second goal."""
    if len(frozen.values) == 1:
        return frozen
    values, distributions = frozen.values[:1], frozen.distributions
    return create_trial(values=values, params=frozen.params, distributions=distributions)


def _row(frozen: FrozenTrial) -> Trial:
    if frozen.datetime_start is None:
        raise ValueError(f"trial {frozen.number} never started")
    started_at = frozen.datetime_start.astimezone(UTC).isoformat(timespec="seconds")
    ended = frozen.state.is_finished()
    return Trial.from_attributes(frozen.number, frozen.user_attrs, started_at, ended=ended)
