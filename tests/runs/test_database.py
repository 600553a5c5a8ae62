"""Where a study is kept: the right file by any name, no secret in a message, no half-made file."""

import os
import sqlite3
import subprocess
import sys
import tomllib
from contextlib import closing
from pathlib import Path

import pytest

from made_study import ask, made_config, made_facts, no_waiting
from nas_cifar10.errors import (
    BadDataError,
    ConfigError,
    MissingInputError,
    MissingPackageError,
    StorageError,
)
from nas_cifar10.runs.database import Database
from nas_cifar10.study.storage import create_study, open_study

ODD_NAMES = [
    "with space.db",
    "Übergröße ♥.db",
    "what?mode=memory.db",
    "100%20.db",
    "{SCHEMA_VERSION}.db",
    "{}.db",
    "a#b.db",
    "semi;colon'quote\".db",
    ":memory:",
    "file:x.db",
    "no suffix",
]


IN_A_URL = [name for name in ODD_NAMES if not {"?", "%"} & set(name) and name != ":memory:"]


@pytest.mark.parametrize(
    ("name", "as_url"),
    [*((name, False) for name in ODD_NAMES), *((name, True) for name in IN_A_URL)],
)
def test_an_odd_name_hits_exactly_that_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, as_url: bool
) -> None:
    folder = tmp_path / "{here} 5% ü?"
    folder.mkdir()
    monkeypatch.chdir(folder)
    database = Database.parse(f"sqlite:///{name}" if as_url else name)
    assert str(database) == name
    with no_waiting():
        ask(create_study(database, "made", made_facts(made_config())))
        assert len(open_study(database, "made").trials()) == 1
    assert [path.name for path in folder.iterdir()] == [name]
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def test_a_name_that_is_no_text_hits_exactly_that_file(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.db")
    try:
        path.touch()
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    path.unlink()
    create_study(Database(path=path), "made", made_facts(made_config()))
    assert open_study(Database(path=path), "made").name == "made"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("study.db", "study.db"),
        ("/some where/study.db", "/some where/study.db"),
        ("sqlite:///study.db", "study.db"),
        ("sqlite:////some where/study.db", "/some where/study.db"),
        ("sqlite+pysqlite:///a/b.db", "a/b.db"),
    ],
)
def test_a_path_and_a_sqlite_url_name_a_file(text: str, path: str) -> None:
    assert Database.parse(text) == Database(path=Path(path))


@pytest.mark.parametrize(
    "text", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:///a.db?mode=ro"]
)
def test_a_sqlite_url_without_a_file_or_with_more_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--study-db: a SQLite URL names a file and nothing else"):
        Database.parse(text)


@pytest.mark.parametrize("text", ["", "a\0b"])
def test_a_name_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--study-db: must be a path or a database URL"):
        Database.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "oracle9://anna:secret@host/db",
        "postgresql://anna:secret@host:port/db",
        "mysql+nodriver://anna:secret@host/db",
    ],
)
def test_a_url_that_cannot_be_read_is_refused_without_its_password(text: str) -> None:
    with pytest.raises(ConfigError, match="not a database URL that can be read") as refused:
        Database.parse(text)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://anna:secret@host/db", "postgresql://anna:***@host/db"),
        (
            "postgresql://host/db?user=anna&password=secret&sslpassword=secret",
            "postgresql://host/db?password=%2A%2A%2A&sslpassword=%2A%2A%2A&user=anna",
        ),
        ("mysql://anna:se%20cret@host:3306/db", "mysql://anna:***@host:3306/db"),
        ("postgresql://anna@host/db", "postgresql://anna@host/db"),
    ],
)
def test_a_password_is_never_shown(text: str, shown: str) -> None:
    assert str(Database.parse(text)) == shown


def test_a_missing_driver_is_named_without_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    database = Database.parse("postgresql+psycopg2://anna:secret@host/db")
    with pytest.raises(MissingInputError, match=r"cannot be loaded: .*psycopg2") as refused:
        open_study(database, "made")
    assert "secret" not in str(refused.value)
    assert "postgresql+psycopg://" in str(refused.value)


def test_a_missing_file_is_missing_and_stays_so(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=r"none\.db: no such study database"):
        Database(path=tmp_path / "none.db").check_is_study()
    with pytest.raises(MissingInputError, match="no such study database"):
        Database(path=tmp_path).check_is_study()
    assert not list(tmp_path.iterdir())


def test_looking_changes_no_byte_and_leaves_no_file(tmp_path: Path) -> None:
    database = Database(path=tmp_path / "study.db")
    create_study(database, "made", made_facts(made_config()))
    assert database.path is not None
    before = database.path.read_bytes()
    database.check_is_study()
    open_study(database, "made").trials()
    assert database.path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [database.path]


KILLED_WITHIN_A_TRANSACTION = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA cache_size = 1")
connection.execute("BEGIN IMMEDIATE")
connection.execute("CREATE TABLE more (x)")
connection.executemany("INSERT INTO more VALUES (?)", [("x" * 1000,)] * 2000)
connection.execute("DELETE FROM study_user_attributes")
os._exit(9)
"""


def test_a_transaction_that_a_kill_cut_off_is_rolled_back(tmp_path: Path) -> None:
    database = Database(path=tmp_path / "study.db")
    facts = made_facts(made_config())
    create_study(database, "made", facts)
    command = [sys.executable, "-c", KILLED_WITHIN_A_TRANSACTION, str(database.path)]
    assert subprocess.run(command).returncode == 9
    assert (tmp_path / "study.db-journal").exists()
    assert open_study(database, "made").facts == facts
    assert list(tmp_path.iterdir()) == [database.path]


def test_errors_of_the_driver_are_told_apart(tmp_path: Path) -> None:
    database = Database(path=tmp_path / "study.db")
    with pytest.raises(StorageError, match=r"study\.db: cannot be used: no such table: trials$"):  # noqa: SIM117 # one raises
        with database.explained(), closing(sqlite3.connect(tmp_path / "new.db")) as connection:
            connection.execute("SELECT * FROM trials")
    (tmp_path / "new.db").write_bytes(b"no database at all, but text")
    with pytest.raises(BadDataError, match=r"study\.db: is no study database: file is not"):  # noqa: SIM117
        with database.explained(), closing(sqlite3.connect(tmp_path / "new.db")) as connection:
            connection.execute("SELECT * FROM trials")


def test_a_driver_that_is_not_installed_is_named_with_the_way_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    told = r"anna:\*\*\*@host/db: needs the package psycopg; install it with pip install "
    with pytest.raises(MissingPackageError, match=told + r"'nas-cifar10\[postgres\]'") as raised:
        Database.parse("postgresql+psycopg://anna:geheim@host/db").exists()
    assert raised.value.exit_code == 66
    assert "\n" not in str(raised.value)


def test_a_driver_without_its_library_says_so_in_one_line() -> None:
    database = Database.parse("postgresql+psycopg://anna:geheim@host/db")
    with pytest.raises(MissingInputError, match="loaded: no pq wrapper; the extra"):  # noqa: SIM117
        with database.explained():
            raise ImportError("no pq wrapper\navailable")


def test_the_core_brings_no_database_driver() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert not [name for name in project["dependencies"] if "psycopg" in name]
    assert project["optional-dependencies"]["postgres"] == ["psycopg[binary]>=3.2"]


def test_what_was_hidden_in_an_address_is_left_to_the_environment() -> None:
    shown = str(Database.parse("postgresql+psycopg://anna:geheim@host/db?sslpassword=x&options=y"))
    again = Database.parse(shown)
    assert again.url == "postgresql+psycopg://anna@host/db?options=y"
