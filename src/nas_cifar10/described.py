"""What a divided set of pictures is, as checked values: what data.json and a study's facts hold."""

from typing import Annotated, Self, TypeAlias

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass as checked

Count: TypeAlias = Annotated[int, Field(ge=0)]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]

PARTS = ("all", "train", "validation", "test")
DUPLICATES = {  # what they are called
    "train_validation": "validation pictures that are in train too",
    "train_test": "test pictures that are in train too",
    "validation_test": "test pictures that are in validation too",
    "within_train": "repeated pictures within train",
}


def unmeasured_test(watched: str | None) -> str:
    """Say what became of a test set on which nothing was measured at the end.

    Args:
        watched: The part that was measured after each epoch, if any was.
    """
    return "was read for a curve only" if watched == "test" else "was left unread"


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
    shape: tuple[Count, Count, Count]
    fingerprint: str

    @model_validator(mode="after")
    def _whole(self) -> Self:
        for part in PARTS:
            if set(self.pictures.get(part, ())) != set(self.class_names):
                raise ValueError(f"pictures.{part} does not count every class")
            if part not in self.totals:
                raise ValueError(f"totals.{part} is missing")
        for pair in DUPLICATES:
            if pair not in self.duplicates:
                raise ValueError(f"duplicates.{pair} is missing")
        return self
