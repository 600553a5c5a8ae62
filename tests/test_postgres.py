"""A study in PostgreSQL is the study that a file would hold, and one driver's at a time."""

import functools
import math
import os
import socket
import time
from contextlib import closing
from pathlib import Path

import pytest

from made_chaos import fork
from made_postgres import Server
from made_proxy import Proxy
from made_search import executor, finished, place_in, search_config, table, timeless
from made_study import made_config, made_facts
from nas_cifar10.config.schema import Config
from nas_cifar10.errors import CannotCreateError, MissingInputError, StorageError
from nas_cifar10.runs.database import Database
from nas_cifar10.runs.database_lock import StudyLock
from nas_cifar10.search.driver import run_search
from nas_cifar10.study.storage import create_study, delete_study, find_study, open_study
from nas_cifar10.study.study import Study

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),  # fork: no thread runs
]


@pytest.fixture
def url(server: Server) -> str:
    return server.url(server.new_database())


def begun(url: str, config: Config) -> Study:
    return create_study(Database.parse(url), config.name, made_facts(config))


def search(study: Study, folder: Path) -> None:
    with executor() as trains:
        for _ in run_search(study, place_in(folder).run, trains):
            pass


def driven(study: Study, folder: Path) -> None:
    with StudyLock(study.database, study.name) as lock:
        study.drive(lock)
        search(study, folder)


def is_that_of_a_file(study: Study, folder: Path, file: Path, *overrides: str) -> None:
    straight, _ = finished(file, *overrides)
    assert table(study) == table(straight)
    for name in ("trials.csv", "curves.csv"):
        assert timeless(folder / name) == timeless(file / name)
    assert (folder / "best.json").read_bytes() == (file / "best.json").read_bytes()


def test_the_study_is_bit_for_bit_that_of_a_file(url: str, tmp_path: Path) -> None:
    study = begun(url, search_config())
    driven(study, tmp_path / "server")
    is_that_of_a_file(study, tmp_path / "server", tmp_path / "file")
    assert table(open_study(study.database, None)) == table(study)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_commit_whose_answer_was_lost_is_not_made_twice(
    server: Server, tmp_path: Path, seed: int
) -> None:
    database = server.new_database()
    begun(server.url(database), search_config())
    with closing(Proxy(server.port, seed)) as proxy:
        study = open_study(Database.parse(server.url(database, port=proxy.port)), None)
        with StudyLock(study.database, study.name) as lock:
            study.drive(lock)
            proxy.share = 0.1
            search(study, tmp_path / "server")
            proxy.share = 0
        assert proxy.lost >= 5
        is_that_of_a_file(study, tmp_path / "server", tmp_path / "file")
        assert study.clock.stopped is None


