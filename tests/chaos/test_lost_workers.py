"""Trials that end the process they train in, or ask for more memory than there is."""

import ctypes
import faulthandler
import functools
import os
import random
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook

from made_chaos import CPU, FULL, Tally, limit_memory, outcome, search
from made_search import pictures, place_in, reopen, table
from made_study import made_config
from nas_cifar10.config.schema import Config
from nas_cifar10.data.parts import Parts
from nas_cifar10.search.executors import InProcess
from nas_cifar10.search.worker import Result
from nas_cifar10.segment import SEARCH, Failed, Segment, Trained, train_segment
from nas_cifar10.space.candidate import Architecture, Block, Candidate
from nas_cifar10.training.checkpoint import weights

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.skipif(not Path("/proc").is_dir(), reason="asks Linux for memory"),
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),  # fork: no thread runs
]

DEADLY = 1  # the number of the trial that ends its worker


def _by_signal() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _by_a_bug_in_c() -> None:
    faulthandler.disable()
    ctypes.string_at(0)


WAYS: dict[str, Callable[[], None]] = {
    "SIGKILL, as for memory": _by_signal,
    "a bug in C": _by_a_bug_in_c,
    "an exit": functools.partial(os._exit, 137),
}


def deadly(
    end: Callable[[], None], segment: Segment, pictures: Parts, checkpoint: bytes | None
) -> Result:
    """Train for real, but for one trial whose second epoch ends the process in its midst."""
    left = 2

    def hook(module: nn.Module, *_: object) -> None:
        nonlocal left
        left -= isinstance(module, nn.Linear)
        if not left:
            end()

    if (segment.trial, segment.stop) != (DEADLY, 2):
        return train_segment(segment, pictures, checkpoint)
    with register_module_forward_hook(hook):
        return train_segment(segment, pictures, checkpoint)


def failing(segment: Segment, pictures: Parts, checkpoint: bytes | None) -> Result:
    """Train as if that trial had failed without harm."""
    if (segment.trial, segment.stop) == (DEADLY, 2):
        return Failed("its worker died 3 times")
    return train_segment(segment, pictures, checkpoint)


def config_of(*overrides: str) -> Config:
    return made_config("search.trials=6", "search.cohort=3", "search.schedule.name=none",
                       *overrides)  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_a_trial_that_ends_its_workers_fails_and_the_study_goes_on(
    tmp_path: Path, tally: Tally, way: str
) -> None:
    train = functools.partial(deadly, WAYS[way])
    assert outcome(functools.partial(search, tmp_path / "one", config_of(), 2, train)) == 0
    assert outcome(functools.partial(search, tmp_path / "other", config_of(), 1, failing)) == 0
    found, expected = (reopen(place_in(tmp_path / name)) for name in ("one", "other"))
    assert table(found) == table(expected)
    trial = found.trials()[DEADLY]
    assert (trial.state, trial.reason) == ("failed", "its worker died 3 times")
    assert len(trial.epochs) == 1
    assert [t.state for t in found.trials()].count("complete") == 5
    tally("trials that end their workers", trials=1, workers_lost=3, studies_finished=1)


def of_size(channels: int, kernel_size: int, trial: int, depth: int = 1) -> Segment:
    blocks = (Block("conv", channels, kernel_size),) * depth
    return Segment(
        candidate=Candidate(Architecture(blocks), (("learning_rate", 0.01),)),
        training=made_config("space.training={}").training,
        data="made up",
        seed=0,
        stream=SEARCH,
        trial=trial,
        stop=2,
        precision="fp32",
        measure_precision="fp32",
    )


SMALL, LARGE = of_size(4, 3, trial=1), of_size(4096, 31, trial=0, depth=2)  # 64 GB of weights


def next_one_is_right(large: Segment, megabytes: int) -> None:
    """Train a small network before and after a large one, in so much memory; compare them."""
    executor = InProcess(pictures(), 1, CPU)

    def trained(segment: Segment) -> Result:
        executor.submit(segment, None)
        return executor.result()[1]

    before = trained(SMALL)
    limit_memory(megabytes)
    result = trained(large)
    assert isinstance(result, Trained) or result.reason == "out of memory"
    assert isinstance(result, Failed) or large is not LARGE
    after = trained(SMALL)
    assert isinstance(before, Trained)
    assert isinstance(after, Trained)
    one, other = weights(before.checkpoint), weights(after.checkpoint)
    assert all(torch.equal(one[name], other[name]) for name in one)
    timeless = [[replace(e, seconds=0.0) for e in r.epochs] for r in (before, after)]
    assert timeless[0] == timeless[1]


def test_a_network_too_large_for_memory_fails_and_the_next_is_right() -> None:
    assert outcome(functools.partial(next_one_is_right, LARGE, 500)) == 0


@pytest.mark.skipif(not FULL, reason="the full tier's: bash scripts/chaos.sh")
def test_memory_that_runs_out_anywhere_in_training_is_told_as_such(tally: Tally) -> None:
    """Native code may crash where it has no memory: a worker's death, and no wrong number."""
    generator = random.Random(0)
    limits = [generator.randint(1, 150) for _ in range(60)]
    crashes = 0
    for limit in limits:
        large = of_size(256, 7, trial=0, depth=3)
        end = outcome(functools.partial(next_one_is_right, large, limit))
        assert end in (0, -signal.SIGSEGV, -signal.SIGABRT), limit
        crashes += end != 0
    tally("memory limits", tried=len(limits), crashes_of_native_code=crashes)


def test_a_search_goes_on_after_a_trial_that_ran_out_of_memory(tmp_path: Path) -> None:
    config = config_of(
        "space={depth: [1, 2], channels: 4096, kernel_size: 31}",
        "search.sampler.name=exhaustive",
        "search.trials=2",
        "training.epochs=1",
    )

    def limited() -> None:
        limit_memory(1500)
        search(tmp_path, config)

    assert outcome(limited) == 0
    small, large = reopen(place_in(tmp_path)).trials()  # the large one is trained first
    assert (large.state, large.reason) == ("failed", "out of memory")
    assert small.state == "complete"
