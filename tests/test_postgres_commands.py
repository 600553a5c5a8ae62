"""The commands with a study on a server: from anywhere, and without its password in any output."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import nullcontext
from pathlib import Path

import pytest

from made_chaos import Ended, fork, nas, observed, say_to
from made_postgres import PASSWORD, USER, Server
from made_report import undrawn
from made_tiny import tiny_yaml
from nas_cifar10.runs.database import Database
from nas_cifar10.runs.database_lock import StudyLock

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),  # fork: no thread runs
]
SECRET = "heim5"  # what is left of the password in whatever form it is written
SEARCH = ("search", "--config", "x.yaml", "--study-db")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "x.yaml").write_text(tiny_yaml())
    return tmp_path / "here"


def said(folder: Path, *words: str, drawn: bool = False, **environment: str) -> Ended:
    """Run a command there; whatever it says and writes must not hold the password."""

    def command() -> None:
        os.environ.update(environment)
        with nullcontext() if drawn else undrawn(words[0]):
            nas(folder, *words)

    ended = observed(command, folder / "said", seconds=120)
    is_told_nowhere(folder)
    assert "Traceback" not in ended.said
    return ended


def is_told_nowhere(folder: Path) -> None:
    for path in folder.rglob("*"):
        assert path.is_dir() or SECRET.encode() not in path.read_bytes(), path


def test_a_password_in_the_address_is_told_nowhere(server: Server, folder: Path) -> None:
    url = server.url(server.new_database())
    ended = said(folder, "run", "--config", "x.yaml", "--study-db", url, "-v", drawn=True)
    assert ended.code == 0, ended.said
    run = ("--run", "outputs/tiny-run")
    assert ":***@127.0.0.1" in (folder / "outputs/tiny-run/environment.json").read_text()
    assert said(folder, *SEARCH, url).code == 73
    assert said(folder, *SEARCH, url, "--resume", "--json").code == 0
    assert said(folder, *SEARCH, url.replace(SECRET, f"{SECRET}x"), "-v").code == 74
    with StudyLock(Database.parse(url), "tiny run"):
        refused = said(folder, *SEARCH, url, "--resume")
        assert refused.code == 73
        assert f"is in use by process {os.getpid()} on " in refused.said
    # What was hidden is asked of the environment.
    assert said(folder, "search", *run, "--resume", PGPASSWORD=PASSWORD).code == 0
    without = said(folder, "show", *run)
    assert without.code == 74
    assert "no password supplied" in without.said


def test_the_command_that_goes_on_hides_the_password(server: Server, folder: Path) -> None:
    url = server.url(server.new_database())
    log = folder / "said"

    def command() -> None:
        say_to(log)
        nas(folder, *SEARCH, url, "--set", "search.trials=400", "-v")

    pid = fork(command)
    assert pid > 1
    while not (folder / "outputs/tiny-run/trials").exists():
        assert os.waitpid(pid, os.WNOHANG) == (0, 0), log.read_text()
        time.sleep(0.05)
    os.kill(pid, signal.SIGTERM)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 143
    assert f"--study-db 'postgresql+psycopg://{USER}:***@127.0.0.1:" in log.read_text()
    is_told_nowhere(folder)


def test_another_machine_needs_only_the_address(
    server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = folder.parent / "pgpass"
    secrets.write_text(f"127.0.0.1:*:*:{USER}:{PASSWORD}\n")
    secrets.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(secrets))
    url = server.url(server.new_database(), password=False)
    assert said(folder, *SEARCH, url).code == 0
    there = folder.parent / "there"
    there.mkdir()
    shown = said(there, "show", "--study-db", url, "--json")
    assert shown.code == 0
    assert json.loads(shown.said)["trials"]["requested"] == 4
    assert not (there / "outputs").exists()
    reported = said(there, "report", "--study-db", url)
    assert reported.code == 0, reported.said
    assert "tiny-run has no environment.json, pictures.npz, retrain/: they lie" in reported.said
    assert (there / "outputs/tiny-run/report.html").exists()
    assert (there / "outputs/tiny-run/config.yaml").read_bytes() == (
        folder / "outputs/tiny-run/config.yaml"
    ).read_bytes()
    assert said(there, "retrain", "--study-db", url).code == 0
    again = said(there, "report", "--study-db", url)
    assert "they lie in the folder where" not in again.said
    dashboard_answers(there, url)


def dashboard_answers(folder: Path, url: str) -> None:
    command = [sys.executable, "-m", "nas_cifar10", "dashboard", "--study-db", url, "--port", "0"]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process:
        try:
            address = process.stdout.readline().strip()
            root = address.partition("/dashboard")[0]
            direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with direct.open(f"{root}/api/studies", timeout=600) as answer:
                assert b"tiny run" in answer.read()
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
        finally:
            process.kill()


def test_a_whole_search_outlives_a_restart(server: Server, folder: Path) -> None:
    url, log = server.url(server.new_database()), folder / "log"
    command = [sys.executable, "-m", "nas_cifar10", *SEARCH, url]
    command += ["--workers", "2", "--set", "search.trials=40"]
    # Not forked: a process that has had workers cannot have any in what it forks.
    with (
        log.open("w") as said_to,
        subprocess.Popen(command, cwd=folder, stdout=said_to, stderr=said_to) as process,
    ):
        while not (folder / "outputs/tiny-run/trials").exists():
            assert process.poll() is None, log.read_text()
            time.sleep(0.02)
        server.restart("immediate", away=1.0)
        assert process.wait(300) == 0, log.read_text()
    assert "answers again, after" in log.read_text()
    assert ":***@127.0.0.1" in log.read_text()
    assert "Traceback" not in log.read_text()
    is_told_nowhere(folder)
