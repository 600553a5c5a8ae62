"""`nas show`: totals and leaderboard, as a table, as JSON, and live on a terminal."""

import json
import os
import pty
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from made_holder import Holder
from made_report import undrawn
from made_search import adds_up
from made_terminal import read_until
from made_tiny import tiny_yaml
from nas_cifar10.cli import train
from nas_cifar10.cli.app import app
from nas_cifar10.interrupts import Interrupted
from nas_cifar10.runs.files import read_csv, read_json, write_json
from nas_cifar10.runs.folder import OUTPUTS, RunFolder
from nas_cifar10.runs.lock import locked
from nas_cifar10.search import executors
from nas_cifar10.segment import Failed

TINY = tiny_yaml()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("show")
    (folder / "tiny.yaml").write_text(TINY)
    with undrawn():
        nas("search", "--config", str(folder / "tiny.yaml"), "--run", str(folder / "run"), "-q")
    return RunFolder(folder / "run")


def nas(*words: str) -> Result:
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    return result


def test_the_table_has_a_line_a_trial_the_best_first(run: RunFolder) -> None:
    head, columns, *lines = nas("show", "--run", str(run.root)).stdout.splitlines()
    assert head.startswith("tiny run: 4 of 4 trials ended, ")
    assert columns.split() == [
        "trial",
        "accuracy",
        "epochs",
        "parameters",
        "state",
        "network",
    ]
    rows = read_csv(run.trials)
    complete = [row for row in rows if row["state"] == "complete"]
    best = max(complete, key=lambda row: (float(row["validation_accuracy"]), -int(row["trial"])))
    assert lines[0].split()[:2] == [best["trial"], f"{float(best['validation_accuracy']):.4f}"]
    assert sorted(line.split()[0] for line in lines) == [row["trial"] for row in rows]


def test_json_holds_the_totals_and_every_trial(run: RunFolder) -> None:
    found = json.loads(nas("show", "--run", str(run.root), "--json").stdout)
    adds_up(found)
    rows = read_csv(run.trials)
    assert [list(row) for row in found["leaderboard"]] == [list(rows[0])] * len(rows)
    assert {row["trial"] for row in found["leaderboard"]} == {int(row["trial"]) for row in rows}


def test_it_writes_nothing(run: RunFolder) -> None:
    before = {path: path.stat().st_mtime_ns for path in run.root.rglob("*")}
    nas("show", "--run", str(run.root))
    assert {path: path.stat().st_mtime_ns for path in run.root.rglob("*")} == before


def on_terminal(run: RunFolder, **environment: str) -> str:
    ours, theirs = pty.openpty()
    words = [str(Path(sys.executable).parent / "nas"), "show", "--run", str(run.root)]
    around = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    with subprocess.Popen(words, stdout=theirs, stderr=theirs, env=around | environment) as shown:
        os.close(theirs)
        seen = read_until(ours, None, seconds=60).decode()
    assert shown.returncode == 0, seen
    return seen


def test_on_a_narrow_terminal_only_the_network_wraps_and_nothing_is_lost(run: RunFolder) -> None:
    seen = re.sub(r"\x1b\[[\d;]*m", "", on_terminal(run, COLUMNS="60", NO_COLOR="1"))
    lines = [line.rstrip() for line in seen.splitlines() if line.strip()]
    head = next(place for place, line in enumerate(lines) if line.startswith("trial"))
    assert lines[head].split() == ["trial", "accuracy", "epochs", "parameters", "state", "network"]
    rows = lines[head + 1 :]
    assert all(len(row) <= 60 for row in rows)
    column = lines[head].index("network")
    assert {row[:column].split()[0] for row in rows if row[:column].strip()} == {*"0123"}
    assert sum("rate" in row[column:] for row in rows) == 4


def leave_a_trial_running(database: Path | str) -> None:
    """Make of a finished study one whose search was killed at its last trial."""
    with closing(sqlite3.connect(database)) as study, study:
        study.execute("UPDATE trials SET state = 'RUNNING' WHERE number = 3")


def test_what_nobody_goes_on_with_is_interrupted_and_says_what_goes_on(
    run: RunFolder, tmp_path: Path
) -> None:
    stopped = RunFolder(Path(shutil.copytree(run.root, tmp_path / "run")))
    leave_a_trial_running(stopped.study)
    shown = nas("show", "--run", str(stopped.root))
    assert " interrupted " in shown.stdout
    assert shown.stderr.endswith(f"nas search --run {stopped.root} --resume\n")
    with Holder(stopped.root):
        shown = nas("show", "--run", str(stopped.root))
        assert " running " in shown.stdout
        assert "--resume" not in shown.stderr


