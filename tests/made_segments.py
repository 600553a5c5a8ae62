"""Segments for executors to train, and waiting for processes."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from made_study import made_config
from nas_cifar10.segment import SEARCH, Failed, Segment, Trained
from nas_cifar10.space.candidate import Architecture, Block, Candidate
from nas_cifar10.training.checkpoint import weights

CPU = torch.device("cpu")


def segment(trial: int, stop: int = 1, channels: int = 4) -> Segment:
    architecture = Architecture((Block("conv", channels, 3),))
    return Segment(
        candidate=Candidate(architecture, (("learning_rate", 0.01),)),
        training=made_config("space.training={}").training,
        data="made up",
        seed=0,
        stream=SEARCH,
        trial=trial,
        stop=stop,
        precision="fp32",
        measure_precision="fp32",
    )


def the_same(found: Trained | Failed, expected: Trained | Failed) -> bool:
    assert isinstance(found, Trained)
    assert isinstance(expected, Trained)
    one, other = weights(found.checkpoint), weights(expected.checkpoint)
    numbers = [[replace(e, seconds=0.0) for e in r.epochs] for r in (found, expected)]
    return numbers[0] == numbers[1] and all(torch.equal(one[n], other[n]) for n in one)


def slow(trial: int) -> Segment:
    """Return a segment that takes minutes, however long a busy machine lets its killer wait."""
    return segment(trial, stop=100_000, channels=64)


def runs(pid: int) -> bool:
    """Say whether a process is there and no zombie."""
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except FileNotFoundError:
        return False


def gone(pid: int) -> bool:
    return not runs(pid)


def wait_until(true: Callable[[], bool], seconds: float = 600) -> None:
    """Wait for what begins: within seconds, on a busy machine within minutes."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)