def test_training_goes_on_while_the_server_is_away(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a slow machine it would be time to write the views, and that waits for the server.
    monkeypatch.setattr("nas_cifar10.search.driver._VIEWS_EVERY_SECONDS", math.inf)
    config = search_config("search.schedule.name=none")
    study = begun(server.url(server.new_database()), config)
    place, trained = place_in(tmp_path / "server"), 0
    with StudyLock(study.database, study.name) as lock:
        study.drive(lock)
        with executor() as trains, closing(run_search(study, place.run, trains)) as events:
            for trial in events:
                trained += len(trial.epochs) > 0
                if trained == 2 and not study.is_behind:
                    server.stop("immediate")
                elif trained == 9:
                    assert study.is_behind
                    server.start()
    is_that_of_a_file(study, place.run.root, tmp_path / "file", "search.schedule.name=none")


def test_a_server_that_stays_away_ends_the_search_and_resume_finishes_it(
    server: Server, tmp_path: Path
) -> None:
    config = search_config("search.storage_retry_seconds=1")
    study = begun(server.url(server.new_database()), config)
    place = place_in(tmp_path / "server")
    with StudyLock(study.database, study.name) as lock:
        study.drive(lock)
        with executor() as trains:
            events = run_search(study, place.run, trains)
            next(trial for trial in events if len(trial.epochs) == 1)
            server.stop("fast")
            with pytest.raises(StorageError, match=r"waited 1 s for it .* go on with --resume$"):
                list(events)
    server.start()
    again = open_study(study.database, None)
    driven(again, place.run.root)
    is_that_of_a_file(again, place.run.root, tmp_path / "file", "search.storage_retry_seconds=1")


def test_who_does_not_drive_waits_for_nobody(server: Server) -> None:
    study = begun(server.url(server.new_database()), made_config())
    server.stop()
    try:
        with pytest.raises(StorageError, match="cannot be used: ") as told:
            study.trials()
        assert "\n" not in str(told.value)
        with pytest.raises(StorageError, match="cannot be used: "):
            find_study(study.database, None)
    finally:
        server.start()


def test_one_driver_holds_a_study_and_is_named(url: str) -> None:
    database = Database.parse(url)
    here = rf"process {os.getpid()} on {socket.gethostname()[:20]}"
    with StudyLock(database, "one"), StudyLock(database, "two"):
        refused = rf"study 'one' is in use by {here}.*; wait for it, or name another study"
        with pytest.raises(CannotCreateError, match=refused), StudyLock(database, "one"):
            pass
    with StudyLock(database, "one") as lock:
        assert not lock.ensure()


def test_a_lock_that_was_lost_is_taken_again_if_nobody_was_there(server: Server) -> None:
    name = server.new_database()
    study = begun(server.url(name), made_config())
    with StudyLock(study.database, study.name) as lock:
        study.drive(lock)
        server.end_connections(name)
        assert study.trials() == []
        with pytest.raises(CannotCreateError), StudyLock(study.database, study.name):
            pass


def test_a_driver_stops_where_another_has_taken_its_study(server: Server) -> None:
    name = server.new_database()
    study = begun(server.url(name), made_config())
    other = open_study(study.database, None)
    with StudyLock(study.database, study.name) as lock:
        study.drive(lock)
        server.end_connections(name)
        second = StudyLock(study.database, study.name)
        second.name = "process 1 elsewhere"
        with second:
            with pytest.raises(CannotCreateError, match="is in use by"):
                lock.ensure()
            other.drive(second)
        with pytest.raises(CannotCreateError, match="another driver went on with study 'made'"):
            study.trials()


def test_a_driver_stops_where_another_has_replaced_its_study(server: Server) -> None:
    name = server.new_database()
    study = begun(server.url(name), made_config())
    with StudyLock(study.database, study.name) as lock:
        study.drive(lock)
        delete_study(study.database, study.name)
        create_study(study.database, study.name, study.facts)
        server.end_connections(name)
        with pytest.raises(CannotCreateError, match="another driver went on with study 'made'"):
            study.trials()


def test_reading_makes_no_tables(server: Server) -> None:
    name = server.new_database()
    database = Database.parse(server.url(name))
    with pytest.raises(MissingInputError, match="holds no study"):
        open_study(database, None)
    assert server.ask("SELECT * FROM pg_tables WHERE schemaname = 'public'", name) == []


@pytest.mark.parametrize("same", [False, True])
def test_twenty_starts_at_once_on_an_empty_database(
    server: Server, tmp_path: Path, same: bool
) -> None:
    name = server.new_database()
    url, config = server.url(name), made_config()

    def start(number: int) -> None:
        database = Database.parse(url)
        study = "made" if same else f"made {number}"
        with StudyLock(database, study):
            create_study(database, study, made_facts(config))
            while same and not (tmp_path / "all tried").exists():
                time.sleep(0.05)

    started = [fork(functools.partial(start, number)) for number in range(20)]
    codes = dict[int, int]()
    while len(codes) < 20:
        for pid in set(started) - codes.keys():  # and no child of another test
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                codes[pid] = os.waitstatus_to_exitcode(status)
        if len(codes) == 19:
            (tmp_path / "all tried").touch()
        time.sleep(0.02)
    assert sorted(codes.values()) == ([0] + [73] * 19 if same else [0] * 20)
    assert server.ask("SELECT count(*) FROM studies", name) == [(1 if same else 20,)]
    assert server.ask("SELECT count(*) FROM version_info", name) == [(1,)]
    assert server.ask("SELECT count(*) FROM alembic_version", name) == [(1,)]
