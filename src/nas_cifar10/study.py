"""The only file that imports optuna: samplers, storage, and a study as plain rows for anybody.

A trial is drawn in an in-memory twin of the study and then stored whole, in one commit, so that
no trial with half its values can be left behind. Each draw uses a new sampler seeded from (seed,
trial number): samplers keep no state, and a resumed study goes on as if it had never stopped.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import optuna
import sqlalchemy
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState, create_trial

from nas_cifar10 import config_file
from nas_cifar10.config import SamplerConfig
from nas_cifar10.database import Database
from nas_cifar10.epochs import Epoch
from nas_cifar10.errors import (
    BadDataError,
    CannotCreateError,
    ConfigError,
    MissingInputError,
    StorageError,
)
from nas_cifar10.space.candidate import Candidate
from nas_cifar10.space.search_space import Choice, Dimension, IntegerRange, SearchSpace, Value
from nas_cifar10.study_rows import Clock, Facts, Proposal, Trial

optuna.logging.set_verbosity(optuna.logging.WARNING)

_FACTS = "nas_cifar10"  # one attribute: a study has all its facts or none
_CLOCK = "nas_cifar10_clock"
_STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}


SAMPLERS: dict[str, Callable[[SamplerConfig, int], optuna.samplers.BaseSampler]] = {
    "tpe": lambda settings, seed: optuna.samplers.TPESampler(
        n_startup_trials=settings.startup_trials, seed=seed
    ),
    "random": lambda settings, seed: optuna.samplers.RandomSampler(seed=seed),
}


class Study:
    """An open study; only its driver may change it. Made by `create_study` or `open_study`."""

    def __init__(self, stored: optuna.Study, storage: optuna.storages.RDBStorage) -> None:
        """Read the facts of a study of ours."""
        self._stored = _Book(stored, storage)
        self._twin: _Book | None = None
        self.name = stored.study_name
        self.facts = Facts(**stored.user_attrs[_FACTS])
        self.config = config_file.from_plain(self.facts.config)
        self.space = SearchSpace.from_config(self.config.space)

    @property
    def clock(self) -> Clock:
        """How long the search has run."""
        return Clock(**self._stored.study.user_attrs.get(_CLOCK, {}))

    @clock.setter
    def clock(self, clock: Clock) -> None:
        self._stored.study.set_user_attr(_CLOCK, asdict(clock))

    def replace_config(self, config: dict[str, Any]) -> None:
        """Store another config; which keys may differ is the caller's business."""
        self.facts = replace(self.facts, config=config)
        self._stored.study.set_user_attr(_FACTS, asdict(self.facts))
        self.config = config_file.from_plain(config)

    def trials(self) -> list[Trial]:
        """Return every trial, by number."""
        return [_row(frozen) for frozen in self._stored.study.get_trials(deepcopy=False)]

    def propose(self, number: int) -> Proposal:
        """Draw the candidate of the next trial, which will have this number."""
        baseline, sampler = self.config.search.baseline, self.config.search.sampler.name
        if baseline is not None and number == 0:
            return self._fixed(number, "baseline", Candidate.from_json(baseline.model_dump()))
        if sampler == "exhaustive":
            place = (number - (baseline is not None)) % int(self.space.size())
            candidate = next(itertools.islice(self.space.enumerate(), place, None))
            return self._fixed(number, "random", candidate)
        return self._sampled(number)

    def add(self, proposal: Proposal, parameters: int, macs: int, repeats: int | None) -> Trial:
        """Store a proposal as a running trial, in one commit."""
        attributes = {
            "candidate": proposal.candidate.to_json(),
            "kind": proposal.kind,
            "parameters": parameters,
            "macs": macs,
            "repeats": repeats,
        }
        self._stored.add(self.space, proposal.values, attributes)
        frozen = self._stored.study.get_trials(deepcopy=False)[-1]
        assert frozen.number == proposal.number
        return _row(frozen)

    def set_epochs(self, trial: Trial, epochs: tuple[Epoch, ...]) -> Trial:
        """Store all epochs of a running trial, and report those that are new."""
        values = [epoch.to_json() for epoch in epochs]
        self._stored.set_attribute(trial.number, "epochs", values)
        new = epochs[len(trial.epochs) :]
        self._stored.report(trial.number, new, self.config.search.objective)
        return replace(trial, epochs=epochs)

    def end(
        self, trial: Trial, state: str, reason: str, as_state: str, value: float | None
    ) -> Trial:
        """Tell the study how a trial ended.

        Args:
            state: complete, pruned, failed, infeasible or repeated, as people read it.
            as_state: complete, pruned or failed, as the sampler learns from it.
            value: The objective, where `as_state` is complete.
        """
        self._stored.set_attribute(trial.number, "outcome", {"state": state, "reason": reason})
        twin = self._mirror()
        twin.report(trial.number, trial.epochs, self.config.search.objective)
        for book in (self._stored, twin):
            book.study.tell(trial.number, value, state=_STATES[as_state])
        return _row(self._stored.study.get_trials(deepcopy=False)[trial.number])

    def importances(self) -> dict[str, float]:
        """Return how much each dimension matters (PED-ANOVA, arXiv 2304.10255), largest first.

        Over complete trials that repeat no other; empty where fewer than two values differ.
        """
        trials = self._stored.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        own = [trial for trial in trials if trial.user_attrs.get("repeats") is None]
        if len({trial.value for trial in own}) < 2 or not self.space.dimensions:
            return {}
        study = optuna.create_study(direction="maximize")
        study.add_trials(own)
        return dict(optuna.importance.get_param_importances(study))

    def _fixed(self, number: int, kind: str, candidate: Candidate) -> Proposal:
        values = self.space.values(candidate)
        self._mirror().add(self.space, values, {})
        return Proposal(number, kind, values, candidate)

    def _sampled(self, number: int) -> Proposal:
        settings, twin = self.config.search.sampler, self._mirror()
        words = np.random.SeedSequence([self.config.seed, number]).generate_state(1)
        twin.study.sampler = SAMPLERS[settings.name](settings, int(words[0]))
        trial = twin.study.ask()
        assert trial.number == number
        for name, dimension in self.space.dimensions.items():
            _suggest(trial, name, dimension)
        kind = "model_based" if trial.relative_params else "random"
        return Proposal(number, kind, trial.params, self.space.candidate(trial.params))

    def _mirror(self) -> "_Book":
        if self._twin is None:
            storage = optuna.storages.InMemoryStorage()
            study = optuna.create_study(storage=storage, direction="maximize")
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
        self, space: SearchSpace, values: Mapping[str, Value], attributes: dict[str, Any]
    ) -> None:
        distributions = {name: _distribution(d) for name, d in space.dimensions.items()}
        self.study.add_trial(
            create_trial(
                state=TrialState.RUNNING,
                params=dict(values),
                distributions=distributions,
                user_attrs=attributes,
            )
        )

    def set_attribute(self, number: int, key: str, value: Any) -> None:
        self.storage.set_trial_user_attr(self._id(number), key, value)

    def report(self, number: int, epochs: tuple[Epoch, ...], objective: str) -> None:
        for epoch in epochs:
            value = getattr(epoch.measured, objective)
            self.storage.set_trial_intermediate_value(self._id(number), epoch.number, value)

    def _id(self, number: int) -> int:
        return self.storage.get_trial_id_from_study_id_trial_number(self.study_id, number)