def test_a_search_between_two_cohorts_says_what_goes_on(run: RunFolder, tmp_path: Path) -> None:
    stopped = RunFolder(Path(shutil.copytree(run.root, tmp_path / "run")))
    with undrawn():
        more = ("--resume", "--set", "search.trials=9", "--set", "search.max_minutes=1e-6")
        nas("search", "--run", str(stopped.root), *more, "-q")
    shown = nas("show", "--run", str(stopped.root))
    assert " interrupted " not in shown.stdout
    again = f"nas search --run {stopped.root} --resume --set search.max_minutes=null"
    assert shown.stderr.endswith(f"unfinished; this goes on: {again}\n")


def test_a_search_that_ran_elsewhere_is_not_called_interrupted(
    run: RunFolder, tmp_path: Path
) -> None:
    """A retrain made this folder; where the search goes on cannot be seen from here."""
    here, elsewhere = RunFolder(tmp_path / "run"), tmp_path / "elsewhere.db"
    here.root.mkdir()
    shutil.copy(run.study, elsewhere)
    found = read_json(run.environment) | {"database": str(elsewhere)}
    write_json(here.environment, found)
    leave_a_trial_running(elsewhere)
    shown = nas("show", "--run", str(here.root))
    assert " running " in shown.stdout
    assert "--resume" not in shown.stderr


def test_a_study_elsewhere_is_shown_whatever_the_folder_of_its_name_holds(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    damaged = RunFolder(OUTPUTS / "tiny-run")
    damaged.checkpoints.mkdir(parents=True)
    damaged.environment.write_text("{")
    shutil.copy(run.study, "elsewhere.db")
    leave_a_trial_running("elsewhere.db")
    assert " running " in nas("show", "--study-db", "elsewhere.db").stdout


def test_another_study_than_the_runs_own_is_not_resumed_there(
    run: RunFolder, tmp_path: Path
) -> None:
    stopped = RunFolder(Path(shutil.copytree(run.root, tmp_path / "run")))
    leave_a_trial_running(stopped.study)
    write_json(stopped.environment, read_json(stopped.environment) | {"study": "another"})
    shown = nas("show", "--run", str(stopped.root), "--study", "tiny run")
    assert " running " in shown.stdout
    assert "--resume" not in shown.stderr


def test_no_color_is_obeyed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = Failed("diverged: not a finite number in epoch 1")
    monkeypatch.setattr(executors, "train_segment", lambda *words: failed)
    (tmp_path / "tiny.yaml").write_text(TINY)
    run = RunFolder(tmp_path / "run")
    words = ["search", "--config", str(tmp_path / "tiny.yaml"), "--run", str(run.root)]
    assert CliRunner().invoke(app, words).exit_code == 3
    coloured = re.compile(r"\x1b\[(\d+;)*(3[0-8]|4[0-8]|9\d|10\d)[;m]")
    assert "\x1b[31mfailed" in on_terminal(run, TERM="xterm-256color")
    plain = on_terminal(run, TERM="xterm-256color", NO_COLOR="1")
    assert "failed" in plain
    assert not coloured.search(plain)


def stop(*_: object) -> None:
    raise Interrupted(2)


def test_on_a_terminal_it_follows_a_search_to_its_end(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = RunFolder(Path(shutil.copytree(run.root, tmp_path / "run")))
    words = ["search", "--config", str(run.root.parent / "tiny.yaml"), "--run", str(stopped.root)]
    with monkeypatch.context() as patch:
        patch.setattr(train, "run_search", stop)
        more = ["--resume", "--set", "search.trials=5"]
        assert CliRunner().invoke(app, [*words, *more]).exit_code == 130
    ours, theirs = pty.openpty()
    nas_command = [str(Path(sys.executable).parent / "nas"), "show", "--run", str(stopped.root)]
    with locked(stopped):
        followed = subprocess.Popen(nas_command, stdout=theirs, stderr=theirs)
        os.close(theirs)
        seen = read_until(ours, b"4 of 5 trials", seconds=60)
        assert followed.poll() is None, "it goes on while the run is held"
    seen += read_until(ours, None, seconds=60)
    assert followed.wait(timeout=60) == 0
    assert seen.count(b"tiny run: 4 of 5 trials ended") >= 2


def test_a_search_that_has_ended_is_not_followed_while_a_retrain_holds_the_run(
    run: RunFolder,
) -> None:
    with locked(run):
        assert on_terminal(run).count("tiny run: 4 of 4 trials ended") == 1
