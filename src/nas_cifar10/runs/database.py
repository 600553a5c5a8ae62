"""Where a study is kept: paths and URLs, opened so that odd characters and secrets stay harmless.

Knows no trial. Needs no optuna, and sqlalchemy only where a database is opened: a wrong path is
answered at once.
"""

from __future__ import annotations

import logging
import os
import re
import sqlite3
import urllib.parse
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas_cifar10.errors import (
    BadDataError,
    ConfigError,
    MissingInputError,
    MissingPackageError,
    NasError,
    StorageError,
)
from nas_cifar10.runs.reading import why

if TYPE_CHECKING:
    from sqlalchemy import URL, Engine, ExceptionContext

_SECRET = re.compile("pass|secret|token|key|credential", re.IGNORECASE)
# What Optuna would make where it is missing: another tool's database stays as it is.
_TABLES = {"studies", "trials", "study_directions", "study_user_attributes"}
_TABLES |= {"trial_params", "trial_values", "trial_user_attributes", "trial_intermediate_values"}
_TABLES |= {"version_info", "alembic_version"}
_BUSY_SECONDS = 60
_MAX_VALUE_BYTES = 2**26  # of one value in a SQLite file: an expression could make it any size
_NOT_OURS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_HIDDEN = "***"
# Of libpq: a server that says nothing is given up, not waited for until the network does.
_NOTICE_SILENCE = {
    "connect_timeout": "10",
    "keepalives_idle": "20",
    "keepalives_interval": "5",
    "keepalives_count": "4",
    "tcp_user_timeout": "40000",
}
_LIBPQ = {"psycopg", "psycopg2"}


class ServerAwayError(Exception):
    """A server does not answer, or went away while it was asked; it may come back."""


@dataclass(frozen=True)
class Database:
    """A SQLite file, or the URL of a server; exactly one of the two is set."""

    path: Path | None = None
    url: str | None = field(default=None, repr=False)  # it may hold a password

    @classmethod
    def parse(cls, text: str) -> Database:
        """Read what follows `--study-db`: a URL, or else a path to a SQLite file.

        Raises:
            ConfigError: it is a URL that cannot be read.
        """
        if not text or "\0" in text:
            raise ConfigError("--study-db: must be a path or a database URL, got nothing usable")
        if "://" not in text:
            return cls(path=_file(text))
        import sqlalchemy

        try:
            url = sqlalchemy.make_url(text)
            is_async = url.get_dialect().is_async
        except (sqlalchemy.exc.ArgumentError, ValueError):  # ValueError: a port that is no number
            raise ConfigError("--study-db: not a database URL that can be read") from None
        if is_async:
            raise ConfigError(f"--study-db: {url.drivername} is asynchronous; name another driver")
        if url.get_backend_name() != "sqlite":
            return cls(url=_without_hidden(url))
        if not url.database or url.database == ":memory:" or url.query:
            raise ConfigError("--study-db: a SQLite URL names a file and nothing else")
        return cls(path=_file(url.database))

    def may_be(self, other: Database) -> bool:
        """Say whether two names can be those of one database; a server's host may have several."""
        if self.path is not None and other.path is not None:
            return self.path.resolve() == other.path.resolve()
        return self._on_server == other._on_server

    @property
    def _on_server(self) -> tuple[str, str | None] | None:
        if self.url is None:
            return None
        import sqlalchemy

        url = sqlalchemy.make_url(self.url)
        return url.get_backend_name(), url.database

    def __str__(self) -> str:
        """Return the path, or the URL without its password."""
        if self.path is not None:
            return str(self.path)
        import sqlalchemy

        url = sqlalchemy.make_url(str(self.url))
        secret = {key: _HIDDEN for key in url.query if _SECRET.search(key)}
        return url.update_query_dict(secret).render_as_string(hide_password=True)

    def _without_secrets(self, text: str) -> str:
        """Return what a driver says, which may quote the address it was given."""
        if self.url is None:
            return text
        import sqlalchemy

        url = sqlalchemy.make_url(self.url)
        secrets = [url.password, *(url.query[key] for key in url.query if _SECRET.search(key))]
        secrets.append(os.environ.get("PGPASSWORD"))
        for secret in map(str, filter(None, secrets)):
            for form in (urllib.parse.quote(secret, safe=""), urllib.parse.quote(secret), secret):
                text = text.replace(form, _HIDDEN)
        return text

    def engine(self) -> tuple[str, dict[str, Any]]:
        """Return a URL and engine arguments for SQLAlchemy.

        A SQLite path never becomes part of the URL, where `?`, `%` and `{}` would name another
        file.
        """
        if self.path is None:
            address = str(self.url).replace("{", "{{").replace("}", "}}")
            return address, {"pool_pre_ping": True, "connect_args": self._connect_args()}
        path = str(self.path.absolute())  # so that `:memory:` is a name like any other
        return "sqlite:///study", {"creator": lambda: _connect(path)}

    def _connect_args(self) -> dict[str, Any]:
        import sqlalchemy

        url = sqlalchemy.make_url(str(self.url))
        if url.get_dialect().driver not in _LIBPQ:
            return {}
        return {key: value for key, value in _NOTICE_SILENCE.items() if key not in url.query}

    @property
    def is_postgresql(self) -> bool:
        """Say whether a PostgreSQL server keeps the study."""
        import sqlalchemy

        if self.url is None:
            return False
        return sqlalchemy.make_url(self.url).get_backend_name() == "postgresql"

    def open_server(self) -> Engine:
        """Return what opens a connection of its own each time, and keeps no transaction open."""
        import sqlalchemy

        engine = sqlalchemy.create_engine(
            str(self.url),
            poolclass=sqlalchemy.NullPool,
            isolation_level="AUTOCOMMIT",
            connect_args=self._connect_args(),
        )
        tell_when_away(engine)
        return engine

    def exists(self) -> bool:
        """Say whether there is something to look into: a file, or a server's tables of studies.

        Raises:
            MissingInputError: the server's driver is not installed.
            StorageError: the server cannot be reached.
        """
        if self.path is not None:
            return self.path.exists()
        import sqlalchemy

        with self.explained(), self.open_server().connect() as connection:
            return sqlalchemy.inspect(connection).has_table("studies")

    def check_is_study(self) -> None:
        """Look into a SQLite file; what a killed process left half-written is rolled back.

        Raises:
            MissingInputError: there is no such file.
            BadDataError: it is no SQLite database, a damaged one, or one that holds no studies.
            StorageError: it cannot be read.
        """
        if self.path is None:
            return
        if not self.path.is_file():
            raise MissingInputError(f"{self.path}: no such study database")
        quoted = urllib.parse.quote(os.fsencode(self.path.resolve()))
        # Not `mode=ro`: it could not roll back, and would refuse what only waits for that.
        address = f"file:{quoted}?mode=rw"
        with self.explained(), closing(_connect(address, uri=True)) as connection:
            self._check_tables(connection.execute("SELECT name, type, sql FROM sqlite_master"))
            found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise BadDataError(f"{self.path}: is a damaged database: {found.splitlines()[-1]}")

    def _check_tables(self, schema: Iterable[tuple[str, str, str | None]]) -> None:
        found = list(schema)
        if not {name for name, _, _ in found} >= _TABLES:
            raise BadDataError(f"{self.path}: is a database, but holds no studies")
        if any(kind not in ("table", "index") or _computes(sql) for _, kind, sql in found):
            raise BadDataError(f"{self.path}: holds tables that compute, which no study has")

    @contextmanager
    def explained(self, *also: type[Exception]) -> Iterator[None]:
        """Turn what a database driver raises into one line without its password.

        Args:
            also: Exceptions that other libraries put around it.
        """
        from sqlalchemy.exc import SQLAlchemyError

        known = (SQLAlchemyError, ServerAwayError, sqlite3.Error, OSError)
        expected: tuple[type[Exception], ...] = (*known, *also)
        try:
            yield
        except ImportError as error:
            raise self._no_driver(error) from None
        except expected as error:
            raise self._explain(error) from None

    def _no_driver(self, error: ImportError) -> NasError:
        found = error.__cause__ if isinstance(error.__cause__, ImportError) else error
        if found.name == "psycopg":
            return MissingPackageError(f"{self}:", found.name, "postgres")
        return MissingInputError(
            f"{self}: its driver cannot be loaded: {self.reason(error)}; the extra [postgres] "
            "brings that of postgresql+psycopg://"
        )

    @contextmanager
    def read_as_ours(self, study: str) -> Iterator[None]:
        """Turn what reading raises, where a study holds something else than ours, into one line."""
        try:
            yield
        except _NOT_OURS as error:
            raise BadDataError(f"{self}: study {study!r} is damaged: {why(error)}") from error

    def _explain(self, error: Exception) -> NasError:
        reason = self.reason(error)
        if getattr(_origin(error), "sqlite_errorcode", None) in _DAMAGED:
            told = f"{self}: is no study database: {reason}"
            return BadDataError(f"{told}; remove it, or name another with --study-db")
        return StorageError(f"{self}: cannot be used: {reason}")

    def reason(self, error: Exception) -> str:
        """Return what a database driver says, in one line without the password."""
        return " ".join(self._without_secrets(why(_origin(error))).split())


