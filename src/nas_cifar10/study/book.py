"""A study as Optuna keeps it, written to whole trials at a time; knows no driver and no sampler."""

import math
from collections.abc import Mapping
from datetime import UTC
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState, create_trial

from nas_cifar10.epochs import Epoch
from nas_cifar10.space.search_space import Choice, Dimension, IntegerRange, SearchSpace, Value
from nas_cifar10.study.rows import Trial


class Book:
    """A study together with the storage it is written to."""

    def __init__(self, study: optuna.Study, storage: optuna.storages.BaseStorage) -> None:
        """Know the study by its number, too."""
        self.study = study
        self.storage = storage
        self.study_id = storage.get_study_id_from_name(study.study_name)
        self._ids: dict[int, int] = {}  # a trial keeps its own, and each question is a transaction

    def add(
        self,
        drawn_from: dict[str, BaseDistribution],
        values: Mapping[str, Value],
        attributes: dict[str, Any],
        excess: Mapping[str, float] | None = None,
    ) -> None:
        """Store a running trial, in one commit."""
        trial = create_trial(
            state=TrialState.RUNNING,
            params=dict(values),
            distributions=drawn_from,
            user_attrs=attributes,
            constraints=dict(excess) if excess else None,
        )
        self.study.add_trial(trial)

    def constrain(self, number: int, excess: Mapping[str, float]) -> None:
        """Store by what share a trial's costs exceed their limits."""
        as_stored = create_trial(state=TrialState.FAIL, constraints=dict(excess))
        for key, value in as_stored.system_attrs.items():
            self.storage.set_trial_system_attr(self._id(number), key, value)

    def set_attribute(self, number: int, key: str, value: Any) -> None:
        """Store something beside a trial, in place of what was stored there."""
        self.storage.set_trial_user_attr(self._id(number), key, value)

    def report(self, number: int, epochs: tuple[Epoch, ...], objective: str) -> None:
        """Report what epochs reached; once more changes nothing."""
        for epoch in epochs:
            value = getattr(epoch.measured, objective)
            self.storage.set_trial_intermediate_value(self._id(number), epoch.number, value)

    def has(self, number: int) -> bool:
        """Say whether a trial is stored."""
        try:
            self._id(number)
        except KeyError:
            return False
        return True

    def trial(self, number: int) -> FrozenTrial:
        """Return one trial; reading all to get at one takes longer the more there are."""
        return self.storage.get_trial(self._id(number))

    def _id(self, number: int) -> int:
        if number not in self._ids:
            found = self.storage.get_trial_id_from_study_id_trial_number(self.study_id, number)
            self._ids[number] = found
        return self._ids[number]


def distributions(space: SearchSpace) -> dict[str, BaseDistribution]:
    """Return the dimensions of a space as Optuna writes them."""
    return {name: _distribution(d) for name, d in space.dimensions.items()}


def _distribution(dimension: Dimension) -> BaseDistribution:
    if isinstance(dimension, Choice):
        return CategoricalDistribution(dimension.values)
    if isinstance(dimension, IntegerRange):
        return IntDistribution(dimension.low, dimension.high, dimension.log, dimension.step)
    return FloatDistribution(dimension.low, dimension.high, dimension.log)


def check_stored(number: int, frozen: FrozenTrial, drawn_from: dict[str, BaseDistribution]) -> None:
    """Check what Optuna takes as it is stored."""
    if frozen.number != number:
        raise ValueError(f"trial {number} is missing, or there twice")
    if frozen.distributions != drawn_from:
        raise ValueError(f"trial {number} was drawn from another space")
    if not all(math.isfinite(value) for value in frozen.values or ()):
        raise ValueError(f"the value of trial {number} is no finite number")


def by_score(frozen: FrozenTrial) -> FrozenTrial:
    """Return a complete trial as it would be if there were no second goal."""
    if len(frozen.values) == 1:
        return frozen
    values, drawn_from = frozen.values[:1], frozen.distributions
    return create_trial(values=values, params=frozen.params, distributions=drawn_from)


def row(frozen: FrozenTrial) -> Trial:
    """Return a trial as a plain row."""
    if frozen.datetime_start is None:
        raise ValueError(f"trial {frozen.number} never started")
    started_at = frozen.datetime_start.astimezone(UTC).isoformat(timespec="seconds")
    ended = frozen.state.is_finished()
    return Trial.from_attributes(frozen.number, frozen.user_attrs, started_at, ended=ended)
