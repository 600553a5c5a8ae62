"""Files of unknown origin are read whole, or refused in a line; nothing waits for ever."""

import errno
import os
from pathlib import Path

import pytest

from nas_cifar10.errors import (
    BadDataError,
    CannotCreateError,
    MissingInputError,
    NasError,
    StorageError,
    UnreadableError,
)
from nas_cifar10.runs import environment
from nas_cifar10.runs.files import read_json, write_json
from nas_cifar10.runs.folder import RunFolder, latest
from nas_cifar10.runs.lock import locked
from nas_cifar10.runs.reading import read_bytes, why


def test_a_file_is_read_whole_up_to_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    assert read_bytes(path) == read_bytes(path, 3) == b"abc"
    with pytest.raises(BadDataError, match="file: is larger than 2 bytes"):
        read_bytes(path, 2)


def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "endless").symlink_to("/dev/zero")
    for name in ("pipe", "folder", "endless"):
        with pytest.raises(BadDataError, match=f"{name}: is no regular file"):
            read_bytes(tmp_path / name)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(BadDataError, match="loop: cannot be read: Too many levels"):
        read_bytes(tmp_path / "loop")


def test_what_is_not_there_is_missing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "none", tmp_path / "file" / "inside"):
        with pytest.raises(MissingInputError, match="no such file"):
            read_bytes(path)


def test_a_file_beyond_memory_is_said_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_large(path: Path) -> bytes:
        raise MemoryError

    (tmp_path / "large").touch()
    monkeypatch.setattr(Path, "read_bytes", too_large)
    with pytest.raises(BadDataError, match="large: cannot be read: it does not fit into memory"):
        read_bytes(tmp_path / "large")


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.EIO, StorageError),
        (errno.ESTALE, StorageError),
        (errno.EMFILE, StorageError),
        (errno.EACCES, UnreadableError),
    ],
)
def test_a_file_that_cannot_be_read_now_is_not_called_bad(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[NasError]
) -> None:
    def fails(path: Path) -> bytes:
        raise OSError(number, os.strerror(number))

    (tmp_path / "file").touch()
    monkeypatch.setattr(Path, "read_bytes", fails)
    with pytest.raises(kind, match=f"file: cannot be read: {os.strerror(number)}$") as caught:
        read_bytes(tmp_path / "file")
    assert type(caught.value) is kind


def test_json_nested_without_end_is_no_json(tmp_path: Path) -> None:
    path = tmp_path / "deep"
    path.write_text("[" * 100_000)
    with pytest.raises(BadDataError, match="deep: is no JSON"):
        read_json(path)


def test_the_latest_run_is_found_beside_hostile_ones(tmp_path: Path) -> None:
    write_json(tmp_path / "good" / "environment.json", {"started_at": "2026"})
    for name in ("pipe", "deep"):
        (tmp_path / name).mkdir()
    os.mkfifo(tmp_path / "pipe" / "environment.json")
    (tmp_path / "deep" / "environment.json").write_text("[" * 100_000)
    assert latest(tmp_path).root == tmp_path / "good"


def test_why_is_one_line() -> None:
    assert why(KeyError("a")) == "'a' is missing"
    assert why(ValueError("a\nb")) == "a"
    assert why(RecursionError()) == "RecursionError"


def test_an_environment_that_is_damaged_is_named_with_a_way_out(tmp_path: Path) -> None:
    path = tmp_path / "environment.json"
    write_json(path, {"study": 3})
    with pytest.raises(BadDataError, match=r"damaged: study: .*; remove it.*--study-db") as caught:
        environment.read(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["figures", "retrain", "trials", "trials/3", "run.log", ".lock"])
def test_a_link_in_place_of_a_runs_own_is_refused_and_not_followed(
    tmp_path: Path, name: str
) -> None:
    outside, run = tmp_path / "outside", RunFolder(tmp_path / "run")
    outside.write_text("precious")
    path = run.root / name
    path.parent.mkdir(parents=True)
    path.symlink_to(outside)
    with pytest.raises(CannotCreateError, match=rf"{name}: is a link, .*; remove it"), locked(run):
        pytest.fail("it was held")
    assert outside.read_text() == "precious"


def test_a_studys_lock_is_not_written_through_a_link(tmp_path: Path) -> None:
    outside, study = tmp_path / "outside", tmp_path / "study.db"
    outside.write_text("precious")
    (tmp_path / ".study.db.lock").symlink_to(outside)
    with pytest.raises(CannotCreateError, match="Too many levels"):  # noqa: SIM117 # one raises
        with locked(RunFolder(tmp_path / "run"), study):
            pytest.fail("it was held")
    assert outside.read_text() == "precious"
