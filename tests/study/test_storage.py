"""Opening a study: the right one, a whole one, and never somebody else's."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.study import StudyDirection

from made_study import (
    ask,
    made_config,
    made_facts,
    made_study,
    no_waiting,
    play,
)
from nas_cifar10.errors import (
    BadDataError,
    CannotCreateError,
    ConfigError,
    MissingInputError,
    StorageError,
)
from nas_cifar10.runs import database
from nas_cifar10.runs.database import Database
from nas_cifar10.study.storage import create_study, delete_study, find_study, open_study
from nas_cifar10.study.study import Study


def create(path: Path) -> Study:
    with no_waiting():
        return create_study(Database(path=path), "made", made_facts(made_config()))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.db"


class _KilledError(Exception):
    pass


def test_a_study_is_found_by_its_name_among_several(path: Path) -> None:
    place = Database(path=path)
    for name in ("second", "first"):
        create_study(place, name, made_facts(made_config()))
    assert open_study(place, "first").name == "first"
    with pytest.raises(ConfigError, match="choose with --study: 'first', 'second'"):
        open_study(place, None)
    with pytest.raises(ConfigError, match="got 'third'"):
        open_study(place, "third")
    delete_study(place, "first")
    assert open_study(place, None).name == "second"


def test_a_name_is_given_once(path: Path) -> None:
    made_study(path, made_config())
    with pytest.raises(CannotCreateError, match=r"'made'.*--resume.*--overwrite.*--study"):
        create(path)


def test_a_study_that_is_not_there_is_missing_or_none(path: Path) -> None:
    assert find_study(Database(path=path), "made") is None
    with pytest.raises(MissingInputError, match="no such study database"):
        open_study(Database(path=path), "made")
    delete_study(Database(path=path), "made")
    assert not path.exists()


@pytest.mark.parametrize("trials", [0, 1])
def test_somebody_elses_study_is_refused_and_left_alone(path: Path, trials: int) -> None:
    direction = StudyDirection.MAXIMIZE if trials else StudyDirection.MINIMIZE
    study = optuna.create_study(storage=f"sqlite:///{path}", study_name="made", direction=direction)
    for _ in range(trials):
        study.add_trial(optuna.trial.create_trial(value=0.5))
    before = path.read_bytes()
    for action in (find_study, open_study, delete_study):
        with pytest.raises(BadDataError, match="was not made by this tool"):
            action(Database(path=path), "made")
    with pytest.raises(BadDataError, match="was not made by this tool"):
        create(path)
    assert path.read_bytes() == before


def test_a_creation_that_was_cut_off_is_taken_up(path: Path) -> None:
    place = Database(path=path)
    create_study(place, "other", made_facts(made_config()))
    optuna.create_study(storage=f"sqlite:///{path}", study_name="made", direction="maximize")
    assert find_study(place, "made") is None
    create(path)
    assert ask(open_study(place, "made")).number == 0


def test_a_new_file_has_its_name_only_when_it_is_complete(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*args: Any) -> None:
        raise _KilledError

    with monkeypatch.context() as patched:
        patched.setattr(optuna.Study, "set_user_attr", killed)
        with pytest.raises(_KilledError):
            create(path)
    assert not path.exists()
    create(path)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def damaged(study: Study, how: str) -> None:
    path = study.database.path
    assert path is not None
    content = path.read_bytes()
    contents = {
        "empty": b"",
        "random": bytes(range(256)) * 40,
        "half": content[: len(content) // 2],
        "short": content[:-4096],
        "header": content[:50],
        "overwritten": content[:4096] + b"\xa5" * 8192 + content[12288:],
    }
    path.write_bytes(contents[how])


@pytest.mark.parametrize("how", ["empty", "random", "half", "short", "header", "overwritten"])
def test_a_damaged_database_is_bad_data(path: Path, how: str) -> None:
    study = made_study(path, made_config())
    play(study, 5)
    damaged(study, how)
    before = path.read_bytes()
    for action in (find_study, open_study, delete_study):
        with pytest.raises(BadDataError, match=r"study\.db: is "):
            action(study.database, "made")
    with pytest.raises(BadDataError, match=r"study\.db: is "):
        create(path)
    assert path.read_bytes() == before


def test_a_database_of_something_else_is_bad_data(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")
    with pytest.raises(BadDataError, match="is a database, but holds no studies"):
        open_study(Database(path=path), "made")


def test_tables_of_another_version_of_optuna_are_said_to_be(path: Path) -> None:
    create(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'v2.6.0.a'")
    with pytest.raises(StorageError, match=r"study\.db: cannot be used: .*optuna storage upgrade"):
        open_study(Database(path=path), "made")


def test_what_the_database_refuses_is_said_in_one_line(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_BUSY_SECONDS", 0)
    study = made_study(path, made_config())
    trial = ask(study)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        for action in (study.trials, lambda: study.set_epochs(trial, ())):
            with pytest.raises(
                StorageError, match=r"study\.db: cannot be used: database is locked$"
            ):
                action()
