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

    def database_for_run(self) -> str:
        """Return what environment.json says of the database: a name within the folder moves along.

        Any other path is absolute, so that it can be read from anywhere.
        """
        if self.database.path is None:
            return str(self.database)
        path, own = self.database.path.absolute(), self.run.study
        return own.name if path == own.absolute() else str(path)


def database_of(run: RunFolder, told: str) -> Database:
    """Return the database that a run's environment.json names."""
    found = Database.parse(told)
    return found if found.path is None else Database(path=run.root / found.path)
