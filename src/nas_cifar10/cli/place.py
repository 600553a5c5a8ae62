"""Which run and study a command is about, and the lock on them; imports nothing slow."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from nas_cifar10.config.dimensions import Name
from nas_cifar10.config.load import is_resolved, load_config
from nas_cifar10.config.rules import notices
from nas_cifar10.config.schema import Config
from nas_cifar10.errors import CannotCreateError, ConfigError, MissingInputError
from nas_cifar10.runs.database import Database
from nas_cifar10.runs.database_lock import StudyLock
from nas_cifar10.runs.folder import OUTPUTS, RunFolder, latest, slug
from nas_cifar10.runs.lock import locked
from nas_cifar10.runs.place import Place, recorded
from nas_cifar10.runs.reading import why
from nas_cifar10.text import harmless


def locate(
    run_dir: Path | None,
    study_db: str | None = None,
    study_name: str | None = None,
    *,
    writes: bool = True,
) -> Place:
    """Find a run that exists already, from its folder, its database, or as the latest.

    Args:
        writes: The run's folder is written to, so it must not be another's.

    Raises:
        ConfigError: both were given.
        MissingInputError: there is none.
        CannotCreateError: the folder holds the run of another study.
    """
    place = _locate(run_dir, study_db, study_name)
    place.run.refuse_links()
    if writes:
        place.refuse_other()
    return place


def _locate(run_dir: Path | None, study_db: str | None, study_name: str | None) -> Place:
    if run_dir is not None and study_db is not None:
        raise ConfigError("--run and --study-db: name one of the two; each leads to the other")
    if study_db is not None:
        return _locate_database(Database.parse(study_db), study_name)
    run = RunFolder(run_dir) if run_dir is not None else latest()
    if run_dir is None:
        print(f"run: {harmless(run.root)}", file=sys.stderr)
    found = recorded(run)
    if found is None:
        raise MissingInputError(f"{run.root}: holds no run; start one with nas run --config FILE")
    name, database = found
    if study_name not in (None, name):
        from nas_cifar10.study.storage import open_study

        open_study(database, study_name)  # or else it says which there are
    return Place(run, database, study_name or name)


def _locate_database(database: Database, study_name: str | None) -> Place:
    from nas_cifar10.study.storage import open_study

    study = open_study(database, study_name)
    run = _run_around(database, study.name) or RunFolder(OUTPUTS / slug(study.config.name))
    return Place(run, database, study.name)


def _run_around(database: Database, study_name: str) -> RunFolder | None:
    """Return the run in whose folder the study's database is, if there is one."""
    if database.path is None:
        return None
    run = RunFolder(database.path.parent)
    own = _database_of(run, study_name)
    return run if own is not None and own.may_be(database) else None


def _database_of(run: RunFolder, study_name: str) -> Database | None:
    """Return where the study of a run is, if the folder holds that study's run."""
    found = recorded(run)
    return found[1] if found is not None and found[0] == study_name else None


def place_of_search(
    config_path: Path | None,
    overrides: tuple[str, ...],
    run_dir: Path | None,
    study_db: str | None,
    study_name: str | None,
    *,
    resume: bool,
) -> tuple[Place, Config | None]:
    """Say where the study is or will be, and read the config where one is given.

    Raises:
        ConfigError: the config is wrong, or missing where nothing is resumed.
    """
    if config_path is None:
        if not resume:
            raise ConfigError(
                "--config FILE is required; only --resume can do without; "
                "nas init lists configs to start from"
            )
        if run_dir is None or study_db is None:
            return locate(run_dir, study_db, study_name), None
        database = Database.parse(study_db)
        if database.url is not None and study_name is None:  # the lock on a study needs its name
            study_name = _only_study(database)
        return Place(RunFolder(run_dir), database, study_name), None
    config = load_config(config_path, overrides)
    for notice in notices(config):
        print(f"note: {notice}", file=sys.stderr)
    name = _checked(study_name) or config.name
    given = None if study_db is None else Database.parse(study_db)
    around = _run_around(given, name) if given else None
    run = RunFolder(run_dir) if run_dir else around or RunFolder(OUTPUTS / slug(config.name))
    own = _database_of(run, name) if resume else None
    return Place(run, given or own or Database(path=run.study), name), config


def refuse_to_replace(config: Path | None, run: RunFolder, *, overwrite: bool) -> None:
    """Check that the run would not write its resolved config over the one it is given.

    Args:
        overwrite: A run is replaced; one that was cut off doing so has left its config alone.

    Raises:
        CannotCreateError: it would.
    """
    own = config is not None and run.config.exists() and run.config.samefile(config)
    left = overwrite and own and is_resolved(run.config)
    if own and not run.environment.exists() and not left:
        raise CannotCreateError(
            f"{config}: a run in {run.root} would write its resolved config over this file; "
            f"name another folder with --run"
        )


def _checked(study_name: str | None) -> str | None:
    """Let a study have any name a config may have."""
    try:
        return TypeAdapter(Name | None).validate_python(study_name)
    except ValidationError as error:
        raise ConfigError(f"--study: {why(error)}, got {study_name!r:.80}") from None


def _only_study(database: Database) -> str:
    from nas_cifar10.study.storage import open_study

    return open_study(database, None).name


@contextmanager
def held(place: Place, *, drives: bool) -> Iterator[StudyLock | None]:
    """Hold the run and its study; that this can be written also proves that the folder can.

    Args:
        drives: The study will be written to; who only reads it needs no lock on a server.

    Yields:
        The lock on a study that PostgreSQL keeps, where it drives.
    """
    database, name = place.database, place.study_name
    with locked(place.run, database.path):
        if database.url is None or not drives:
            yield None
        elif not database.is_postgresql or name is None:
            print(
                f"note: {harmless(database)}: nothing here keeps a second driver of the study "
                "out; only PostgreSQL and SQLite do",
                file=sys.stderr,
            )
            yield None
        else:
            with StudyLock(database, name) as lock:
                yield lock
