"""Killed anywhere, a search ends as if nobody had touched it."""

import functools
import random
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from made_chaos import (
    Counts,
    Tally,
    counts,
    intact,
    leftovers,
    made_up,
    outcome,
    search,
    under_fire,
)
from made_search import place_in, reopen, table, timeless
from made_study import made_config
from nas_cifar10.config.schema import Config
from nas_cifar10.search.worker import Train
from nas_cifar10.segment import train_segment

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.skipif(not Path("/proc").is_dir(), reason="asks Linux which processes run"),
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),  # fork: no thread runs
]

Straight = Callable[[Config, Train], Path]


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Straight:
    """Return what runs a search that nobody touches, once for each config and trainer."""
    found: dict[tuple[str, Train], Path] = {}

    def run(config: Config, train: Train) -> Path:
        key = (config.model_dump_json(), train)
        if key not in found:
            found[key] = tmp_path_factory.mktemp("straight")
            assert outcome(functools.partial(search, found[key], config, 1, train)) == 0
        return found[key]

    return run


def config_of(trials: int, schedule: str = "hyperband", seed: int = 0) -> Config:
    return made_config(
        f"search.trials={trials}",
        f"search.schedule.name={schedule}",
        f"seed={seed}",
        "training.epochs=5",
        "search.max_losses=null",
    )


def is_as_if_untouched(folder: Path, expected: Path) -> None:
    """Compare everything that is no time, and look for what must not be left."""
    found, wanted = place_in(folder), place_in(expected)
    study = reopen(found)
    assert table(study) == table(reopen(wanted))
    assert len(study.trials()) == study.config.search.trials
    assert "running" not in {trial.state for trial in study.trials()}
    assert timeless(found.run.trials) == timeless(wanted.run.trials)
    assert timeless(found.run.curves) == timeless(wanted.run.curves)
    assert found.run.best.read_bytes() == wanted.run.best.read_bytes()
    assert intact(found.run.study)
    assert leftovers(folder) == []


def fire_at(
    folder: Path, config: Config, workers: int, train: Train, generator: random.Random
) -> Counts:
    return under_fire(
        functools.partial(search, folder, config, workers, train),
        generator,
        kill_workers=workers > 1,
        driver_lives=12 if workers > 1 else 3,
    )


KILLED = {"storm": 0, "storm during real training": 0}


@pytest.mark.parametrize("number", range(counts(short=2, full=40)))
def test_a_storm_of_kills_loses_nothing(
    straight: Straight, tmp_path: Path, tally: Tally, number: int
) -> None:
    config = config_of(trials=counts(short=20, full=50), seed=number)
    told = fire_at(tmp_path, config, 3, made_up, random.Random(number))
    is_as_if_untouched(tmp_path, straight(config, made_up))
    counted(tally, "storm", told, config)


@pytest.mark.parametrize("number", range(counts(short=1, full=8)))
def test_a_storm_during_real_training_loses_nothing(
    straight: Straight, tmp_path: Path, tally: Tally, number: int
) -> None:
    config = config_of(trials=10, seed=number)
    told = fire_at(tmp_path, config, 2, train_segment, random.Random(number))
    is_as_if_untouched(tmp_path, straight(config, train_segment))
    counted(tally, "storm during real training", told, config)


def test_the_storms_killed_often_enough() -> None:
    assert KILLED["storm"] >= counts(short=10, full=1000)
    assert KILLED["storm during real training"] >= counts(short=3, full=50)


def counted(tally: Tally, subject: str, told: Counts, config: Config) -> None:
    """Add up what was done; that nothing was lost is known by now."""
    KILLED[subject] += told.workers_killed + told.drivers_killed
    tally(
        subject,
        SIGKILLs_to_workers=told.workers_killed,
        SIGKILLs_to_drivers=told.drivers_killed,
        trials=config.search.trials,
        trials_lost=0,
        stuck=0,
        over_budget=0,
        orphans=0,
        leftovers=0,
    )


@pytest.mark.parametrize("schedule", ["hyperband", "halving", "none"])
@pytest.mark.parametrize("number", range(counts(short=1, full=10)))
def test_four_workers_under_fire_give_the_same_study(
    straight: Straight, tmp_path: Path, tally: Tally, schedule: str, number: int
) -> None:
    config = config_of(trials=12, schedule=schedule)
    told = fire_at(tmp_path, config, 4, made_up, random.Random(number))
    is_as_if_untouched(tmp_path, straight(config, made_up))
    killed = told.workers_killed + told.drivers_killed
    tally(f"four workers, {schedule}", kill_schedules=1, identical=1, SIGKILLs=killed)


@pytest.mark.parametrize(
    ("how", "number"),
    [(signal.SIGKILL, n) for n in range(counts(short=4, full=50))]
    + [(signal.SIGTERM, n) for n in range(counts(short=2, full=20))]
    + [(signal.SIGINT, n) for n in range(counts(short=1, full=10))],
)
def test_a_driver_that_is_stopped_again_and_again_gives_the_same_study(
    straight: Straight, tmp_path: Path, tally: Tally, how: signal.Signals, number: int
) -> None:
    config = config_of(trials=10)
    told = under_fire(
        functools.partial(search, tmp_path, config, 1, train_segment),
        random.Random(number),
        kill_workers=False,
        driver_lives=1.0,
        how=how,
    )
    stopped = -how if how == signal.SIGKILL else 128 + how
    assert set(told.codes) <= {stopped, 0}
    assert told.slowest_end < 10
    is_as_if_untouched(tmp_path, straight(config, train_segment))
    tally(
        f"a driver stopped by {how.name}",
        schedules=1,
        identical=1,
        stops=told.drivers_killed,
        slowest_end=told.slowest_end,
    )
