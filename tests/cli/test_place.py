"""Which folder and which study a command means, and that it never mixes two."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from made_trained import nas, refused
from nas_cifar10.runs.database import Database
from nas_cifar10.runs.files import read_json, write_json

CONFIG = """\
name: tiny run
data: {source: digits, limit: 200}
space: {depth: [1, 2], channels: [4, 8], kernel_size: 3, training: {learning_rate: [0.003, 0.01]}}
training: {epochs: 1, batch_size: 64, precision: fp32, threads: 1}
search: {trials: 4, cohort: 4}
retrain: {epochs: 1}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(CONFIG)
    return tmp_path


def test_a_study_of_another_name_is_not_put_into_a_run(folder: Path) -> None:
    assert nas("search", "--config", "tiny.yaml", "--study-db", "both.db").exit_code == 0
    other = ("--study-db", "both.db", "--run", "outputs/other", "--study", "other")
    assert nas("search", "--config", "tiny.yaml", *other).exit_code == 0
    before = {path: path.read_bytes() for path in folder.rglob("outputs/*/*.*")}
    for command in ("retrain", "report"):
        words = (command, "--run", "outputs/tiny-run", "--study", "other")
        told = f"holds the run of study 'tiny run' in {folder}/both.db, not of 'other'"
        assert told in refused(73, *words)
    assert {path: path.read_bytes() for path in before} == before
    assert nas("show", "--run", "outputs/tiny-run", "--study", "other").exit_code == 0
    for command in ("retrain", "report", "show"):
        words = (command, "--run", "outputs/tiny-run", "--study", "third")
        assert "'other', 'tiny run'" in refused(2, *words)


def test_a_run_that_is_replaced_by_one_of_another_name_leaves_no_study(folder: Path) -> None:
    assert nas("search", "--config", "tiny.yaml", "--run", "runs/a").exit_code == 0
    other = ("--set", "name=other", "--run", "runs/a", "--overwrite")
    assert nas("search", "--config", "tiny.yaml", *other).exit_code == 0
    shown = nas("show", "--study-db", "runs/a/study.db")
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.startswith("other: ")


@pytest.mark.parametrize(
    ("words", "place"),
    [
        (("predict", "--run", ""), "--run"),
        (("predict", "--run="), "--run"),
        (("predict", ""), "predict"),
        (("predict", "a\x1b]0;b", ""), "a\\x1b]0;b"),
        (("",), "nas"),
    ],
)
def test_an_empty_word_is_not_the_current_folder(
    folder: Path, words: tuple[str, ...], place: str
) -> None:
    command = [sys.executable, "-m", "nas_cifar10", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    told = f"{place}: what follows is empty; is a variable of the shell not set?\n"
    assert done.stderr == told


@pytest.mark.parametrize("text", ["", "{", "[]", '{"study": 3}'])
def test_a_damaged_record_of_a_run_says_how_to_go_on_without_it(folder: Path, text: str) -> None:
    assert nas("search", "--config", "tiny.yaml", "--run", "runs/a").exit_code == 0
    (folder / "runs/a/environment.json").write_text(text)
    message = refused(65, "show", "--run", "runs/a")
    assert message.endswith("; remove it, and name the study with --study-db\n")


def test_a_config_and_a_database_within_a_run_mean_that_run(folder: Path) -> None:
    assert nas("search", "--config", "tiny.yaml", "--run", "runs/a").exit_code == 0
    words = ("search", "--config", "tiny.yaml", "--study-db", "runs/a/study.db")
    assert "runs/a: holds a run already (study 'tiny run')" in refused(73, *words)
    assert nas(*words, "--resume", "--set", "search.trials=5").exit_code == 0
    assert not (folder / "outputs").exists()
    assert len((folder / "runs/a/trials.csv").read_text().splitlines()) == 6


def test_a_config_goes_on_with_the_database_that_its_run_names(folder: Path) -> None:
    assert nas("search", "--config", "tiny.yaml", "--study-db", "elsewhere.db").exit_code == 0
    words = ("search", "--config", "tiny.yaml", "--resume", "--set", "search.trials=5")
    assert nas(*words).exit_code == 0
    assert not (folder / "outputs/tiny-run/study.db").exists()
    assert len((folder / "outputs/tiny-run/trials.csv").read_text().splitlines()) == 6


def test_a_study_that_somebody_else_made_is_not_called_a_run(folder: Path) -> None:
    assert nas("search", "--config", "tiny.yaml", "--study-db", "shared.db").exit_code == 0
    (folder / "outputs").rename(folder / "theirs")
    message = refused(73, "search", "--config", "tiny.yaml", "--study-db", "shared.db")
    assert "shared.db: already holds a study 'tiny run'" in message
    assert "another name with --study" in message


def test_a_database_without_a_name_is_refused(folder: Path) -> None:
    for text in ("/", ".", "sqlite:////"):
        message = refused(2, "search", "--config", "tiny.yaml", "--study-db", text)
        assert "--study-db: must name a file, got" in message


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("a.db", "./b/../a.db", True),
        ("a.db", "b.db", False),
        ("a.db", "postgresql+psycopg://h/a", False),
        ("postgresql+psycopg://h/a", "postgresql://anna:secret@h.example.org:5432/a", True),
        ("postgresql+psycopg://h/a", "postgresql+psycopg://h/b", False),
        ("postgresql+psycopg://h/a", "mysql+pymysql://h/a", False),
    ],
)
def test_databases_are_told_apart_as_far_as_their_names_can(
    one: str, other: str, *, same: bool
) -> None:
    assert Database.parse(one).may_be(Database.parse(other)) == same
    assert Database.parse(other).may_be(Database.parse(one)) == same


