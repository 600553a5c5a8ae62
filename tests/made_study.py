"""Studies for tests: a small config, facts, and epochs that come from a formula."""

import math
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from optuna.storages._rdb.storage import _VersionManager

from nas_cifar10.config.load import config_from_plain
from nas_cifar10.config.schema import Config
from nas_cifar10.epochs import Epoch, Scores
from nas_cifar10.runs.database import Database
from nas_cifar10.space.candidate import Candidate
from nas_cifar10.space.cost import Cost
from nas_cifar10.study.rows import Facts, Trial
from nas_cifar10.study.storage import create_study, open_study
from nas_cifar10.study.study import Study


def made_config(*overrides: str) -> Config:
    """Return a study of 20 trials in cohorts of 5."""
    plain: dict[str, Any] = {
        "name": "made",
        "data": {"source": "digits", "limit": 120},
        "space": {
            "depth": [1, 2, 3],
            "channels": [4, 8],
            "kernel_size": [3, 5],
            "training": {"learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}},
        },
        "training": {"epochs": 3, "batch_size": 32, "precision": "fp32", "threads": 1},
        "search": {"trials": 20, "cohort": 5},
        "retrain": {"epochs": 3},
    }
    return config_from_plain(plain, overrides)


def made_facts(config: Config) -> Facts:
    resolved = {"device": "cpu", "precision": "fp32", "threads": 1, "retrain_threads": 1}
    names, parts = list("0123456789"), ("all", "train", "validation", "test")
    digits = {
        "fingerprint": "made up",
        "shape": [1, 8, 8],
        "class_names": names,
        "pictures": {part: dict.fromkeys(names, 1) for part in parts},
        "totals": dict.fromkeys(parts, 10),
        "majority_accuracy": {"validation": 0.1, "test": 0.1},
        "duplicates": {
            "train_test": 2,
            "train_validation": 0,
            "validation_test": 0,
            "within_train": 0,
        },
        "skipped": 3,
        "ignored": 4,
    }
    return Facts(config.plain(), resolved, digits)


@contextmanager
def no_waiting() -> Iterator[None]:
    """Leave out waiting for the disk, and Optuna's check that its tables are of this version."""

    def connect(address: str, *, uri: bool = False) -> sqlite3.Connection:
        connection = sqlite3.connect(address, check_same_thread=False, uri=uri)
        connection.execute("PRAGMA synchronous = OFF")
        return connection

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fsync", lambda handle: None)
        patched.setattr("nas_cifar10.runs.database._connect", connect)
        patched.setattr(_VersionManager, "check_table_schema_compatibility", lambda manager: None)
        yield


_MADE: dict[str, bytes] = {}


def made_study(path: Path, config: Config) -> Study:
    """Return a new study; the second of a config is a copy of the first, which is quicker."""
    database, key = Database(path=path), config.model_dump_json()
    with no_waiting():
        if key not in _MADE:
            create_study(database, config.name, made_facts(config))
            _MADE[key] = path.read_bytes()
        path.write_bytes(_MADE[key])
        return open_study(database, config.name)


def reopened(study: Study) -> Study:
    """Return the study as another process would find it."""
    with no_waiting():
        return open_study(study.database, study.name)


def made_epoch(candidate: Candidate, number: int, seconds: float = 0.5) -> Epoch:
    """Return scores that wide, deep networks at a learning rate of 0.002 have the best of."""
    size = sum(
        math.log(block.channels * block.kernel_size) for block in candidate.architecture.blocks
    )
    rate = dict(candidate.training).get("learning_rate", 0.002)
    accuracy = 0.9 * (1 - math.exp(-size * number / 20)) - 0.05 * abs(math.log(rate / 0.002))
    scores = Scores(loss=2 - accuracy, accuracy=accuracy, macro_f1=accuracy - 0.01, auc=None)
    return Epoch(number, scores, scores, seconds)


def made_epochs(candidate: Candidate, count: int) -> tuple[Epoch, ...]:
    return tuple(made_epoch(candidate, number) for number in range(1, count + 1))


def ask(study: Study) -> Trial:
    """Add the next trial."""
    proposal = study.propose(len(study.trials()))
    return study.add(proposal, Cost(7, 11, ()), repeats=None)


def finish(study: Study, trial: Trial) -> Trial:
    """Let every third trial be pruned after an epoch, and the others complete."""
    if trial.number % 3 == 2:
        trial = study.set_epochs(trial, made_epochs(trial.candidate, 1))
        return study.end(trial, "pruned", "not promoted at epoch 1", "pruned", None)
    trial = study.set_epochs(trial, made_epochs(trial.candidate, 3))
    return study.end(trial, "complete", "", "complete", trial.epochs[-1].measured.accuracy)


def play(study: Study, total: int, cohort: int = 5) -> None:
    """Ask whole cohorts and finish them, until there are `total` trials; go on where it stopped."""
    while len(study.trials()) < total or running(study):
        first = running(study)[0].number if running(study) else len(study.trials())
        end = min((first // cohort + 1) * cohort, total)
        while len(study.trials()) < end:
            ask(study)
        for trial in running(study):
            finish(study, trial)


def running(study: Study) -> list[Trial]:
    return [trial for trial in study.trials() if trial.state == "running"]


def numbers(trial: Trial) -> dict[str, Any]:
    """Return everything about a trial but times."""
    values = vars(trial) | {"epochs": [epoch.to_json() for epoch in trial.epochs]}
    for epoch in values["epochs"]:
        del epoch["seconds"]
    del values["started_at"]
    return values
