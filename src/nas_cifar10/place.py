"""Where a run and its study are; knows no study."""

from dataclasses import dataclass

from nas_cifar10.database import Database
from nas_cifar10.runs import RunFolder


@dataclass(frozen=True)
class Place:
    """Where a run and its study are, or will be; a study without a name is the only one there."""

    run: RunFolder
    database: Database
    study_name: str | None
