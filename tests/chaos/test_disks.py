"""A disk that fills up: nothing half-written bears a final name, and a larger disk finishes it."""

import functools
import json
import os
import random
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from made_chaos import counts, fork, intact, outcome, whole_job
from made_search import place_in, reopen, table
from nas_cifar10.runs import read_csv

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),  # fork: no thread runs
]


@contextmanager
def disk(folder: Path, kilobytes: int) -> Iterator[Path]:
    """Mount a file system of this size in memory."""
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
    done = subprocess.run(["mount", *options], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("mounting a small disk needs root on Linux")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def every_named_file_is_whole(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
        elif path.suffix == ".csv":
            assert read_csv(path)
        elif path.name == "model.pt":
            torch.load(path, weights_only=True)
        elif path.suffix == ".npz" and not path.name.startswith("."):
            with np.load(path) as arrays:
                assert all(arrays[name].size for name in arrays)
        elif path.name == "study.db":
            assert intact(path)


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("straight")
    assert outcome(functools.partial(whole_job, folder)) == 0
    return folder


@pytest.mark.parametrize("number", range(counts(short=4, full=100)))
def test_a_full_disk_costs_time_and_nothing_else(
    straight: Path, tmp_path: Path, number: int
) -> None:
    size = random.Random(number).randint(4, 400)
    with disk(tmp_path / "disk", size) as folder:
        run = folder / "run"
        code = outcome(functools.partial(whole_job, run))
        assert code in (0, 73, 74)
        every_named_file_is_whole(folder)
        subprocess.run(["mount", "-o", "remount,size=64m", str(folder)], check=True)
        assert outcome(functools.partial(whole_job, run)) == 0
        every_named_file_is_whole(folder)
        assert table(reopen(place_in(run))) == table(reopen(place_in(straight)))


@pytest.mark.parametrize("round_", range(counts(short=1, full=20)))
def test_of_many_starts_at_once_one_drives(tmp_path: Path, round_: int) -> None:
    pids = [fork(functools.partial(whole_job, tmp_path)) for _ in range(counts(8, 32))]
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
    assert set(codes) <= {0, 73}
    assert codes.count(0) >= 1
    assert len(reopen(place_in(tmp_path)).trials()) == 3