def _origin(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _file(text: str) -> Path:
    path = Path(text)
    if not path.name:
        raise ConfigError(f"--study-db: must name a file, got {text!r}")
    return path


def _without_hidden(url: URL) -> str:
    """Return an address as it was given, but without what we ourselves have hidden in it."""
    hidden = [key for key in url.query if url.query[key] == _HIDDEN]
    if url.password == _HIDDEN:
        url = url._replace(password=None)  # its own `set` takes None for no change
    return url.difference_update_query(hidden).render_as_string(hide_password=False)


def tell_when_away(engine: Engine) -> None:
    """Let an engine raise `ServerAwayError` where a connection is lost or cannot be had.

    It is none of the errors that Optuna takes for a deadlock: it would add a trial a second time
    whose commit went through and only its answer was lost.
    """
    import sqlalchemy

    for name in ("sqlalchemy.pool", "psycopg"):  # they would print tracebacks of what is expected
        logging.getLogger(name).setLevel(logging.CRITICAL)
    sqlalchemy.event.listen(engine, "handle_error", _raise_if_away)


def _raise_if_away(context: ExceptionContext) -> None:
    if not context.is_pre_ping and (context.connection is None or context.is_disconnect):
        raise ServerAwayError from context.original_exception
    return None


def _computes(sql: str | None) -> bool:
    """Say whether a table is more than rows: what it computes could go on for ever."""
    return bool(sql and re.search(r"\b(VIRTUAL\s+TABLE|GENERATED|AS\s*\()", sql, re.IGNORECASE))


def _connect(address: str, *, uri: bool = False) -> sqlite3.Connection:
    connection = sqlite3.connect(address, timeout=_BUSY_SECONDS, check_same_thread=False, uri=uri)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_VALUE_BYTES)
    return connection
