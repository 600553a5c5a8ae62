"""Searches for tests: begun, stopped after some events, and taken up again."""

import csv
import functools
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Any

import torch

from made_study import made_config, made_study, no_waiting, numbers
from nas_cifar10.config.schema import Config
from nas_cifar10.data.dataset import read
from nas_cifar10.data.parts import Parts, search_parts
from nas_cifar10.data.split import DataSet
from nas_cifar10.runs.database import Database
from nas_cifar10.runs.folder import RunFolder
from nas_cifar10.runs.place import Place
from nas_cifar10.search.driver import run_search
from nas_cifar10.search.executors import InProcess, open_executor
from nas_cifar10.search.setup import Ready, existing, go_on, start
from nas_cifar10.study.rows import Trial
from nas_cifar10.study.storage import open_study
from nas_cifar10.study.study import Study


def search_config(*overrides: str) -> Config:
    """Return a search of 5 trials in cohorts of 3, with rungs at 1, 2 and 4 of 5 epochs."""
    return made_config(
        "seed=1",
        "search.trials=5",
        "search.cohort=3",
        "search.sampler.startup_trials=2",
        "search.schedule.reduction_factor=2",
        "training.epochs=5",
        *overrides,
    )


def place_in(folder: Path, name: str = "made") -> Place:
    run = RunFolder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return Place(run, Database(path=run.study), name)


def begin(config: Config, place: Place, *, overwrite: bool = False) -> Ready:
    """Start as the command line does."""
    with no_waiting():
        assert existing(place, resume=False, overwrite=overwrite) is None
        return start(config, place, "cpu", overwrite=overwrite)


def take_up(place: Place, config: Config | None = None) -> Ready:
    """Resume as the command line does."""
    with no_waiting():
        study = existing(place, resume=True, overwrite=False)
        assert study is not None
        return go_on(study, config or study.config, place, None)


@functools.cache
def digits() -> DataSet:
    """Return the pictures of `made_config`."""
    config = made_config()
    return read(config.data, config.seed)


def pictures() -> Parts:
    return search_parts(digits())


def executor() -> InProcess:
    return InProcess(pictures(), threads=1, device=torch.device("cpu"))


def searching(study: Study, place: Place, workers: int = 1) -> Generator[Trial]:
    with open_executor(pictures(), 1, torch.device("cpu"), workers) as executor:
        yield from run_search(study, place.run, executor)


def go(study: Study, place: Place, events: int | None = None, workers: int = 1) -> list[Trial]:
    """Let a search run to its end, or stop it after so many events."""
    seen: list[Trial] = []
    with no_waiting(), closing(searching(study, place, workers)) as search:
        for trial in search:
            seen.append(trial)
            if len(seen) == events:
                break
    return seen


def reopen(place: Place) -> Study:
    with no_waiting():
        return open_study(place.database, place.study_name)


def table(study: Study) -> list[dict[str, Any]]:
    """Return all trials, without times."""
    return [numbers(trial) for trial in study.trials()]


def timeless(path: Path) -> list[dict[str, str]]:
    """Return a table of the run's, without the columns that hold times."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    times = ("_seconds", "_at", "_ms")
    return [{k: v for k, v in row.items() if not k.endswith(times)} for row in rows]


def fresh(folder: Path, config: Config) -> tuple[Study, Place]:
    place = place_in(folder)
    return made_study(folder / "study.db", config), place


def finished(folder: Path, *overrides: str) -> tuple[Study, Place]:
    study, place = fresh(folder, search_config(*overrides))
    go(study, place)
    return study, place


def adds_up(found: dict[str, Any]) -> None:
    counts = found["trials"]
    names = ("complete", "pruned", "failed", "infeasible", "repeated")
    assert sum(counts[name] for name in names) == counts["requested"]
    kinds = ("random", "model_based", "local", "baseline")
    assert sum(counts[name] for name in kinds) == counts["requested"]
