"""Where a run and its study are; knows no study."""

from dataclasses import dataclass

from nas_cifar10.errors import BadDataError, CannotCreateError, ConfigError
from nas_cifar10.runs import environment
from nas_cifar10.runs.database import Database
from nas_cifar10.runs.folder import RunFolder


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

    def refuse_other(self) -> None:
        """Check that the folder is free, or holds the run of this very study.

        Raises:
            CannotCreateError: it holds another's, whose files would be mixed up with this one's.
        """
        if not self.run.environment.exists():
            return
        stored = environment.read(self.run.environment)
        theirs = database_of(self.run, stored.database)
        moved = theirs.path is not None and not theirs.path.exists()
        same = moved or self.database.may_be(theirs)
        if self.study_name not in (None, stored.study) or not same:
            raise CannotCreateError(
                f"{self.run.root}: holds the run of study {stored.study!r} in {theirs}, not of "
                f"{self.study_name!r} in {self.database}; name the folder of that one with --run, "
                f"or move this one away"
            )

    def is_own_run(self, study_name: str) -> bool:
        """Say whether the search of the study ran in the folder, as far as can be seen there."""
        if not self.run.environment.exists() or not self.run.searched_here:
            return False
        try:
            stored = environment.read(self.run.environment)
            theirs = database_of(self.run, stored.database)
        except BadDataError:
            return False
        return stored.study == study_name and self.database.may_be(theirs)


def database_of(run: RunFolder, told: str) -> Database:
    """Return the database that a run's environment.json names.

    Raises:
        BadDataError: it names none.
    """
    try:
        found = Database.parse(told)
    except ConfigError:
        raise BadDataError(
            f"{run.environment}: is damaged: database: is neither a path nor a URL; remove it, "
            f"and name the study with --study-db"
        ) from None
    return found if found.path is None else Database(path=run.root / found.path)
