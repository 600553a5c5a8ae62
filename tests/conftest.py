"""What the tests of several rooms need."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from made_postgres import Server, running_server
from nas_cifar10.config.load import config_from_plain
from nas_cifar10.config.schema import Config

# The same examples on every machine, however slow it is.
settings.register_profile("same everywhere", derandomize=True, deadline=None)
settings.load_profile("same everywhere")
pytest.register_assert_rewrite("made_wide_space")  # its failures tell both sides, as a test's do
torch.set_num_threads(1)
# A shell starts what it puts into the background with Ctrl-C ignored, which children would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def tiny_config() -> Config:
    """Return a search of three short trials on 200 digits, the same on every machine."""
    return config_from_plain(
        {
            "name": "tiny",
            "data": {"source": "digits", "limit": 200},
            "space": {
                "depth": [1, 2],
                "channels": [4, 8],
                "kernel_size": [3],
                "training": {"learning_rate": {"low": 1e-3, "high": 1e-2, "log": True}},
            },
            "training": {"epochs": 2, "batch_size": 64, "precision": "fp32", "threads": 1},
            "search": {"trials": 3, "cohort": 2, "sampler": {"startup_trials": 1}},
            "retrain": {"epochs": 2},
        }
    )


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    """Return a folder for runs that goes away with the test."""
    return tmp_path / "outputs"


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """Return a running PostgreSQL server of the tests' own."""
    with running_server() as server:
        yield server
