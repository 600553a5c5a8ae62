"""One process at a time works on a run and its study, and anybody may ask whether one does."""

import errno
import fcntl
import os
import socket
from pathlib import Path

import pytest

from made_holder import Holder
from nas_cifar10.errors import CannotCreateError, StorageError
from nas_cifar10.runs.files import write_atomic, write_json
from nas_cifar10.runs.folder import RunFolder
from nas_cifar10.runs.lock import is_held, locked


def hold(root: Path, also: Path | None = None) -> None:
    with locked(RunFolder(root), also):
        pass


def test_a_second_holder_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    with (
        Holder(tmp_path) as number,
        pytest.raises(CannotCreateError, match=rf"in use by process {number} on .*; wait for it"),
    ):
        hold(tmp_path)
    hold(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_holds_anything_is_in_use(tmp_path: Path) -> None:
    (tmp_path / ".lock").write_bytes(b"\xff" * 10_000)
    with (tmp_path / ".lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(CannotCreateError, match=r"in use by \ufffd{1000}; wait for it"):
            hold(tmp_path)


def test_a_study_is_held_by_whichever_folder_uses_it(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    two.mkdir()
    (two / "link.db").symlink_to(one / "study.db")
    with Holder(one, one / "study.db"):
        for also in (one / "study.db", two / "link.db"):
            told = rf"{also.name}: in use by process .* --study-db"
            with pytest.raises(CannotCreateError, match=told):
                hold(two, also)
        hold(two, two / "study.db")
    hold(two, one / "study.db")


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    holder = Holder(tmp_path)
    with holder:
        holder.process.kill()
        holder.process.wait()
        assert (tmp_path / ".lock").exists()
        hold(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_made_for_the_lock_goes_when_it_stays_empty(tmp_path: Path) -> None:
    hold(tmp_path / "a" / "b", tmp_path / "c" / "study.db")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_something_stays(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "a" / "b")
    with locked(run):
        write_json(run.search, {})
    assert [path.name for path in run.root.iterdir()] == ["search.json"]


def test_what_a_killed_process_left_half_written_goes(tmp_path: Path) -> None:
    left = [tmp_path / ".best.json.abc1.new", tmp_path / "retrain" / ".model.pt.x_2.new"]
    left.append(tmp_path / "figures" / ".slice.png.abc1.new")
    kept = [tmp_path / ".mine.new", tmp_path / "best.json", tmp_path / "retrain" / "model.pt"]
    for path in (*left, *kept):
        write_atomic(path, b"x")
    hold(tmp_path)
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == set(kept)


def test_the_lock_goes_when_the_work_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), locked(RunFolder(tmp_path / "a")):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_hold_a_lock_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotCreateError, match=r"file.*cannot be written"):
        hold(tmp_path / "file")


def test_a_disk_too_full_for_a_lock_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: object, operation: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("fcntl.flock", full)
    with pytest.raises(StorageError, match="No space left on device"):
        hold(tmp_path)


def test_the_holder_is_named_in_the_lock(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    with locked(run):
        assert run.lock.read_text().startswith(f"process {os.getpid()} on ")


def test_a_run_is_held_while_another_process_works_on_it(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert not is_held(run)
    with locked(run):
        assert not is_held(run), "by this process, which may ask"
    holder = Holder(tmp_path)
    with holder:
        assert is_held(run)
        holder.process.kill()
        holder.process.wait()
        assert run.lock.exists()
        assert not is_held(run)


@pytest.mark.parametrize(
    "left",
    [
        f"process {os.getppid()} on {socket.gethostname()}",  # another process has its number
        "process 1 on a machine that is gone",
        "",
    ],
)
def test_a_lock_that_a_killed_process_left_holds_nothing(tmp_path: Path, left: str) -> None:
    RunFolder(tmp_path).lock.write_text(left)
    assert not is_held(RunFolder(tmp_path))


def test_a_lock_that_is_a_pipe_or_a_link_holds_nothing_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".lock")
    assert not is_held(RunFolder(tmp_path))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / ".lock").symlink_to(tmp_path / ".lock")
    assert not is_held(RunFolder(tmp_path / "other"))


def test_who_only_asks_does_not_keep_a_holder_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    RunFolder(tmp_path).lock.touch()
    with RunFolder(tmp_path).lock.open("rb") as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)
        monkeypatch.setattr("nas_cifar10.runs.lock._GLANCE_SECONDS", 60)
        monkeypatch.setattr("time.sleep", lambda seconds: fcntl.flock(asking, fcntl.LOCK_UN))
        hold(tmp_path)
