"""What a run found, all in one value, and what follows from it; knows neither files nor ink."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nas_cifar10.config.schema import Config
from nas_cifar10.described import Data, unmeasured_test
from nas_cifar10.report.parts import (
    Curve,
    Environment,
    History,
    Measured,
    Metrics,
    Model,
    Predictions,
    Samples,
    Search,
    Seeds,
    Shown,
    Spread,
    Trial,
    WholeLatency,
)
from nas_cifar10.report.parts_top import Top
from nas_cifar10.runs.asked import Asked
from nas_cifar10.space.search_space import Dimension, SearchSpace


@dataclass(frozen=True)
class Facts:
    """Everything figures and summary need; None is a part that is not written yet.

    Args:
        curves: By trial number.
        asked: What the retrain was, once it was begun.
        at_work: Another process works on the run at this moment.
        study: The database and the name of the study that the report was asked for by, if it was.
    """

    folder: Path
    config: Config | None
    environment: Environment | None
    data: Data | None
    samples: Samples | None
    search: Search | None
    trials: tuple[Trial, ...] | None
    curves: Mapping[int, Curve] | None
    history: History | None
    metrics: Metrics | None
    model: Model | None
    predictions: Predictions | None
    shown: Shown | None
    seeds: Seeds | None = None
    top: Top | None = None
    asked: Asked | None = None
    at_work: bool = False
    study: tuple[str, str] | None = None

    @property
    def name(self) -> str:
        """What the run is called."""
        return self.config.name if self.config else self.folder.name

    @property
    def is_blind(self) -> bool:
        """Say whether a whole search was proposed without a look at what any trial reached."""
        if self.search is None:
            return False
        counts = self.search.trials
        guided = counts.model_based or counts.local or not counts.random
        return counts.ended == counts.requested and not guided

    @property
    def is_enumerated(self) -> bool:
        """Say whether trials are asked in the space's order, without any chance."""
        return self.config is not None and self.config.search.sampler.name == "exhaustive"

    @property
    def has_chosen(self) -> bool:
        """Say whether the best was one of several: only then does what chose it flatter it."""
        counts = self.search.trials if self.search else None
        return counts is not None and counts.complete + counts.pruned > 1

    @property
    def is_retrained(self) -> bool:
        """Say whether there is a measurement, and nothing else that was asked for is missing."""
        return self.metrics is not None and (self.asked is None or self.asked.complete)

    @property
    def measured(self) -> Measured | None:
        """What the retrained network is worth, where it was measured."""
        return self.metrics.measured if self.metrics else None

    @property
    def over_seeds(self) -> tuple[int, Spread] | None:
        """How many seeds were retrained and what their accuracies are, where it was measured."""
        if self.seeds is None or self.seeds.accuracy is None:
            return None
        return self.seeds.n, self.seeds.accuracy

    @property
    def other_retrained(self) -> int | None:
        """Which trial was retrained, where that is not the best."""
        best = self.search.best if self.search else None
        if self.metrics is None or best is None or self.metrics.trial == best.trial:
            return None
        return self.metrics.trial

    @property
    def unmeasured_test(self) -> str:
        """What became of a test set on which nothing was measured at the end."""
        return unmeasured_test(self.history.monitor if self.history else None)

    @property
    def objective(self) -> str:
        """What the search maximises, in words."""
        f1 = self.config is not None and self.config.search.score == "macro_f1"
        return "macro F1" if f1 else "accuracy"

    @property
    def costs(self) -> tuple[str, ...]:
        """The fields of a trial that the search minimises; none where it has one objective."""
        return self.config.search.costs if self.config else ()

    @property
    def is_timed(self) -> bool:
        """Whether trials have a latency."""
        return self.config is not None and "latency_ms" in self.config.search.watched

    @property
    def best_latency(self) -> WholeLatency | None:
        """How long the best network takes, where it is the one that was timed whole."""
        timed, best = (self.search.latency_ms, self.search.best) if self.search else (None, None)
        return timed if timed and best and timed.trial == best.trial else None

    @property
    def front(self) -> tuple[Trial, ...]:
        """The complete trials that no other beats in all that is sought, the cheapest first."""
        found = [trial for trial in self.complete if trial.pareto]
        return tuple(sorted(found, key=lambda trial: (_costs(trial, self.costs), trial.number)))

    @property
    def num_requested(self) -> int:
        """How many trials the search has when it is done."""
        if self.search is not None:
            return self.search.trials.requested
        return self.config.search.trials if self.config else len(self.trials or ())

    @property
    def complete(self) -> tuple[Trial, ...]:
        """The trials trained to the end; only they can be the best."""
        trials = self.trials or ()
        return tuple(t for t in trials if t.state == "complete" and t.objective is not None)

    @property
    def trained(self) -> tuple[Trial, ...]:
        """The trials that ended with a value of their own, at the end or early."""
        trials, ended = self.trials or (), {"complete", "pruned"}
        return tuple(t for t in trials if t.state in ended and t.objective is not None)

    @property
    def visible_curves(self) -> dict[int, Curve]:
        """The curves with a value to draw, by trial number."""
        curves = (self.curves or {}).items()
        return {number: curve for number, curve in curves if np.isfinite(curve.values).any()}

    def order(self, trial: Trial) -> tuple[float, ...]:
        """Put complete trials in order: by the objective, of equals the cheapest, then the first.

        What is cheap counts only where the search looks for it.
        """
        return -_objective(trial), *_costs(trial, self.costs), trial.number

    @property
    def best(self) -> Trial | None:
        """The first of the complete trials in this order."""
        return min(self.complete, key=self.order, default=None)

    def best_so_far(self) -> list[tuple[int, float]]:
        """Return each complete trial that beat all before it, with its objective."""
        found: list[tuple[int, float]] = []
        for trial in self.complete:
            if not found or _objective(trial) > found[-1][1]:
                found.append((trial.number, _objective(trial)))
        return found

    @functools.cached_property
    def space(self) -> SearchSpace | None:
        """What was searched."""
        return SearchSpace.from_config(self.config.space) if self.config else None

    @property
    def dimensions(self) -> Mapping[str, Dimension]:
        """What was searched, by name; empty where the config is missing."""
        return self.space.dimensions if self.space else {}


def _costs(trial: Trial, fields: tuple[str, ...]) -> tuple[float, ...]:
    return tuple(getattr(trial, field) for field in fields)


def _objective(trial: Trial) -> float:
    assert trial.objective is not None, "a complete trial has one"
    return trial.objective
