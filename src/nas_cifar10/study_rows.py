"""A study as plain rows: what is fixed, what runs, what came out; knows no database."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nas_cifar10.epochs import Epoch
from nas_cifar10.space.candidate import Candidate
from nas_cifar10.space.cost import Layer
from nas_cifar10.space.search_space import Value


@dataclass(frozen=True)
class Facts:
    """What is fixed when a study is created, as JSON-ready values.

    Args:
        config: The resolved config.
        resolved: Number format, threads and device, decided once.
        data: What data.json holds.
    """

    config: dict[str, Any]
    resolved: dict[str, Any]
    data: dict[str, Any]


@dataclass(frozen=True)
class Clock:
    """How long the search has run in all, and why it stopped before its last trial, if it did."""

    seconds: float = 0.0
    stopped: str | None = None


@dataclass(frozen=True)
class Trial:
    """One trial as a plain row.

    Args:
        state: running, complete, pruned, failed, infeasible or repeated.
        reason: Why it failed, or which trial it repeats.
        kind: random (drawn without a model), model_based or baseline.
        repeats: The number of an earlier trial with the same candidate.
    """

    number: int
    state: str
    reason: str
    kind: str
    candidate: Candidate
    parameters: int
    macs: int
    layers: tuple[Layer, ...]
    repeats: int | None
    epochs: tuple[Epoch, ...]
    started_at: str

    @classmethod
    def from_attributes(
        cls, number: int, stored: Mapping[str, Any], started_at: str, *, ended: bool
    ) -> "Trial":
        """Put a row together from what the study keeps beside a trial.

        Args:
            ended: An outcome counts only then: it is stored a moment before the trial ends.
        """
        outcome = stored["outcome"] if ended else {"state": "running", "reason": ""}
        return cls(
            number=number,
            **outcome,
            kind=stored["kind"],
            candidate=Candidate.from_json(stored["candidate"]),
            parameters=stored["parameters"],
            macs=stored["macs"],
            layers=tuple(Layer.from_json(values) for values in stored["layers"]),
            repeats=stored["repeats"],
            epochs=tuple(Epoch.from_json(values) for values in stored.get("epochs", ())),
            started_at=started_at,
        )


@dataclass(frozen=True)
class Proposal:
    """A drawn candidate that is not stored yet."""

    number: int
    kind: str
    values: Mapping[str, Value]
    candidate: Candidate
