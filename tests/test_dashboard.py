"""The dashboard: on loopback, for reading alone, and gone when it is told to go."""

import json
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from made_study import made_config, made_study, play
from made_trained import refused
from nas_cifar10.dashboard import reading_only
from nas_cifar10.runs import environment
from nas_cifar10.runs.files import write_json
from nas_cifar10.runs.folder import RunFolder

EXTRA = "the extra [dashboard] is not installed"
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Return a run with a study of five trials."""
    run = RunFolder(tmp_path_factory.mktemp("run"))
    play(made_study(run.study, made_config()), 5)
    where = {"study": "made", "database": str(run.study)}
    when = {"started_at": "2026-11-23T10:00:00+00:00", "resumed_at": []}
    write_json(run.environment, environment.describe() | where | when)
    return run


@contextmanager
def served(run: RunFolder) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start the command on a free port, and yield the address it prints."""
    command = [sys.executable, "-m", "nas_cifar10", "dashboard", "--run", str(run.root)]
    process = subprocess.Popen(
        [*command, "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        address = process.stdout.readline().strip()
        assert address, process.communicate()[1]
        yield process, address
    finally:
        process.kill()
        process.communicate()


def ask(address: str, method: str = "GET", **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(address, method=method, headers=headers)
    try:
        with DIRECT.open(request, timeout=600) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_the_page_and_the_study_are_there_and_nothing_can_be_changed(run: RunFolder) -> None:
    pytest.importorskip("optuna_dashboard", reason=EXTRA)
    before = run.study.read_bytes()
    with served(run) as (process, address):
        assert address.startswith("http://127.0.0.1:")
        code, page = ask(address)
        assert code == 200
        assert "<html" in page
        home = address.partition("/dashboard")[0]
        (summary,) = json.loads(ask(f"{home}/api/studies")[1])["study_summaries"]
        assert summary["study_name"] == "made"
        assert address == f"{home}/dashboard/studies/{summary['study_id']}"
        detail = json.loads(ask(f"{home}/api/studies/{summary['study_id']}")[1])
        assert len(detail["trials"]) == 5
        for method in ("DELETE", "POST", "PUT"):
            code, reason = ask(f"{home}/api/studies/{summary['study_id']}", method)
            assert (code, reason) == (405, "this dashboard only reads\n")
        code, reason = ask(f"{home}/api/studies", Host="evil.example")
        assert (code, reason) == (403, f"open {home}/\n")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
    assert run.study.read_bytes() == before


@pytest.mark.parametrize(
    ("port", "host", "status"),
    [
        (80, "127.0.0.1", "200 OK"),
        (80, "localhost", "200 OK"),
        (80, "evil.example", "403 Forbidden"),
        (8080, "localhost:8080", "200 OK"),
        (8080, "localhost", "403 Forbidden"),
    ],
)
def test_a_browser_leaves_out_the_port_of_the_web(port: int, host: str, status: str) -> None:
    told: list[str] = []

    def reads(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return []

    answer = reading_only(reads, port)

    def start(said: str, *_: Any) -> Any:
        told.append(said)

    answer({"HTTP_HOST": host, "REQUEST_METHOD": "GET"}, start)
    assert told == [status]


def test_it_listens_on_loopback_alone(run: RunFolder) -> None:
    pytest.importorskip("optuna_dashboard", reason=EXTRA)
    from nas_cifar10.dashboard import open_server
    from nas_cifar10.runs.database import Database

    server, _ = open_server(Database(path=run.study), None, 0)
    with server:
        assert server.socket.getsockname()[0] == "127.0.0.1"


def test_sigterm_ends_it_with_its_own_code(run: RunFolder) -> None:
    pytest.importorskip("optuna_dashboard", reason=EXTRA)
    with served(run) as (process, _):
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 143


def test_a_port_that_is_taken_or_none_is_refused(run: RunFolder) -> None:
    pytest.importorskip("optuna_dashboard", reason=EXTRA)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        message = refused(73, "dashboard", "--run", run.root, "--port", port)
    assert f"--port: cannot listen at 127.0.0.1:{port}" in message
    message = refused(2, "dashboard", "--run", run.root, "--port", 65536)
    assert "--port: must be 0 (any free one) to 65535, got 65536" in message


def test_without_the_package_it_says_what_installs_it(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna_dashboard", None)
    message = refused(66, "dashboard", "--run", run.root)
    assert "pip install 'nas-cifar10[dashboard]'" in message


def test_without_a_run_it_says_so(tmp_path: Path) -> None:
    assert "holds no run" in refused(66, "dashboard", "--run", tmp_path)
