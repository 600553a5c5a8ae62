"""Run folders to report on, made up in milliseconds."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from made_run import MadeRun
from nas_cifar10.runs.folder import RunFolder


@pytest.fixture
def make_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., RunFolder]:
    """Return a function that writes a run; its arguments are the fields of `MadeRun`."""
    monkeypatch.setattr(os, "fsync", lambda _: None)  # a power cut is tested elsewhere
    return lambda **changes: MadeRun(**changes).write(tmp_path / "outputs" / "default")


@pytest.fixture
def run(make_run: Callable[..., RunFolder]) -> RunFolder:
    """Return a finished run on CIFAR-10: 10 trials, 4 of them complete, and a retrain."""
    return make_run()
