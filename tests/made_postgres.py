"""A PostgreSQL server for tests: its own, on loopback, with a password, gone with the tests."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from made_ports import free_port

USER, PASSWORD, QUOTED = "anna", "ge/heim5%", "ge%2Fheim5%25"


def binaries() -> Path | None:
    """Return the folder of the server's programs, the newest where there are several."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    newest = found[-1] if found else on_path and Path(on_path)
    return Path(newest).parent if newest else None


class Server:
    """A server that can be stopped and started; each database is asked for by its name."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder, self.programs = folder, programs
        self.port = free_port()
        self._count = 0
        secret = folder / "secret"
        secret.write_text(PASSWORD)
        for path in (folder, secret):
            os.chown(path, *self._who())
        options = ["--no-sync", "--auth=scram-sha-256", f"--pwfile={secret}", f"--username={USER}"]
        self._run("initdb", *options)

    def _who(self) -> tuple[int, int]:
        """Return who runs the server, which refuses to be root's."""
        if os.geteuid() != 0:
            return os.geteuid(), os.getegid()
        known = {entry.pw_name: entry for entry in pwd.getpwall()}
        entry = known.get("postgres") or known["nobody"]
        return entry.pw_uid, entry.pw_gid

    def _run(self, program: str, *words: str) -> None:
        user, group = self._who()
        as_user: dict[str, Any] = {}
        if os.geteuid() == 0:
            as_user = {"user": user, "group": group, "extra_groups": []}
        log = (self.folder / "said").open("ab")
        command = [str(self.programs / program), "-D", str(self.folder / "data"), *words]
        with log:
            subprocess.run(command, stdout=log, stderr=log, check=True, **as_user)

    def start(self) -> None:
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        self._run("pg_ctl", "start", "-w", "-l", str(self.folder / "log"), "-o", options)

    def stop(self, how: str = "fast") -> None:
        self._run("pg_ctl", "stop", "-w", "-m", how)

    def restart(self, how: str, away: float = 0.0) -> None:
        self.stop(how)
        time.sleep(away)
        self.start()

    def new_database(self) -> str:
        """Make an empty database, and return its name."""
        self._count += 1
        name = f"t{self._count}"
        self.ask(f"CREATE DATABASE {name}")
        return name

    def ask(self, query: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        with psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=USER,
            password=PASSWORD,
            dbname=database,
            autocommit=True,
        ) as connection:
            found = connection.execute(query)
            return found.fetchall() if found.description else []

    def url(self, database: str, password: bool = True, port: int | None = None) -> str:
        who = f"{USER}:{QUOTED}" if password else USER
        return f"postgresql+psycopg://{who}@127.0.0.1:{port or self.port}/{database}"

    def end_connections(self, database: str) -> int:
        """End all connections to a database, as an administrator would; return how many."""
        others = f"datname = '{database}' AND pid <> pg_backend_pid()"
        query = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"
        return len(self.ask(query))


@contextmanager
def running_server() -> Iterator[Server]:
    """Start a server; where there is none to start, the test is skipped."""
    programs = binaries()
    if programs is None:
        pytest.skip("no PostgreSQL server here: install Debian's package postgresql")
    folder = Path(tempfile.mkdtemp(prefix="nas-pg-"))
    server = Server(folder, programs)
    server.start()
    try:
        yield server
    finally:
        server.stop("immediate")
        shutil.rmtree(folder)
