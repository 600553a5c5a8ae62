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
        found = recorded(self.run)
        if found is None:
            return
        study, theirs = found
        moved = theirs.path is not None and not theirs.path.exists()
        same = moved or self.database.may_be(theirs)
        if self.study_name not in (None, study) or not same:
            raise CannotCreateError(
                f"{self.run.root}: holds the run of study {study!r} in {theirs}, not of "
                f"{self.study_name!r} in {self.database}; name the folder of that one with --run, "
                f"or move this one away"
            )

    def is_own_run(self, study_name: str) -> bool:
        """Say whether the search of the study ran in the folder, as far as can be seen there."""
        try:
            found = recorded(self.run) if self.run.searched_here else None
        except BadDataError:
            return False
        return found is not None and found[0] == study_name and self.database.may_be(found[1])


def recorded(run: RunFolder) -> tuple[str, Database] | None:
    """Return the study that a folder holds the run of and where it is; None: it holds no run.

    Raises:
        BadDataError: environment.json does not say it.
    """
    if not run.environment.exists():
        return None
    stored = environment.read(run.environment)
    try:
        found = Database.parse(stored.database)
    except ConfigError:
        raise BadDataError(
            f"{run.environment}: is damaged: database: is neither a path nor a URL; remove it, "
            f"and name the study with --study-db"
        ) from None
    own = found if found.path is None else Database(path=run.root / found.path)
    return stored.study, own
