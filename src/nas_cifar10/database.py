"""Where a study is kept: paths and URLs, opened so that odd characters and secrets stay harmless.

Knows no trial. Needs no optuna, and sqlalchemy only where a database is opened: a wrong path is
answered at once.
"""

import os
import re
import sqlite3
import urllib.parse
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nas_cifar10.errors import BadDataError, ConfigError, MissingInputError, NasError, StorageError
from nas_cifar10.reading import why

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.]*://")
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


@dataclass(frozen=True)
class Database:
    """A SQLite file, or the URL of a server; exactly one of the two is set."""

    path: Path | None = None
    url: str | None = field(default=None, repr=False)  # it may hold a password

    @classmethod
    def parse(cls, text: str) -> "Database":
        """Read what follows `--study-db`: a URL, or else a path to a SQLite file.

        Raises:
            ConfigError: it is a URL that cannot be read.
        """
        if not text or "\0" in text:
            raise ConfigError("--study-db: must be a path or a database URL, got nothing usable")
        if not _URL.match(text):
            return cls(path=Path(text))
        import sqlalchemy

        try:
            url = sqlalchemy.make_url(text)
            url.get_dialect()
        except (sqlalchemy.exc.ArgumentError, ValueError):  # ValueError: a port that is no number
            raise ConfigError("--study-db: not a database URL that can be read") from None
        if url.get_backend_name() != "sqlite":
            return cls(url=text)
        if not url.database or url.database == ":memory:" or url.query:
            raise ConfigError("--study-db: a SQLite URL names a file and nothing else")
        return cls(path=Path(url.database))

    def __str__(self) -> str:
        """Return the path, or the URL without its password."""
        if self.path is not None:
            return str(self.path)
        import sqlalchemy

        url = sqlalchemy.make_url(str(self.url))
        secret = {key: "***" for key in url.query if _SECRET.search(key)}
        return url.update_query_dict(secret).render_as_string(hide_password=True)

    def _without_secrets(self, text: str) -> str:
        """Return what a driver says, which may quote the address it was given."""
        if self.url is None:
            return text
        import sqlalchemy

        url = sqlalchemy.make_url(self.url)
        secrets = [url.password, *(url.query[key] for key in url.query if _SECRET.search(key))]
        for secret in map(str, filter(None, secrets)):
            text = text.replace(urllib.parse.quote(secret, safe=""), "***").replace(secret, "***")
        return text

    def engine(self) -> tuple[str, dict[str, Any]]:
        """Return a URL and engine arguments for SQLAlchemy.

        A SQLite path never becomes part of the URL, where `?`, `%` and `{}` would name another
        file.
        """
        if self.path is None:
            return str(self.url).replace("{", "{{").replace("}", "}}"), {}
        path = str(self.path.absolute())  # so that `:memory:` is a name like any other
        return "sqlite:///study", {"creator": lambda: _connect(path)}

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

        expected: tuple[type[Exception], ...] = (SQLAlchemyError, sqlite3.Error, OSError, *also)
        try:
            yield
        except ImportError as error:
            missing = getattr(error.__cause__ or error, "name", None)
            raise ConfigError(f"{self}: its driver is not installed: {missing}") from None
        except expected as error:
            raise self._explain(error) from None

    @contextmanager
    def read_as_ours(self, study: str) -> Iterator[None]:
        """Turn what reading raises, where a study holds something else than ours, into one line."""
        try:
            yield
        except _NOT_OURS as error:
            raise BadDataError(f"{self}: study {study!r} is damaged: {why(error)}") from error

    def _explain(self, error: Exception) -> NasError:
        origin: BaseException = error
        while origin.__cause__ is not None:
            origin = origin.__cause__
        reason = self._without_secrets(why(origin))
        if getattr(origin, "sqlite_errorcode", None) in _DAMAGED:
            return BadDataError(f"{self}: is no study database: {reason}")
        return StorageError(f"{self}: cannot be used: {reason}")


def _computes(sql: str | None) -> bool:
    """Say whether a table is more than rows: what it computes could go on for ever."""
    return bool(sql and re.search(r"\b(VIRTUAL\s+TABLE|GENERATED|AS\s*\()", sql, re.IGNORECASE))


def _connect(address: str, *, uri: bool = False) -> sqlite3.Connection:
    connection = sqlite3.connect(address, timeout=_BUSY_SECONDS, check_same_thread=False, uri=uri)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_VALUE_BYTES)
    return connection
