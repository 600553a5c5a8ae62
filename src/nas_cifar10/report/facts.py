"""What a run found, as plain values, and what follows from them; knows neither files nor ink."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import BeforeValidator, Field, InstanceOf, model_validator
from pydantic.dataclasses import dataclass as checked

from nas_cifar10.config import Config
from nas_cifar10.space.candidate import Candidate
from nas_cifar10.space.search_space import Dimension, SearchSpace

Numbers: TypeAlias = npt.NDArray[np.float64]
Count: TypeAlias = Annotated[int, Field(ge=0)]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Finite: TypeAlias = Annotated[float, Field(allow_inf_nan=False)]
State: TypeAlias = Literal["complete", "pruned", "failed", "infeasible", "repeated", "running"]
Kind: TypeAlias = Literal["random", "model_based", "baseline"]

PARTS = ("all", "train", "validation", "test")


@checked(frozen=True)
class Environment:
    """Where and how the numbers came about."""

    precision: str | None = None
    threads: int | None = None
    device: str | None = None


@checked(frozen=True)
class Data:
    """The pictures: how many of each class in each part, and what was noticed.

    Args:
        pictures: By part (all, train, validation, test), then by class.
    """

    class_names: tuple[str, ...]
    pictures: dict[str, dict[str, Count]]
    totals: dict[str, Count]
    majority_accuracy: dict[str, Share]
    duplicates: dict[str, Count]
    skipped: Count
    ignored: Count

    @model_validator(mode="after")
    def _whole(self) -> Self:
        for part in PARTS:
            if set(self.pictures.get(part, ())) != set(self.class_names):
                raise ValueError(f"pictures.{part} does not count every class")
            if part not in self.totals:
                raise ValueError(f"totals.{part} is missing")
        return self


@dataclass(frozen=True)
class Samples:
    """A few training pictures: images (n, H, W, C) uint8, C 1 or 3; labels (n,)."""

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]


@checked(frozen=True)
class TrialCounts:
    """How many trials were asked for, how they ended, and who proposed them."""

    requested: Count
    complete: Count
    pruned: Count
    failed: Count
    infeasible: Count
    repeated: Count
    random: Count
    model_based: Count
    baseline: Count

    @property
    def ended(self) -> int:
        """How many are no longer running."""
        return self.complete + self.pruned + self.failed + self.infeasible + self.repeated


@checked(frozen=True)
class EpochCounts:
    """Epochs trained, and what training every trial to the end would take."""

    trained: Count
    full_budget: Count


@checked(frozen=True)
class Found:
    """One candidate with its cost and what it reached."""

    trial: Count
    validation_accuracy: Share | None
    parameters: Count
    macs: Count
    candidate: Annotated[InstanceOf[Candidate], BeforeValidator(Candidate.from_json)]


@checked(frozen=True)
class Search:
    """What search.json holds."""

    trials: TrialCounts
    epochs: EpochCounts
    seconds: Finite
    stopped: str | None
    importances: dict[str, Finite]
    best: Found | None
    baseline: Found | None


@checked(frozen=True)
class Trial:
    """One trial.

    Args:
        objective: What the search maximises, at the trial's last epoch.
        values: The searched values its network depends on.
    """

    number: Count
    state: State
    reason: str
    kind: Kind
    validation_accuracy: Share | None
    objective: Share | None
    epochs: Count
    parameters: Count | None
    macs: Count | None
    values: dict[str, Finite]


@dataclass(frozen=True)
class Curve:
    """The objective of one trial: epochs (n,) from 1 up; values (n,)."""

    epochs: npt.NDArray[np.int64]
    values: Numbers


@dataclass(frozen=True)
class History:
    """The retrain, epoch by epoch.

    Args:
        monitor: The part measured beside training: test, validation, or None.
        series: `train_loss`, `test_auc` and so on, each (n,); what is blank or infinite is NaN.
    """

    epochs: npt.NDArray[np.int64]
    monitor: str | None
    series: Mapping[str, Numbers]


@checked(frozen=True)
class Scores:
    """What the retrained network is worth on one part."""

    accuracy: Share
    accuracy_ci95: tuple[Share, Share]
    majority_accuracy: Share
    loss: Finite
    macro_precision: Share
    macro_recall: Share
    macro_f1: Share
    auc_ovr_macro: Share | None


@checked(frozen=True)
class ClassScores:
    """What it is worth on one class."""

    precision: Share
    recall: Share
    f1: Share
    support: Count


@checked(frozen=True)
class Metrics:
    """What metrics.json holds.

    Args:
        part: The part that was measured: test, validation, or None.
        confusion_matrix: One row a true class, in the order of `per_class`.
    """

    part: Literal["test", "validation"] | None
    scores: Scores | None
    epochs: Count
    parameters: Count
    macs: Count
    seconds: Finite
    trial: Count
    per_class: dict[str, ClassScores] | None = None
    confusion_matrix: tuple[tuple[Count, ...], ...] | None = None

    @model_validator(mode="after")
    def _square(self) -> Self:
        if self.part is not None:
            sides = {len(row) for row in self.confusion_matrix or ()}
            if not self.per_class or sides | {len(self.confusion_matrix or ())} != {
                len(self.per_class)
            }:
                raise ValueError("per_class and confusion_matrix do not have the same classes")
        return self


@dataclass(frozen=True)
class Facts:
    """Everything figures and summary need; None is a part that is not written yet.

    Args:
        curves: By trial number.
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

    @property
    def name(self) -> str:
        """What the run is called."""
        return self.config.name if self.config else self.folder.name

    @property
    def objective(self) -> str:
        """What the search maximises, in words."""
        f1 = self.config is not None and self.config.search.objective == "macro_f1"
        return "macro F1" if f1 else "accuracy"

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
    def best(self) -> Trial | None:
        """The complete trial with the highest objective; of equals, the first."""
        ranked = sorted(self.complete, key=lambda trial: (-_objective(trial), trial.number))
        return ranked[0] if ranked else None

    def best_so_far(self) -> list[tuple[int, float]]:
        """Return each complete trial that beat all before it, with its objective."""
        found: list[tuple[int, float]] = []
        for trial in self.complete:
            if not found or _objective(trial) > found[-1][1]:
                found.append((trial.number, _objective(trial)))
        return found

    @property
    def space(self) -> SearchSpace | None:
        """What was searched."""
        return SearchSpace.from_config(self.config.space) if self.config else None

    @property
    def dimensions(self) -> Mapping[str, Dimension]:
        """What was searched, by name; empty where the config is missing."""
        return self.space.dimensions if self.space else {}


def _objective(trial: Trial) -> float:
    assert trial.objective is not None, "a complete trial has one"
    return trial.objective


def finite_or_nan(values: Any) -> Numbers:
    """Return numbers with infinities as NaN, which no figure draws."""
    numbers = np.asarray(values, dtype=np.float64)
    return np.where(np.isfinite(numbers), numbers, np.nan)
