"""A study as plain rows: what is fixed, what runs, what came out; knows no database.

What is read back is checked: a database is a file like any other, and anybody can send one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, Field, TypeAdapter

from nas_cifar10.described import Count, Data
from nas_cifar10.epochs import Epoch, Finite, in_order
from nas_cifar10.space.candidate import Candidate
from nas_cifar10.space.cost import Layer
from nas_cifar10.space.search_space import Value

Milliseconds: TypeAlias = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Threads: TypeAlias = Annotated[int, Field(ge=1, le=1024)]
State: TypeAlias = Literal["running", "complete", "pruned", "failed", "infeasible", "repeated"]
Kind: TypeAlias = Literal["random", "model_based", "local", "baseline"]


class _Latencies(BaseModel):
    parts_ms: dict[str, Milliseconds]


class _Resolved(BaseModel):
    device: Literal["cpu", "cuda", "mps"]
    precision: Literal["fp32", "bf16"]
    threads: Threads
    retrain_threads: Threads
    latency: _Latencies | None = None


class _Stored(BaseModel):
    """What has to be known again of a study's facts; the rest is for people."""

    config: dict[str, Any]
    resolved: _Resolved
    data: Data


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

    @classmethod
    def from_json(cls, values: Any) -> "Facts":
        """Read what was stored.

        Raises:
            ValueError: it is something else.
        """
        _Stored.model_validate(values)
        return cls(values["config"], values["resolved"], values["data"])

    @property
    def shape(self) -> tuple[int, int, int]:
        """C, H, W of a picture."""
        channels, height, width = self.data["shape"]
        return channels, height, width

    @property
    def num_classes(self) -> int:
        """How many classes the pictures have."""
        return len(self.data["class_names"])


@dataclass(frozen=True)
class Clock:
    """How long the search has run in all, and why it stopped before its last trial, if it did."""

    seconds: Finite = 0.0
    stopped: str | None = None

    @classmethod
    def from_json(cls, values: Any) -> "Clock":
        """Read what was stored.

        Raises:
            ValueError: it is something else.
        """
        return _CLOCK.validate_python(values)


@dataclass(frozen=True)
class WholeLatency:
    """How long the best network takes for one picture: timed whole, and by the table of parts."""

    trial: Count
    table: Milliseconds
    measured: Milliseconds

    @classmethod
    def from_json(cls, values: Any) -> "WholeLatency":
        """Read what was stored.

        Raises:
            ValueError: it is something else.
        """
        return _WHOLE.validate_python(values)


@dataclass(frozen=True)
class Trial:
    """One trial as a plain row.

    Args:
        state: running, complete, pruned, failed, infeasible or repeated.
        reason: Why it failed or was refused, or which trial it repeats.
        kind: random (drawn without a model), model_based, local (beside the best) or baseline.
        repeats: The number of an earlier trial with the same candidate.
        latency_ms: By the study's table of parts, where it has one.
    """

    number: int
    state: State
    reason: str
    kind: Kind
    candidate: Candidate
    parameters: Count
    macs: Count
    layers: tuple[Layer, ...]
    repeats: Count | None
    epochs: tuple[Epoch, ...]
    started_at: str
    latency_ms: Milliseconds | None = None

    @classmethod
    def from_attributes(
        cls, number: int, stored: Mapping[str, Any], started_at: str, *, ended: bool
    ) -> "Trial":
        """Put a row together from what the study keeps beside a trial.

        Args:
            ended: An outcome counts only then: it is stored a moment before the trial ends.

        Raises:
            ValueError: what is kept is something else.
        """
        outcome = stored["outcome"] if ended else {"state": "running", "reason": ""}
        names = ("kind", "parameters", "macs", "layers", "repeats")
        return _TRIAL.validate_python(
            {
                **outcome,
                **{name: stored[name] for name in names},
                "number": number,
                "candidate": Candidate.from_json(stored["candidate"]),
                "epochs": in_order(stored.get("epochs", ())),
                "started_at": started_at,
                "latency_ms": stored.get("latency_ms"),
            }
        )

    def costs(self, fields: Sequence[str]) -> tuple[float, ...]:
        """Return what is minimised, by the names of `SearchConfig.costs`."""
        return tuple(getattr(self, field) for field in fields)

    def check(self, before: Sequence["Trial"], epochs: int, watched: Sequence[str] = ()) -> None:
        """Check what whoever reads a study relies on.

        Args:
            before: At least the trials of smaller numbers.
            epochs: At most so many.
            watched: What the search minimises or limits.

        Raises:
            ValueError: it does not hold.
        """
        if self.repeats is not None:
            if self.repeats >= self.number:
                raise ValueError(f"trial {self.number} repeats a later one")
            if before[self.repeats].state in ("infeasible", "repeated"):
                raise ValueError(f"trial {self.number} repeats one that was not trained")
        if len(self.epochs) > epochs:
            raise ValueError(f"trial {self.number} has more than {epochs} epochs")
        if any(epoch.held_out is None for epoch in self.epochs):
            raise ValueError(f"trial {self.number} has an epoch that was not measured")
        if self.state == "complete" and not self.epochs:
            raise ValueError(f"trial {self.number} is complete without an epoch")
        if None in self.costs(watched):
            raise ValueError(f"trial {self.number} has no latency, which is a goal or limited")


@dataclass(frozen=True)
class Proposal:
    """A drawn candidate that is not stored yet."""

    number: int
    kind: str
    values: Mapping[str, Value]
    candidate: Candidate


_CLOCK = TypeAdapter(Clock)
_WHOLE = TypeAdapter(WholeLatency)
_TRIAL = TypeAdapter(Trial)