def _distribution(dimension: Dimension) -> BaseDistribution:
    if isinstance(dimension, Choice):
        return CategoricalDistribution(dimension.values)
    if isinstance(dimension, IntegerRange):
        return IntDistribution(dimension.low, dimension.high, dimension.log, dimension.step)
    return FloatDistribution(dimension.low, dimension.high, dimension.log)


def _suggest(trial: optuna.Trial, name: str, dimension: Dimension) -> None:
    if isinstance(dimension, Choice):
        trial.suggest_categorical(name, dimension.values)
    elif isinstance(dimension, IntegerRange):
        low, high = dimension.low, dimension.high
        trial.suggest_int(name, low, high, step=dimension.step, log=dimension.log)
    else:
        trial.suggest_float(name, dimension.low, dimension.high, log=dimension.log)


def _row(frozen: FrozenTrial) -> Trial:
    stored = frozen.user_attrs
    outcome = stored.get("outcome", {}) if frozen.state.is_finished() else {}
    assert frozen.datetime_start is not None
    duration = frozen.duration
    return Trial(
        number=frozen.number,
        state=outcome.get("state", "running"),
        reason=outcome.get("reason", ""),
        kind=stored["kind"],
        candidate=Candidate.from_json(stored["candidate"]),
        parameters=stored["parameters"],
        macs=stored["macs"],
        repeats=stored["repeats"],
        epochs=tuple(Epoch.from_json(values) for values in stored.get("epochs", ())),
        started_at=_utc(frozen.datetime_start),
        seconds=None if duration is None else duration.total_seconds(),
    )


