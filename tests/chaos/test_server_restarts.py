"""Whatever happens to the server, its connections and the driver: the study is the straight one."""

import functools
import logging
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from made_chaos import CPU, Tally, counts, fork, made_up, under_fire
from made_postgres import PASSWORD, QUOTED, Server
from made_search import pictures, place_in, table, timeless
from made_study import made_config, made_facts, made_study, no_waiting
from nas_cifar10.config.schema import Config
from nas_cifar10.runs.database import Database
from nas_cifar10.runs.database_lock import StudyLock
from nas_cifar10.search.driver import run_search
from nas_cifar10.search.executors import InProcess
from nas_cifar10.study.storage import create_study, find_study, open_study
from nas_cifar10.study.study import Study

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.postgres,
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),  # fork: no thread runs
]


@pytest.fixture(autouse=True)
def told_nowhere(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Look for the password in all that drivers say and write."""
    yield
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    said = "".join(capfd.readouterr()).encode()
    assert not any(
        secret.encode() in text for secret in (PASSWORD, QUOTED) for text in (said, *written)
    )


def config_of(trials: int) -> Config:
    return made_config(f"search.trials={trials}", "training.epochs=4")


def drive(url: str, folder: Path, config: Config, milliseconds: float) -> None:
    """Begin a search on a server, or go on with it, as the command line does."""
    logging.basicConfig(stream=sys.stderr, force=True)
    database, name = Database.parse(url), config.name
    with StudyLock(database, name) as lock:
        study = find_study(database, name)
        study = study or create_study(database, name, made_facts(config))
        study.drive(lock)
        train(study, folder, milliseconds)


def train(study: Study, folder: Path, milliseconds: float) -> None:
    trainer = functools.partial(made_up, milliseconds=milliseconds)
    with InProcess(pictures(), 1, CPU, trainer) as executor:
        for _ in run_search(study, place_in(folder).run, executor):
            pass


def is_the_straight_one(url: str, folder: Path, straight: Path, config: Config) -> None:
    expected = made_study(straight / "study.db", config)
    with no_waiting():
        train(expected, straight, 0)
    found = open_study(Database.parse(url), None)
    assert len(found.trials()) == config.search.trials
    assert table(found) == table(expected)
    for name in ("trials.csv", "curves.csv"):
        assert timeless(folder / name) == timeless(straight / name)
    assert (folder / "best.json").read_bytes() == (straight / "best.json").read_bytes()


def num_epochs(server: Server, database: str) -> int:
    ((found,),) = server.ask("SELECT count(*) FROM trial_intermediate_values", database)
    return int(found)


def driven_through(
    server: Server, tmp_path: Path, trials: int, times: int, strike: Callable[[str, int], None]
) -> None:
    """Let a search run while something strikes again and again; it must need no second start."""
    config, database = config_of(trials), server.new_database()
    url = server.url(database)
    (tmp_path / "straight").mkdir()
    pid = fork(functools.partial(drive, url, tmp_path / "run", config, 40))
    assert pid > 1
    try:
        while not (tmp_path / "run" / "trials").exists():
            time.sleep(0.05)
            assert os.waitpid(pid, os.WNOHANG) == (0, 0), "ended before it trained"
        for number in range(times):
            due = (number + 1) * trials // (times + 1)  # epochs, of nearly twice as many
            while num_epochs(server, database) < due:
                assert os.waitpid(pid, os.WNOHANG) == (0, 0), f"ended before strike {number}"
                time.sleep(0.05)
            strike(database, number)
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    is_the_straight_one(url, tmp_path / "run", tmp_path / "straight", config)


def test_a_search_outlives_its_server(server: Server, tmp_path: Path, tally: Tally) -> None:
    times, trials = counts(short=3, full=20), counts(short=25, full=100)

    def restart(database: str, number: int) -> None:
        server.restart(("fast", "immediate")[number % 2], away=0.5)

    driven_through(server, tmp_path, trials, times, restart)
    tally("server restarts, fast and immediate", restarts=times, trials=trials, trials_lost=0)


def test_a_search_outlives_its_connections(server: Server, tmp_path: Path, tally: Tally) -> None:
    times, trials, ended = counts(short=5, full=60), counts(short=20, full=150), 0

    def end(database: str, number: int) -> None:
        nonlocal ended
        ended += server.end_connections(database)

    driven_through(server, tmp_path, trials, times, end)
    assert ended >= counts(short=5, full=100)
    tally("connections ended", pg_terminate_backend=ended, trials=trials, trials_lost=0)


@pytest.mark.parametrize("number", range(counts(short=1, full=4)))
def test_a_driver_that_is_killed_goes_on_where_the_server_knows(
    server: Server, tmp_path: Path, tally: Tally, number: int
) -> None:
    config, url = config_of(10), server.url(server.new_database())
    (tmp_path / "straight").mkdir()
    told = under_fire(
        functools.partial(drive, url, tmp_path / "run", config, 40),
        random.Random(number),
        kill_workers=False,
        driver_lives=1.5,
    )
    assert set(told.codes) <= {-signal.SIGKILL, 0}
    is_the_straight_one(url, tmp_path / "run", tmp_path / "straight", config)
    tally("drivers killed, PostgreSQL behind", SIGKILLs=told.drivers_killed, trials=10, lost=0)
