"""Where a study is kept: paths and URLs, opened so that odd characters and secrets stay harmless.

Knows no trial. Needs no optuna, so that a wrong path is answered at once.
"""

import re
import sqlite3
import urllib.parse
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy

from nas_cifar10.errors import BadDataError, ConfigError, MissingInputError

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.]*://")


@dataclass(frozen=True)
class Database:
    """A SQLite file, or the URL of a server; exactly one of the two is set."""

    path: Path | None = None
    url: str | None = None

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
        try:
            url = sqlalchemy.make_url(text)
        except sqlalchemy.exc.ArgumentError:
            raise ConfigError("--study-db: not a database URL that can be read") from None
        if url.get_backend_name() != "sqlite":
            return cls(url=text)
        if not url.database or url.query:
            raise ConfigError("--study-db: a SQLite URL names a file and nothing else")
        return cls(path=Path(url.database))

    def __str__(self) -> str:
        """Return the path, or the URL without its password."""
        if self.path is not None:
            return str(self.path)
        return sqlalchemy.make_url(str(self.url)).render_as_string(hide_password=True)

    def engine(self) -> tuple[str, dict[str, Any]]:
        """Return a URL and engine arguments for SQLAlchemy.

        A SQLite path never becomes part of the URL, where `?`, `%` and `{}` would name another
        file.
        """
        if self.path is None:
            return str(self.url).replace("{", "{{").replace("}", "}}"), {}
        path = self.path

        def connect() -> sqlite3.Connection:
            return sqlite3.connect(path, timeout=60, check_same_thread=False)

        return "sqlite:///study", {"creator": connect}

    def check_is_study(self) -> None:
        """Look into a SQLite file without changing it.

        Raises:
            MissingInputError: there is no such file.
            BadDataError: it is no SQLite database, or one that holds no studies.
        """
        if self.path is None:
            return
        if not self.path.is_file():
            raise MissingInputError(f"{self.path}: no such study database")
        quoted = urllib.parse.quote(str(self.path.resolve()))
        try:
            with closing(sqlite3.connect(f"file:{quoted}?mode=ro", uri=True)) as connection:
                names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
                if "studies" in names:
                    connection.execute("SELECT count(*) FROM studies")
        except sqlite3.Error as error:
            raise BadDataError(f"{self.path}: is no study database: {error}") from None
        if "studies" not in names or "trials" not in names:
            raise BadDataError(f"{self.path}: is a database, but holds no studies")
