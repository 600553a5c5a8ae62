"""Names of any kind do no harm, odd paths mean what they say, and passwords are shown nowhere."""

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from typer.testing import CliRunner, Result

from made_pictures import noise, save
from made_search import begin, digits, place_in
from made_study import made_config
from nas_cifar10.cli.app import app
from nas_cifar10.runs.database import Database
from nas_cifar10.runs.place import Place
from nas_cifar10.search.record import describe_run
from nas_cifar10.text import harmless

CONFIG = """\
name: {name}
data: {{source: {source}, root: {root}, limit: 100}}
space: {{depth: [1, 2], channels: [4, 8], kernel_size: 3}}
training: {{epochs: 1, batch_size: 32, precision: fp32, threads: 1}}
search: {{trials: 2, cohort: 2, sampler: {{name: random}}}}
retrain: {{epochs: 1}}
"""
HOSTILE = "<script>alert('1')</script> \"x\" ../../etc \u202egnp.exe \u2066"
TURNED = "\u202e\u2066"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def nas(*words: str) -> Result:
    return CliRunner().invoke(app, words)


def write(path: Path, name: str = "x", source: str = "digits", root: str = "data") -> None:
    path.write_text(CONFIG.format(name=json.dumps(name), source=source, root=json.dumps(root)))


def test_a_hostile_name_is_one_folder_and_does_nothing_on_a_terminal(folder: Path) -> None:
    write(folder / "x.yaml", HOSTILE)
    result = nas("search", "--config", "x.yaml")
    assert result.exit_code == 0, result.output
    assert not set(TURNED) & set(result.output)
    assert r"\u202egnp.exe" in result.stdout
    assert [p.name for p in (folder / "outputs").iterdir()] == [
        "script-alert-1-script-x-etc-gnp-exe"
    ]
    assert [p.name for p in folder.parent.iterdir()] == ["here"]
    refused = nas("search", "--config", "x.yaml")
    assert refused.exit_code == 73
    assert not set(TURNED) & set(refused.output)


def test_hostile_class_names_do_nothing_on_a_terminal(folder: Path) -> None:
    names = ("<b>cat</b>", '"dog"', "..", "\u202etac")
    for number in range(6):
        save(folder / "data/train" / names[0] / f"{number}.png", noise(seed=number))
        save(folder / "data/train" / names[3] / f"{number}.png", noise(seed=10 + number))
    write(folder / "x.yaml", source="image_folder")
    result = nas("data", "--config", "x.yaml")
    assert result.exit_code == 0, result.output
    assert not set(TURNED) & set(result.output)
    assert r"\u202etac" in result.stdout


@pytest.mark.parametrize("name", ["a\x1b[31m", "a\nb", "a\x7f", " ", "x" * 201, "a\x85b"])
def test_a_study_is_not_called_what_no_config_may_be(folder: Path, name: str) -> None:
    write(folder / "x.yaml")
    result = nas("search", "--config", "x.yaml", "--study", name)
    assert result.exit_code == 2
    assert result.stderr.startswith("--study: ")
    assert result.stderr.count("\n") == 1
    assert "\x1b" not in result.stderr
    assert [path.name for path in folder.iterdir()] == ["x.yaml"]


def test_odd_paths_are_those_files_and_no_others(folder: Path) -> None:
    root, run = "bilder 5% {0} ü?", "läufe {} 50%/out? #1"
    for number in range(12):
        save(folder / root / "train" / "ab"[number % 2] / f"{number}.png", noise(seed=number))
    write(folder / "größe {1}?.yaml", source="image_folder", root=root)
    done = nas("run", "--config", "größe {1}?.yaml", "--run", run, "--json")
    assert done.exit_code == 0, done.output
    again = nas("retrain", "--run", run, "--resume", "--json")
    assert again.exit_code == 0, again.output
    assert (folder / run / "retrain" / "model.pt").is_file()
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [root, "läufe {} 50%", "größe {1}?.yaml"]
    )
    assert "outputs" not in {path.name for path in folder.iterdir()}


def test_what_turns_text_or_moves_a_cursor_is_written_as_an_escape() -> None:
    assert (
        harmless("a\x1b[31m\r\u202eb\n\u2069\udc80é漢")
        == "a\\x1b[31m\\r\\u202eb\n\\u2069\\udc80é漢"
    )


SECRET = "ge/heim"
URL = "postgresql+pg8000://anna:ge%2Fheim@host/db?sslpassword=ge%2Fheim&token=ge%2Fheim"


@pytest.fixture
def talkative_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a database driver that says everything it was told."""
    driver: Any = ModuleType("pg8000")
    driver.__version__, driver.paramstyle = "1.31.2", "format"
    driver.Error = driver.InterfaceError = driver.DatabaseError = type("Error", (Exception,), {})

    def connect(**told: object) -> None:
        raise driver.Error(f"no server at {told}, which is {URL}")

    driver.connect = connect
    monkeypatch.setitem(sys.modules, "pg8000", driver)


@pytest.mark.parametrize(
    "words",
    [
        ("search", "--config", "x.yaml"),
        ("run", "--config", "x.yaml", "--resume", "-v"),
        ("search", "--resume", "--run", "out"),
        ("retrain",),
        ("report",),
    ],
)
@pytest.mark.usefixtures("talkative_driver")
def test_a_database_that_cannot_be_reached_is_told_without_its_password(
    folder: Path, words: tuple[str, ...]
) -> None:
    write(folder / "x.yaml")
    result = nas(*words, "--study-db", URL)
    assert result.exit_code == 74, result.output
    assert "no server at" in result.stderr
    assert "heim" not in result.output
    assert "Traceback" not in result.output
    assert [path.name for path in folder.iterdir()] == ["x.yaml"]


def test_a_runs_files_hold_no_password(tmp_path: Path) -> None:
    place = place_in(tmp_path / "run")
    ready = begin(made_config(), place)
    elsewhere = Place(place.run, Database.parse(URL), "made")
    describe_run(ready.study, elsewhere, digits(), torch.device("cpu"))
    assert "***" in place.run.environment.read_text()
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or b"heim" not in path.read_bytes()


def test_a_databases_password_is_in_no_picture_of_it() -> None:
    database = Database.parse(URL)
    assert "heim" not in f"{database} {database!r} {[database]}"
