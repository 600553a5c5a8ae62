"""What one epoch of training gave, as plain numbers; knows not where they come from or go to."""

from dataclasses import asdict, dataclass
from typing import Annotated, Any, TypeAlias

from pydantic import Field, TypeAdapter

Finite: TypeAlias = Annotated[float, Field(allow_inf_nan=False)]


@dataclass(frozen=True)
class Scores:
    """How one part of the pictures fared. Loss is the mean cross-entropy in nats."""

    loss: Finite
    accuracy: Finite
    macro_f1: Finite
    auc: Finite | None


@dataclass(frozen=True)
class Epoch:
    """One epoch; numbers count from 1, `held_out` is None where nothing was held out."""

    number: int
    train: Scores
    held_out: Scores | None
    seconds: Finite

    def to_json(self) -> dict[str, Any]:
        """Return the form that the study and checkpoints keep."""
        return asdict(self)

    @property
    def measured(self) -> Scores:
        """Return the held-out scores of an epoch that has them."""
        assert self.held_out is not None
        return self.held_out


def in_order(values: Any) -> tuple[Epoch, ...]:
    """Read all epochs of a trial in the form `to_json` writes.

    Raises:
        ValueError: they are none, or not numbered from 1 on.
    """
    epochs = _FORMS.validate_python(values)
    if [epoch.number for epoch in epochs] != list(range(1, len(epochs) + 1)):
        raise ValueError("epochs are not numbered from 1 on")
    return epochs


_FORMS = TypeAdapter(tuple[Epoch, ...])