def _utc(local: datetime) -> str:
    return local.astimezone(UTC).isoformat(timespec="seconds")


def create_study(database: Database, name: str, facts: Facts) -> Study:
    """Create a study, with its facts, in one database.

    Raises:
        CannotCreateError: the database holds a study of this name.
        StorageError: the database cannot be reached or written.
    """
    with _explained(database):
        storage = _storage(database)
        names = optuna.get_all_study_names(storage)
        # A study without facts and trials is one whose creation was cut off.
        study = optuna.create_study(
            storage=storage, study_name=name, direction="maximize", load_if_exists=name in names
        )
        if _FACTS in study.user_attrs or study.get_trials(deepcopy=False):
            raise CannotCreateError(
                f"{database}: already holds a study {name!r}; go on with --resume, replace it with "
                f"--overwrite, or choose another name with --study"
            )
        study.set_user_attr(_FACTS, asdict(facts))
        return Study(study, storage)


def find_study(database: Database, name: str | None) -> Study | None:
    """Open a study if it is there.

    Args:
        name: None: the only one.

    Raises:
        ConfigError: several studies are there and none was named.
        BadDataError: the database holds no studies, or this one is not ours.
        StorageError: the database cannot be reached or read.
    """
    if database.path is not None and not database.path.exists():
        return None
    database.check_is_study()
    with _explained(database):
        storage = _storage(database)
        names = optuna.get_all_study_names(storage)
        if name is None:
            if len(names) > 1:
                listed = ", ".join(map(repr, sorted(names)))
                raise ConfigError(
                    f"{database}: holds several studies; choose with --study: {listed}"
                )
            name = names[0] if names else ""
        if name not in names:
            return None
        study = optuna.load_study(storage=storage, study_name=name)
        if _FACTS not in study.user_attrs:
            if not study.get_trials(deepcopy=False):
                return None
            raise BadDataError(f"{database}: study {name!r} was not made by this tool")
        return Study(study, storage)


def open_study(database: Database, name: str | None) -> Study:
    """Open a study that must be there.

    Raises:
        MissingInputError: it is not; otherwise as `find_study`.
    """
    if database.path is not None and not database.path.exists():
        raise MissingInputError(f"{database}: no such study database")
    study = find_study(database, name)
    if study is None:
        raise MissingInputError(f"{database}: holds no study {name or ''}".rstrip())
    return study


def delete_study(database: Database, name: str) -> None:
    """Remove a study and its trials from a database, if they are there."""
    if database.path is not None and not database.path.exists():
        return
    database.check_is_study()
    with _explained(database):
        storage = _storage(database)
        if name in optuna.get_all_study_names(storage):
            optuna.delete_study(storage=storage, study_name=name)


def _storage(database: Database) -> optuna.storages.RDBStorage:
    url, arguments = database.engine()
    return optuna.storages.RDBStorage(url, engine_kwargs=arguments)


@contextmanager
def _explained(database: Database) -> Iterator[None]:
    """Turn what a database driver raises into one line without its password."""
    try:
        yield
    except ImportError as error:
        raise ConfigError(f"{database}: its driver is not installed: {error.name}") from None
    except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        driver_error = getattr(error, "orig", None) or getattr(error.__cause__, "orig", None)
        reason = str(driver_error or type(error).__name__).splitlines()[0]
        raise StorageError(f"{database}: cannot be used: {reason}") from None
