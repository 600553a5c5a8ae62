"""Which studies a database holds: create, find, open and delete them; knows no trial.

Optuna is imported by the files of this room alone, and by the dashboard that it brings.
"""

import weakref
from dataclasses import asdict

import optuna
from optuna.exceptions import StorageInternalError
from optuna.study import StudyDirection

from nas_cifar10.config.load import config_from_plain
from nas_cifar10.crash import crash_point
from nas_cifar10.errors import BadDataError, CannotCreateError, ConfigError, MissingInputError
from nas_cifar10.runs.database import Database, tell_when_away
from nas_cifar10.runs.database_lock import schema_lock
from nas_cifar10.study.rows import Facts
from nas_cifar10.study.study import FACTS, Study


def create_study(database: Database, name: str, facts: Facts) -> Study:
    """Create a study, with its facts, in one database.

    A new SQLite file gets its name when it is complete, so that none is ever found half-made.

    Raises:
        CannotCreateError: the database holds a study of this name.
        NasError: as `find_study`.
    """
    if find_study(database, name) is not None:
        raise taken(database, name)
    if database.path is None or database.path.exists():
        _create(database, name, facts)
    else:
        unfinished = database.path.with_name(f".{database.path.name}.new")
        unfinished.unlink(missing_ok=True)
        _create(Database(path=unfinished), name, facts)
        with database.explained():
            crash_point("study.made")
            # SQLite would roll what a kill left of a removed database into the new one.
            database.path.with_name(f"{database.path.name}-journal").unlink(missing_ok=True)
            unfinished.replace(database.path)
    return open_study(database, name)


def taken(database: Database, name: str) -> CannotCreateError:
    """Return the error that a database holds a study of this name."""
    return CannotCreateError(
        f"{database}: already holds a study {name!r}; go on with --resume, replace it with "
        f"--overwrite, or choose another name with --study"
    )


def _create(database: Database, name: str, facts: Facts) -> None:
    with database.explained(StorageInternalError):
        storage = open_storage(database)
        directions = _directions(len(config_from_plain(facts.config).search.costs))
        # A study without facts and trials is one whose creation was cut off.
        study = optuna.create_study(
            storage=storage, study_name=name, directions=directions, load_if_exists=True
        )
        if study.directions != directions:  # which is kept as it was made
            optuna.delete_study(study_name=name, storage=storage)
            study = optuna.create_study(storage=storage, study_name=name, directions=directions)
        study.set_user_attr(FACTS, asdict(facts))
        storage.remove_session()
        storage.engine.dispose()


def _directions(num_costs: int) -> list[StudyDirection]:
    return [StudyDirection.MAXIMIZE, *[StudyDirection.MINIMIZE] * num_costs]


def find_study(database: Database, name: str | None) -> Study | None:
    """Open a study if it is there.

    Args:
        name: None: the only one.

    Raises:
        ConfigError: several studies are there and none was named.
        BadDataError: the database holds no studies, or this one is not ours.
        StorageError: the database cannot be reached or read.
    """
    if not database.exists():
        return None
    database.check_is_study()
    with database.explained(StorageInternalError):
        storage = open_storage(database)
        with database.read_as_ours(name or ""):
            names = optuna.get_all_study_names(storage)
        name = name or _only(names, database)
        if name not in names:
            return None
        with database.read_as_ours(name):
            study = optuna.load_study(storage=storage, study_name=name)
            attributes, given = study.user_attrs, study.directions
            maximised = given == _directions(len(given) - 1)
            empty = not attributes and not study.get_trials(deepcopy=False)
        if FACTS in attributes and maximised:
            return Study(database, study, storage)
        if not empty or not maximised:
            raise BadDataError(f"{database}: study {name!r} was not made by this tool")
        return None


def _only(names: list[str], database: Database) -> str:
    if len(names) > 1:
        listed = ", ".join(map(repr, sorted(names)))
        raise ConfigError(f"{database}: holds several studies; choose with --study: {listed}")
    return names[0] if names else ""


def open_study(database: Database, name: str | None) -> Study:
    """Open a study that must be there.

    Raises:
        MissingInputError: the database is not there, or holds no study at all.
        ConfigError: it holds others than the one named; otherwise as `find_study`.
    """
    study = find_study(database, name)
    if study is not None:
        return study
    if database.path is not None and not database.exists():
        raise MissingInputError(f"{database}: no such study database")
    names: list[str] = []
    if database.exists():
        with database.explained(StorageInternalError):
            names = sorted(optuna.get_all_study_names(open_storage(database)))
    if name is None or not names:
        raise MissingInputError(f"{database}: holds no study")
    raise ConfigError(f"--study: {database} holds {', '.join(map(repr, names))}, got {name!r}")


def delete_study(database: Database, name: str) -> None:
    """Remove a study and its trials from a database, if they are there."""
    if find_study(database, name) is not None:
        with database.explained(StorageInternalError):
            optuna.delete_study(storage=open_storage(database), study_name=name)


def open_storage(database: Database) -> optuna.storages.RDBStorage:
    """Open what studies are kept in.

    Raises:
        BadDataError: it is no database.
        StorageError: it cannot be reached, or its tables are those of another version of Optuna.
    """
    url, arguments = database.engine()
    with database.explained(Exception):  # tables of another version, or not as Optuna makes them
        with schema_lock(database):
            storage = optuna.storages.RDBStorage(url, engine_kwargs=arguments)
        if database.url is not None:
            tell_when_away(storage.engine)
            weakref.finalize(storage, storage.engine.dispose)  # or else its connections stay open
        return storage