def test_a_run_does_not_write_over_the_config_it_is_given(folder: Path) -> None:
    own = folder / "mine" / "config.yaml"
    own.parent.mkdir()
    own.write_text(f"# my notes\n{CONFIG}")
    for more in ((), ("--overwrite",), ("--resume",)):
        message = refused(73, "search", "--config", own, "--run", "mine", *more)
        assert "would write its resolved config over this file; name another folder" in message
    assert own.read_text() == f"# my notes\n{CONFIG}"
    assert nas("search", "--config", own, "--run", "run").exit_code == 0
    again = ("search", "--config", "run/config.yaml", "--run", "run")
    assert nas(*again, "--resume", "--set", "search.trials=5").exit_code == 0
    (folder / "run" / "environment.json").unlink()  # as by a kill while it is overwritten
    assert "would write its resolved config" in refused(73, *again)
    assert nas(*again, "--overwrite").exit_code == 0


def test_a_record_that_names_no_database_is_damaged(folder: Path) -> None:
    assert nas("search", "--config", "tiny.yaml", "--run", "run").exit_code == 0
    path = folder / "run" / "environment.json"
    for named in ("", "sqlite://", "postgresql+psycopg_async://anna:secret@host/nas"):
        write_json(path, read_json(path) | {"database": named})
        message = refused(65, "report", "--run", "run")
        assert "run/environment.json: is damaged: database" in message
        assert "secret" not in message


def test_an_asynchronous_driver_is_no_name_of_a_file(folder: Path) -> None:
    words = ("search", "--config", "tiny.yaml", "--study-db")
    message = refused(2, *words, "postgresql+psycopg_async://anna:secret@host/nas")
    assert "--study-db: postgresql+psycopg_async is asynchronous; name another driver" in message
    assert "not a database URL" in refused(2, *words, " postgresql://anna:secret@host/nas")
    assert sorted(path.name for path in folder.iterdir()) == ["tiny.yaml"]


@pytest.mark.parametrize(
    "around",
    [
        {"MPLBACKEND": "module://matplotlib_inline.backend_inline"},
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
)
def test_what_stands_around_a_process_ends_no_report(folder: Path, around: dict[str, str]) -> None:
    """A notebook's backend, and a terminal that cannot write every letter."""
    named = ("--set", "name=my ☀ search", "--run", "runs/a")
    assert nas("search", "--config", "tiny.yaml", *named).exit_code == 0
    for asked in ("show", "report"):
        command = [sys.executable, "-m", "nas_cifar10", asked, "--run", "runs/a"]
        done = subprocess.run(
            command, capture_output=True, check=False, cwd=folder, env=os.environ | around
        )
        assert done.returncode == 0, done.stderr
        assert b"search" in done.stdout
        assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words", [("predict", "a.png"), ("show", "--run", "."), ("validate", "a.png")]
)
def test_a_path_that_may_not_be_read_is_answered_by_who_reads_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """Typer would look, and refuse all pictures for one; tests run as root, who may read all."""
    monkeypatch.setattr(os, "access", lambda *words, **named: False)
    (folder / "a.png").write_bytes(b"")
    assert "is not readable" not in nas(*words).output
