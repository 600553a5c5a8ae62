"""A run's folder: names, and writes that happen whole or not at all."""

import errno
import fcntl
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_cifar10.errors import (
    BadDataError,
    CannotCreateError,
    MissingInputError,
    NasError,
    StorageError,
)
from nas_cifar10.runs.files import (
    read_csv,
    read_json,
    write_atomic,
    write_csv,
    write_json,
    write_text,
)
from nas_cifar10.runs.folder import RunFolder, latest, slug


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("default", "default"),
        ("My First  Run!", "my-first-run"),
        ("Größe Ünïcode", "groe-unicode"),
        ("../../etc/passwd", "etc-passwd"),
        ("a" * 200, "a" * 80),
        ("a" * 79 + "-bc", "a" * 79),
        ("搜索", "u641c-7d22"),
        ("!", "u21"),
    ],
)
def test_a_name_becomes_a_plain_folder_name(name: str, expected: str) -> None:
    assert slug(name) == expected


@given(st.text(min_size=1, max_size=200))
def test_any_name_becomes_one_harmless_folder_name(name: str) -> None:
    found = slug(name)
    assert 0 < len(found) <= 120
    assert set(found) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert found[0] != "-"
    assert found == slug(name)


def test_a_file_is_written_whole_with_the_folders_above_it(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file.bin"
    for content in (b"one", b"", b"three" * 1000):
        write_atomic(path, content)
        assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    ("number", "expected", "advice"),
    [
        (errno.ENOSPC, StorageError, "No space left on device; free some space and go on with"),
        (errno.EDQUOT, StorageError, ".*uota exceeded; free some space and go on with --resume"),
        (errno.EIO, StorageError, "Input/output error$"),
        (errno.EROFS, CannotCreateError, "cannot be written: Read-only file system$"),
    ],
)
def test_the_old_content_stands_when_a_write_fails(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    expected: type[NasError],
    advice: str,
) -> None:
    path = tmp_path / "file.txt"
    write_text(path, "old")

    def failing(handle: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(expected, match=rf"file\.txt: {advice}"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_is_interrupted_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file.txt"

    def interrupted(handle: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_text(path, "new")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "inside.txt", tmp_path / "file" / "deep" / "inside.txt"):
        with pytest.raises(
            CannotCreateError, match=r"cannot be written: (Not a directory|File exists)"
        ):
            write_text(path, "x")


def test_json_and_tables_come_back(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_json(path, {"ü": [1, 2.5, None, True]})
    assert read_json(path) == {"ü": [1, 2.5, None, True]}
    assert "ü" in path.read_text("utf-8")
    write_csv(path, ("a", "b"), [{"a": 0, "b": 'x,"y"'}, {"a": None, "c": "dropped"}])
    assert path.read_text() == 'a,b\n0,"x,""y"""\n,\n'
    assert read_csv(path) == [{"a": "0", "b": 'x,"y"'}, {"a": "", "b": ""}]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_refuses_what_it_cannot_hold(tmp_path: Path, value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "file", {"a": value})
    assert list(tmp_path.iterdir()) == []


def test_a_missing_and_a_broken_file_are_told_apart(tmp_path: Path) -> None:
    for read in (read_json, read_csv):
        with pytest.raises(MissingInputError, match="none: no such file"):
            read(tmp_path / "none")
    (tmp_path / "broken").write_text('{"a": ')
    with pytest.raises(BadDataError, match="broken: is no JSON: "):
        read_json(tmp_path / "broken")


def test_the_latest_run_is_the_one_that_started_last(tmp_path: Path) -> None:
    starts = {"b": "2026-01-02T00:00:00", "a": "2026-01-03T00:00:00", "c": "2025-12-31T00:00:00"}
    for name, start in starts.items():
        write_json(RunFolder(tmp_path / name).environment, {"started_at": start})
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "environment.json").write_text("no JSON")
    (tmp_path / "e").mkdir()
    (tmp_path / "e" / "environment.json").write_text("[]")
    assert latest(tmp_path).root == tmp_path / "a"


def test_without_a_run_there_is_no_latest(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=r"no run here; .*--run.*nas run --config FILE"):
        latest(tmp_path / "none")


def test_clearing_removes_what_the_run_wrote_and_nothing_else(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    ours = [
        path
        for path in (*vars(run).values(), *vars(run.retrain).values())
        if isinstance(path, Path)
        and path.name.count(".")
        and path not in (run.study, run.lock, run.config)
    ]
    ours += [run.checkpoint(3), run.figures / "samples.png", tmp_path / ".best.json.x1.new"]
    kept = [run.study, run.lock, run.config, tmp_path / "notes.txt", tmp_path / "trials.csv.bak"]
    kept += [run.retrain.root / "mine.pt", run.figures / "mine.svg"]
    for path in (*ours, *kept):
        write_atomic(path, b"x")
    run.clear()
    assert len(ours) > 15
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == set(kept)
    for path in kept[-2:]:
        path.unlink()
    run.clear()
    assert not run.retrain.root.exists()
    assert not run.figures.exists()


def test_a_checkpoint_is_dropped_with_its_folder(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    for trial in (1, 2):
        write_atomic(run.checkpoint(trial), b"x")
    run.drop_checkpoint(1)
    assert run.checkpoint(2).exists()
    run.drop_checkpoint(2)
    run.drop_checkpoint(7)
    assert list(tmp_path.iterdir()) == []


def test_run_files_have_the_names_of_the_design(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    names = {path.name for path in vars(run).values() if isinstance(path, Path)}
    assert names >= {
        "config.yaml",
        "environment.json",
        "study.db",
        "data.json",
        "latency.json",
        "search.json",
        "pictures.npz",
        "best.json",
        "trials.csv",
        "curves.csv",
        "run.log",
        "figures",
    }
    assert {path.name for path in vars(run.retrain).values()} == {
        "retrain",
        "summary.json",
        "top.json",
        "checkpoint.pt",
        "model.pt",
        "model.json",
        "history.csv",
        "metrics.json",
        "predictions.npz",
        "README.md",
        "model.onnx",
        "model.pt2",
    }
    assert run.checkpoint(7) == tmp_path / "trials" / "7" / "checkpoint.pt"


def test_environment_json_is_the_last_to_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it a folder passes as free, and what is left would be taken for the next run's."""
    run, order = RunFolder(tmp_path), list[Path]()
    for path in (run.environment, run.best, run.page, run.retrain.model):
        path.parent.mkdir(exist_ok=True)
        path.write_text("old")
    unlink = Path.unlink

    def noting(path: Path, missing_ok: bool = False) -> None:
        if path.exists():
            order.append(path)
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", noting)
    run.clear()
    assert len(order) == 4
    assert order[-1] == run.environment


def test_what_is_being_written_is_not_swept_away(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    left = run.retrain.root / f".{run.retrain.onnx.name}.killed.new"
    left.parent.mkdir()
    left.write_bytes(b"half")
    write_atomic(run.retrain.onnx, b"whole", check=lambda path: run.sweep())
    assert list(run.retrain.root.iterdir()) == [run.retrain.onnx]
    assert run.retrain.onnx.read_bytes() == b"whole"


def test_nothing_waits_at_a_pipe_and_no_link_is_followed(tmp_path: Path) -> None:
    run, other = RunFolder(tmp_path / "run"), tmp_path / "other"
    run.root.mkdir()
    other.write_text("somebody's")
    os.mkfifo(run.root / ".search.json.a.new")
    link = run.root / ".search.json.b.new"
    link.symlink_to(other)
    run.sweep()
    assert list(run.root.iterdir()) == [link], "a link is nothing that a run leaves"
    assert other.read_text() == "somebody's"


def test_a_file_that_is_swept_away_before_its_lock_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, lock = RunFolder(tmp_path), fcntl.flock

    def late(handle: int, how: int) -> None:
        monkeypatch.setattr(fcntl, "flock", lock)
        run.sweep()
        lock(handle, how)

    monkeypatch.setattr(fcntl, "flock", late)
    write_atomic(run.search, b"whole")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"whole"]
