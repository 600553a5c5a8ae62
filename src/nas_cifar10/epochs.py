"""What one epoch of training gave, as plain numbers; knows not where they come from or go to."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Scores:
    """How one part of the pictures fared. Loss is the mean cross-entropy in nats."""

    loss: float
    accuracy: float
    macro_f1: float
    auc: float | None


@dataclass(frozen=True)
class Epoch:
    """One epoch; numbers count from 1, `held_out` is None where nothing was held out."""

    number: int
    train: Scores
    held_out: Scores | None
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return the form that the study and checkpoints keep."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Epoch":
        """Read the form `to_json` writes."""
        held_out = values["held_out"]
        return cls(
            number=values["number"],
            train=Scores(**values["train"]),
            held_out=None if held_out is None else Scores(**held_out),
            seconds=values["seconds"],
        )

    @property
    def measured(self) -> Scores:
        """Return the held-out scores of an epoch that has them."""
        assert self.held_out is not None
        return self.held_out
