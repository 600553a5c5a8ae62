"""Who may drive a study that a PostgreSQL server keeps; knows neither trials nor run folders.

An advisory lock belongs to a connection: the server lets go of it when its holder ends, however it
ends, and also when the server itself does.
"""

from __future__ import annotations

import hashlib
import os
import socket
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TYPE_CHECKING

from nas_cifar10 import interrupts
from nas_cifar10.errors import CannotCreateError
from nas_cifar10.runs.database import Database, ServerAwayError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

_SETTLE_SECONDS = 1.0  # until a server has noticed that a killed driver is gone
_PAUSE_SECONDS = 0.1
_SCHEMA_WAIT = "60s"
_HOLDER = """
SELECT coalesce(nullif(activity.application_name, ''), 'server process ' || activity.pid)
FROM pg_locks AS held JOIN pg_stat_activity AS activity USING (pid)
WHERE held.locktype = 'advisory' AND held.granted AND held.objsubid = 1
  AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (held.classid::bigint << 32) | held.objid::bigint = :value
"""


class StudyLock(AbstractContextManager["StudyLock"]):
    """The right to drive one study, held on a connection of its own."""

    def __init__(self, database: Database, study: str) -> None:
        """Take nothing yet."""
        self._database, self._study = database, study
        self._key = _key(f"study {study}")
        self._engine: Engine | None = None
        self._connection: Connection | None = None
        # Names of connections have at most 63 bytes.
        self.name = f"process {os.getpid()} on {socket.gethostname()}"[:60]

    def __enter__(self) -> StudyLock:
        """Take the lock.

        Raises:
            CannotCreateError: another driver holds it.
            NasError: the server cannot be reached, or its driver is not installed.
        """
        with self._database.explained():
            self._take()
        return self

    def __exit__(self, *error: object) -> None:
        """Let go of it."""
        self._close()

    def ensure(self) -> bool:
        """Make sure that the lock is held, which a restart of the server took away.

        Returns:
            Whether it had to be taken again.

        Raises:
            ServerAwayError: the server does not answer.
            CannotCreateError: another driver has taken it meanwhile.
        """
        if self._connection is not None:
            try:
                _scalar(self._connection, "SELECT 1")
                return False
            except ServerAwayError:
                self._close()
        self._take(again=True)
        return True

    def _take(self, *, again: bool = False) -> None:
        self._engine = self._engine or self._database.open_server()
        connection = self._engine.connect()
        try:
            _scalar(connection, "SELECT set_config('application_name', :value, false)", self.name)
            end = time.monotonic() + _SETTLE_SECONDS
            while not _scalar(connection, "SELECT pg_try_advisory_lock(:value)", self._key):
                holder = _scalar(connection, _HOLDER, self._key)
                if again and holder == self.name:
                    raise ServerAwayError("the server still holds on to a connection that is lost")
                if time.monotonic() > end:
                    raise CannotCreateError(self._refusal(holder))
                interrupts.check()
                time.sleep(_PAUSE_SECONDS)
        except BaseException:
            connection.close()
            raise
        self._connection = connection

    def _refusal(self, holder: object) -> str:
        return (
            f"{self._database}: study {self._study!r} is in use by {holder or 'another process'}; "
            f"wait for it, or name another study with --study"
        )

    def _close(self) -> None:
        if self._connection is not None:
            with suppress(ServerAwayError):
                self._connection.close()
            self._connection = None


@contextmanager
def schema_lock(database: Database) -> Iterator[None]:
    """Let one process at a time look for the tables of studies and make what is missing."""
    if not database.is_postgresql:
        yield
        return
    with database.open_server().connect() as connection:
        _scalar(connection, f"SELECT set_config('lock_timeout', '{_SCHEMA_WAIT}', false)")
        _scalar(connection, "SELECT pg_advisory_lock(:value)::text", _key("tables"))
        yield


def _key(name: str) -> int:
    """Return what stands for a name among a database's advisory locks."""
    digest = hashlib.sha256(f"nas-cifar10 {name}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def _scalar(connection: Connection, query: str, value: str | int | None = None) -> object:
    import sqlalchemy

    return connection.scalar(sqlalchemy.text(query), {} if value is None else {"value": value})
