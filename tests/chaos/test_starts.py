"""Many starts at once: one drives, and the others are told at once who does."""

import functools
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from made_chaos import (
    Tally,
    by_itself,
    counts,
    disk,
    fork,
    nobody_else,
    say_to,
    whole_job,
)
from made_search import place_in, reopen
from nas_cifar10.errors import CannotCreateError
from nas_cifar10.runs.folder import RunFolder
from nas_cifar10.runs.lock import locked

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),  # fork: no thread runs
]

IN_USE = r".*: in use by (?:process {} on .*|another process); wait for it, or name another .*\n"
LONG = """\
name: tiny
data: {source: digits, limit: 100}
space: {depth: 1, channels: [4, 8], kernel_size: 3}
training: {epochs: 5000, precision: fp32, threads: 1}
"""
NO_PICTURES = LONG.replace("source: digits", "source: image_folder, root: nowhere")


def wait_for(path: Path) -> None:
    end = time.monotonic() + 120
    while not path.exists():
        assert time.monotonic() < end
        time.sleep(0.005)


@contextmanager
def watched(folder: Path) -> Iterator[None]:
    """Be alone, until all others have been answered."""
    with nobody_else(folder):
        yield
        wait_for(folder / "others are answered")


def start(folder: Path, number: int) -> None:
    """Begin when all do."""
    say_to(folder / f"said {number}")
    wait_for(folder / "all are there")
    whole_job(folder / "run", watched(folder))


def codes_of(pids: list[int], others_answered: Path) -> list[int]:
    """Wait for all processes; touch a file when all but one have ended."""
    found: dict[int, int] = {}
    while len(found) < len(pids):
        for pid in set(pids) - found.keys():
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                found[pid] = os.waitstatus_to_exitcode(status)
        if len(found) >= len(pids) - 1:
            others_answered.touch()
        time.sleep(0.005)
    return [found[pid] for pid in pids]


@pytest.mark.parametrize("round_", range(counts(short=2, full=20)))
def test_of_many_starts_at_once_exactly_one_drives(
    tmp_path: Path, tally: Tally, round_: int
) -> None:
    pids = [fork(functools.partial(start, tmp_path, n)) for n in range(counts(8, 32))]
    (tmp_path / "all are there").touch()
    codes = codes_of(pids, tmp_path / "others are answered")
    assert sorted(codes) == [0] + [73] * (len(pids) - 1)
    driver = pids[codes.index(0)]
    assert (tmp_path / "visitors").read_text() == f"{driver} comes\n{driver} goes\n"
    for number, code in enumerate(codes):
        said = (tmp_path / f"said {number}").read_text()
        assert re.fullmatch(IN_USE.format(driver) if code else "", said), said
    assert len(reopen(place_in(tmp_path / "run")).trials()) == 3
    tally("starts at once", starts=len(pids), rounds=1, drivers=1, refused=codes.count(73))


def come_and_go(folder: Path, number: int) -> None:
    """Try until this process has held the run three times."""
    generator, held = random.Random(number), 0
    while held < 3:
        try:
            with locked(RunFolder(folder / "run"), folder / "study.db"), nobody_else(folder):
                held += 1
        except CannotCreateError as refused:
            if "in use by" not in str(refused):
                raise
        time.sleep(generator.uniform(0, 0.01))


def test_a_lock_that_changes_hands_is_never_held_twice(tmp_path: Path, tally: Tally) -> None:
    processes = counts(short=8, full=32)
    pids = [fork(functools.partial(come_and_go, tmp_path, n)) for n in range(processes)]
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * processes
    visits = (tmp_path / "visitors").read_text().splitlines()
    pairs = list(zip(visits[::2], visits[1::2], strict=True))
    assert all(came == went.replace("goes", "comes") for came, went in pairs)
    assert len(pairs) == 3 * processes
    assert list(tmp_path.rglob(".*lock")) == []
    tally("a lock that changes hands", processes=processes, times=len(pairs), held_twice=0)


def test_of_many_real_commands_at_once_exactly_one_drives(tmp_path: Path, tally: Tally) -> None:
    (tmp_path / "long.yaml").write_text(LONG)
    command = [sys.executable, "-m", "nas_cifar10", "search", "--config", "long.yaml", "--resume"]
    starts = [
        subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
        for _ in range(counts(short=4, full=32))
    ]
    while sum(process.poll() is None for process in starts) > 1:
        time.sleep(0.02)
    (driver,) = (process for process in starts if process.returncode is None)
    driver.send_signal(signal.SIGTERM)
    for process in starts:
        _, said = process.communicate(timeout=60)
        if process is driver:
            assert process.returncode == 128 + signal.SIGTERM, said
        else:
            assert process.returncode == 73, said
            assert re.fullmatch(IN_USE.format(driver.pid), said), said
    tally("real commands at once", starts=len(starts), drivers=1, refused=len(starts) - 1)


def before_pictures(folder: Path) -> None:
    """Write a config whose pictures are nowhere, and a torch that must not be loaded."""
    (folder / "tiny.yaml").write_text(NO_PICTURES)
    (folder / "torch.py").write_text("raise AssertionError('torch is loaded')\n")


def test_a_folder_in_use_is_refused_before_pictures_are_read(tmp_path: Path) -> None:
    before_pictures(tmp_path)
    with locked(RunFolder(tmp_path / "out")):
        done = by_itself(tmp_path, "run", "--config", "tiny.yaml", "--run", "out")
    assert done.code == 73, done.said
    assert re.fullmatch(IN_USE.format(os.getpid()), done.said)


def test_a_folder_that_is_read_only_is_refused_before_pictures_are_read(tmp_path: Path) -> None:
    before_pictures(tmp_path)
    with disk(tmp_path / "disk", kilobytes=64) as folder:
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        done = by_itself(tmp_path, "run", "--config", "tiny.yaml", "--run", "disk/out")
    assert done.code == 73, done.said
    assert done.said == "disk/out: cannot be written: Read-only file system\n"
