"""A long search takes no more memory and no more open files at its end than near its start."""

import gc
from pathlib import Path

import pytest
import torch

from made_chaos import Tally, at_once, counts
from made_search import pictures, place_in
from made_study import made_config, made_study, no_waiting
from nas_cifar10.search.driver import run_search
from nas_cifar10.search.executors import InProcess
from nas_cifar10.search.worker import Train
from nas_cifar10.segment import train_segment

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.skipif(not Path("/proc").is_dir(), reason="asks Linux for memory and open files"),
]


def memory() -> int:
    """Return the bytes that only this process holds."""
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss_Anon:"):
            return 1024 * int(line.split()[1])
    raise AssertionError("Linux always says")


@pytest.mark.parametrize(
    ("train", "trials"),
    [(at_once, counts(short=60, full=2000)), (train_segment, counts(short=30, full=200))],
    ids=["simulated", "real"],
)
def test_memory_and_open_files_stay_flat(
    tmp_path: Path, tally: Tally, train: Train, trials: int
) -> None:
    config = made_config(f"search.trials={trials}", "search.sampler.name=random")
    place = place_in(tmp_path)
    study = made_study(place.run.study, config)
    executor = InProcess(pictures(), 1, torch.device("cpu"), train)
    seen: dict[int, tuple[int, int]] = {}
    with no_waiting():
        for trial in run_search(study, place.run, executor):
            if trial.number in (trials // 3, trials - 1) and trial.number not in seen:
                gc.collect()
                seen[trial.number] = memory(), len(list(Path("/proc/self/fd").iterdir()))
    (early, early_files), (late, late_files) = seen.values()
    assert late_files <= early_files
    assert late < 1.05 * early
    tally(
        f"memory and open files, {'simulated' if train is at_once else 'real'}",
        trials=trials,
        open_files_more=late_files - early_files,
        memory_at_the_end_to_a_third=late / early,
    )
