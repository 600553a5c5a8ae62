"""The parts a run's facts consist of, as plain checked values; knows no file and no ink."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self, TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, BeforeValidator, Field, InstanceOf, model_validator
from pydantic.dataclasses import dataclass as checked

from nas_cifar10.described import Count, Share
from nas_cifar10.space.candidate import Architecture, Candidate
from nas_cifar10.space.cost import Layer

Numbers: TypeAlias = npt.NDArray[np.float64]
Finite: TypeAlias = Annotated[float, Field(allow_inf_nan=False)]
Time: TypeAlias = Annotated[float, Field(ge=0, allow_inf_nan=False)]
# Interrupted is what runs in the study, where nobody goes on with it.
State: TypeAlias = Literal[
    "complete", "pruned", "failed", "infeasible", "repeated", "running", "interrupted"
]
Kind: TypeAlias = Literal["random", "model_based", "local", "baseline"]


def _architecture(values: Any) -> Architecture:
    return Candidate.from_json({"architecture": values}).architecture


@checked(frozen=True)
class Environment:
    """Where and how the numbers came about."""

    precision: str | None = None
    threads: int | None = None
    device: str | None = None
    processor: str | None = None
    workers: int | None = None
    commit: str | None = None
    started_at: str | None = None
    resumed_at: tuple[str, ...] = ()
    versions: dict[str, str | None] = Field(default_factory=dict)
    machine: dict[str, str] = Field(default_factory=dict)


@dataclass(frozen=True)
class Samples:
    """A few training pictures: images (n, H, W, C) uint8, C 1 or 3; labels (n,)."""

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Predictions:
    """What the retrained network said of each measured picture.

    Args:
        probabilities: (N, classes) float64; rows sum to one.
        labels: (N,).
    """

    probabilities: Numbers
    labels: npt.NDArray[np.int64]
    class_names: tuple[str, ...]


@dataclass(frozen=True)
class Shown:
    """Some of the measured pictures: images (n, H, W, C) uint8; rows (n,) of `Predictions`."""

    images: npt.NDArray[np.uint8]
    rows: npt.NDArray[np.int64]


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
    local: Count = 0  # runs from before there was a local search have none

    @property
    def ended(self) -> int:
        """How many are no longer running."""
        return self.complete + self.pruned + self.failed + self.infeasible + self.repeated


def _with_sides(layer: Layer) -> Layer:
    if min(layer.shape, default=0) < 1:
        raise ValueError(f"shape {layer.shape} has a side below 1")
    return layer


ReadLayer: TypeAlias = Annotated[Layer, AfterValidator(_with_sides)]


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
class OnFront:
    """A trial that no other beats in all that was sought."""

    trial: Count
    validation_accuracy: Share
    parameters: Count
    macs: Count
    latency_ms: Time | None = None
    validation_macro_f1: Share | None = None

    @property
    def score(self) -> float:
        """What was maximised."""
        f1 = self.validation_macro_f1
        return self.validation_accuracy if f1 is None else f1


@checked(frozen=True)
class WholeLatency:
    """How long the best network takes for one picture: timed whole, and by the table of parts."""

    trial: Count
    table: Time
    measured: Time

    @property
    def error(self) -> float:
        """By what share of the measured time the table is above it."""
        return self.table / self.measured - 1 if self.measured else 0.0


@checked(frozen=True)
class Search:
    """What search.json holds.

    Args:
        front: The most accurate first; empty where there is one objective.
        latency_ms: Where the search had a table of latencies.
    """

    trials: TrialCounts
    epochs: EpochCounts
    seconds: Finite
    stopped: str | None
    importances: dict[str, Finite]
    network: tuple[ReadLayer, ...]
    best: Found | None
    baseline: Found | None
    front: tuple[OnFront, ...] = ()
    latency_ms: WholeLatency | None = None


@checked(frozen=True)
class Trial:
    """One trial.

    Args:
        objective: What the search maximises, at the trial's last epoch.
        pareto: Whether it is on the front; where there is one objective, none is.
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
    latency_ms: Time | None = None
    pareto: bool = False


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
class Spread:
    """What several seeds reached: mean and sample standard deviation."""

    mean: Finite
    sd: Finite


@checked(frozen=True)
class Seeds:
    """What retrain/summary.json holds: how much chance is in a retrain's accuracy."""

    n: Count
    test_accuracy: Spread | None = None
    validation_accuracy: Spread | None = None

    @property
    def accuracy(self) -> Spread | None:
        """On the part that was measured."""
        return self.test_accuracy or self.validation_accuracy


@checked(frozen=True)
class Views:
    """What the mean over several views of each picture is worth, beside the plain numbers."""

    views: str
    number: Count
    accuracy: Share
    accuracy_ci95: tuple[Share, Share]


@checked(frozen=True)
class Measured:
    """What the retrained network is worth on the part that was measured.

    Args:
        confusion_matrix: One row a true class, in the order of `per_class`.
    """

    part: Literal["test", "validation"]
    scores: Scores
    per_class: dict[str, ClassScores]
    confusion_matrix: tuple[tuple[Count, ...], ...]

    @property
    def num_pictures(self) -> int:
        """How many were measured."""
        return sum(sum(row) for row in self.confusion_matrix)

    @model_validator(mode="after")
    def _square(self) -> Self:
        sides = {len(self.confusion_matrix), *map(len, self.confusion_matrix)}
        if not self.per_class or sides != {len(self.per_class)}:
            raise ValueError("per_class and confusion_matrix do not have the same classes")
        return self


@checked(frozen=True)
class Metrics:
    """What metrics.json holds."""

    measured: Measured | None
    epochs: Count
    parameters: Count
    macs: Count
    seconds: Finite
    trial: Count
    test_views: Views | None = None


@checked(frozen=True)
class Model:
    """What model.json says of the retrained network."""

    architecture: Annotated[InstanceOf[Architecture], BeforeValidator(_architecture)]
    layers: tuple[ReadLayer, ...]
    provenance: dict[str, Any]


def finite_or_nan(values: Any) -> Numbers:
    """Return numbers with infinities as NaN, which no figure draws."""
    numbers = np.asarray(values, dtype=np.float64)
    return np.where(np.isfinite(numbers), numbers, np.nan)
