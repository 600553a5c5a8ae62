"""A disk that fills up: nothing half-written bears a final name, and a larger disk finishes it."""

import csv
import functools
import json
import random
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from made_chaos import Tally, counts, disk, intact, outcome, whole_job
from made_search import place_in, reopen, table

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),  # fork: no thread runs
]


def every_named_file_is_whole(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
        elif path.suffix == ".csv":
            with path.open(encoding="utf-8", newline="") as file:
                widths = {len(row) for row in csv.reader(file)}
            assert len(widths) == 1, "a header, and perhaps rows as wide"
            assert path.read_bytes().endswith(b"\n")
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
    straight: Path, tmp_path: Path, tally: Tally, number: int
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
    tally("disk sizes", tried=1, full=code != 0, half_files=0, finished_later=1)
