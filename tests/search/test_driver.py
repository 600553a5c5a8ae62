"""The driver: an exact budget, and the same study however often it is stopped."""

import functools
import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from made_search import (
    adds_up,
    finished,
    fresh,
    go,
    reopen,
    search_config,
    searching,
    table,
    timeless,
)
from nas_cifar10.data.parts import Parts
from nas_cifar10.errors import NasError, StorageError, UnreadableError
from nas_cifar10.runs import files
from nas_cifar10.runs.files import read_csv
from nas_cifar10.runs.folder import RunFolder
from nas_cifar10.runs.place import Place
from nas_cifar10.search import driver, executors
from nas_cifar10.segment import Failed, Segment, Trained, train_segment
from nas_cifar10.study.study import Study

TINY = (
    "seed=0",
    "space={depth: [1, 2], channels: 4, kernel_size: [1, 3]}",
    "search.sampler.name=random",
)


Straight = Callable[[str], tuple[Study, Place]]


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Straight:
    """Return what runs a search with a schedule from beginning to end, once."""

    @functools.cache
    def run(schedule: str) -> tuple[Study, Place]:
        return finished(tmp_path_factory.mktemp(schedule), f"search.schedule.name={schedule}")

    return run


@pytest.mark.parametrize("schedule", ["hyperband", "halving", "none"])
def test_the_same_search_twice_gives_the_same_study(
    straight: Straight, tmp_path: Path, schedule: str
) -> None:
    study, place = straight(schedule)
    again, other = fresh(tmp_path, study.config)
    go(again, other)
    assert table(again) == table(study)
    for name in ("trials", "curves"):
        assert timeless(getattr(other.run, name)) == timeless(getattr(place.run, name))
    assert other.run.best.read_bytes() == place.run.best.read_bytes()


@pytest.mark.parametrize(
    ("schedule", "every"),
    [("hyperband", 1), ("hyperband", 4), ("halving", 1), ("none", 3)],
)
def test_stopping_after_every_few_events_changes_nothing(
    straight: Straight, tmp_path: Path, schedule: str, every: int
) -> None:
    study, place = straight(schedule)
    _, other = fresh(tmp_path, study.config)
    stops = 0
    while len(go(reopen(other), other, events=every)) == every:
        stops += 1
        assert json.loads(other.run.search.read_text())["stopped"] == "interrupted"
    assert stops > 20 / every
    assert table(reopen(other)) == table(study)
    assert timeless(other.run.trials) == timeless(place.run.trials)
    assert other.run.best.read_bytes() == place.run.best.read_bytes()
    assert not other.run.checkpoints.exists()
    assert json.loads(other.run.search.read_text())["stopped"] is None


def test_a_lost_or_damaged_checkpoint_changes_nothing(
    straight: Straight, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    study, _ = straight("hyperband")
    _, other = fresh(tmp_path, study.config)
    for stop in itertools.count():
        damage(other.run, stop)
        if len(go(reopen(other), other, events=2)) < 2:
            break
    assert table(reopen(other)) == table(study)
    assert "starts over: its checkpoint is lost: checkpoint: damaged" in caplog.text
    assert "checkpoint.pt: no such file" in caplog.text


def test_a_checkpoint_that_cannot_be_read_now_is_left_as_it_is(
    straight: Straight, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, _ = straight("hyperband")
    _, other = fresh(tmp_path, study.config)
    go(reopen(other), other, events=7)
    checkpoints = sorted(other.run.checkpoints.glob("*/checkpoint.pt"))
    before = [path.read_bytes() for path in checkpoints]
    for error in (StorageError("I/O error"), UnreadableError("does not fit into memory")):

        def fails(*_: object, error: NasError = error) -> None:
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(driver, "read_bytes", fails)
            with pytest.raises(type(error), match=str(error)):
                go(reopen(other), other)
    assert [path.read_bytes() for path in checkpoints] == before
    go(reopen(other), other)
    assert table(reopen(other)) == table(study)


def damage(run: RunFolder, stop: int) -> None:
    """Spoil the checkpoint of a running trial now and then."""
    found = sorted(run.checkpoints.glob("*/checkpoint.pt"))
    if not found or stop % 4 == 3:
        return
    if stop % 4 == 1:
        found[-1].unlink()
    elif stop % 4 == 2:
        content = bytearray(found[0].read_bytes())
        content[len(content) // 2] ^= 1
        found[0].write_bytes(content)


def test_somebody_elses_checkpoint_is_not_taken(
    straight: Straight, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    study, _ = straight("hyperband")
    _, other = fresh(tmp_path, study.config)
    go(reopen(other), other, events=7)
    first, second, *_ = sorted(other.run.checkpoints.glob("*/checkpoint.pt"))
    shutil.copy(first, second)
    go(reopen(other), other)
    lost = "starts over: its checkpoint is lost: checkpoint: belongs to another trial"
    assert lost in caplog.text
    assert table(reopen(other)) == table(study)


class _KilledError(Exception):
    pass


def test_a_kill_before_or_after_any_record_changes_nothing(
    straight: Straight, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, _ = straight("hyperband")
    _, other = fresh(tmp_path, study.config)
    left, kills = 0, 0

    def count_down() -> None:
        nonlocal left
        left -= 1
        if not left:
            raise _KilledError

    def mortal(act: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any) -> Any:
            count_down()
            done = act(*args)
            count_down()
            return done

        return run

    monkeypatch.setattr(driver, "write_atomic", mortal(files.write_atomic))
    monkeypatch.setattr(Study, "add", mortal(Study.add))
    monkeypatch.setattr(Study, "set_epochs", mortal(Study.set_epochs))
    monkeypatch.setattr(Study, "end", mortal(Study.end))
    while kills < 200:
        left = 3 + kills % 4
        try:
            go(reopen(other), other)
            break
        except _KilledError:
            kills += 1
    assert 20 < kills < 200
    assert table(reopen(other)) == table(study)
    assert not other.run.checkpoints.exists()


def test_the_budget_is_exact_and_resuming_adds_none(tmp_path: Path) -> None:
    study, place = finished(tmp_path)
    assert len(study.trials()) == 5
    before = table(study)
    assert go(reopen(place), place) == []
    assert table(reopen(place)) == before


def test_raising_the_number_of_trials_adds_exactly_the_difference(tmp_path: Path) -> None:
    study, place = finished(tmp_path)
    before = table(study)
    for total in (6, 8):
        again = reopen(place)
        again.replace_config(search_config(f"search.trials={total}").plain())
        go(again, place)
        assert len(table(again)) == total
    assert table(again)[:5] == before
    assert json.loads(place.run.search.read_text())["trials"]["requested"] == 8


def test_every_trial_completes_without_a_schedule(straight: Straight) -> None:
    study, _ = straight("none")
    assert {trial.state for trial in study.trials()} == {"complete"}
    assert {len(trial.epochs) for trial in study.trials()} == {5}


def test_hyperband_prunes_at_its_rungs(straight: Straight) -> None:
    study, _ = straight("hyperband")
    assert {trial.state for trial in study.trials()} == {"complete", "pruned"}
    for trial in study.trials():
        assert (len(trial.epochs) == 5) == (trial.state == "complete")
        if trial.state == "pruned":
            assert trial.reason == f"not promoted at epoch {len(trial.epochs)}"
            assert len(trial.epochs) in (1, 2, 4)


def test_events_are_asks_epochs_and_ends(tmp_path: Path) -> None:
    study, place = fresh(tmp_path, search_config("search.trials=2"))
    events = [(t.number, t.state, len(t.epochs)) for t in go(study, place)]
    assert events[:2] == [(0, "running", 0), (1, "running", 0)]
    trained = sum(len(trial.epochs) for trial in study.trials())
    assert len(events) == 2 + trained + 2
    assert len(set(events)) == len(events)


def test_the_trial_with_the_most_work_left_goes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[tuple[int, int]] = []

    def noted(segment: Segment, data: Parts, checkpoint: bytes | None) -> Trained | Failed:
        order.append((segment.trial, segment.stop))
        return train_segment(segment, data, checkpoint)

    monkeypatch.setattr(executors, "train_segment", noted)
    whole = ("search.schedule.name=none", "training.epochs=2")
    study, _ = finished(tmp_path, *whole, "search.trials=4", "search.cohort=4")
    macs = [trial.macs for trial in study.trials()]
    assert order == sorted(order, key=lambda turn: (-macs[turn[0]] * (3 - turn[1]), turn[0]))
    assert order != sorted(order), "or else numbers would explain it"


def test_a_candidate_is_not_trained_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = []

    def counted(segment: Segment, data: Parts, checkpoint: bytes | None) -> Trained | Failed:
        trained.append((segment.candidate, segment.stop))
        return train_segment(segment, data, checkpoint)

    monkeypatch.setattr(executors, "train_segment", counted)
    study, place = finished(tmp_path, *TINY, "search.trials=10", "search.cohort=4")
    trials = study.trials()
    repeated = [trial for trial in trials if trial.state == "repeated"]
    assert len(trained) == len(set(trained))
    assert len(repeated) == 10 - len({trial.candidate for trial in trials}) > 3
    assert any(
        trial.repeats is not None and trial.repeats // 4 == trial.number // 4 for trial in repeated
    )
    for trial in repeated:
        assert trial.repeats is not None
        assert trials[trial.repeats].candidate == trial.candidate
        assert trials[trial.repeats].state in ("complete", "pruned")
        assert trial.reason == f"same as trial {trial.repeats}"
        assert trial.epochs == ()
    found = json.loads(place.run.search.read_text())
    assert found["epochs"]["trained"] == len(trained)
    assert sum(int(row["epochs"]) for row in read_csv(place.run.trials)) == len(trained)
    adds_up(found)


def test_repeats_survive_a_stop_after_every_event(tmp_path: Path) -> None:
    overrides = (*TINY, "search.trials=6", "search.cohort=4", "training.epochs=1")
    study, _ = finished(tmp_path / "one", *overrides)
    _, other = fresh(tmp_path / "two", study.config)
    while go(reopen(other), other, events=1):
        pass
    assert table(reopen(other)) == table(study)


def failing(*failures: int) -> Callable[[Segment, Parts, bytes | None], Trained | Failed]:
    """Return a train_segment that fails in the second epoch of these trials."""

    def train(segment: Segment, data: Parts, checkpoint: bytes | None) -> Trained | Failed:
        if segment.trial in failures and segment.stop == 2:
            assert checkpoint is not None
            return Failed("diverged: not a finite number in epoch 2")
        return train_segment(segment, data, checkpoint)

    return train


NO_PRUNING = ("search.schedule.name=none", "training.epochs=2")


def test_a_failing_candidate_is_recorded_and_the_search_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executors, "train_segment", failing(1, 4))
    study, place = finished(tmp_path, *NO_PRUNING)
    trials = study.trials()
    assert [t.number for t in trials if t.state == "failed"] == [1, 4]
    assert trials[1].reason == "diverged: not a finite number in epoch 2"
    assert len(trials[1].epochs) == 1
    assert [t.number for t in trials if t.state == "complete"] == [0, 2, 3]
    rows = timeless(place.run.trials)
    assert rows[1]["reason"] == "diverged: not a finite number in epoch 2"
    adds_up(json.loads(place.run.search.read_text()))
    assert not place.run.checkpoints.exists()


def test_failures_survive_a_stop_after_every_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executors, "train_segment", failing(1, 4))
    study, _ = finished(tmp_path / "one", *NO_PRUNING)
    _, other = fresh(tmp_path / "two", study.config)
    while go(reopen(other), other, events=1):
        pass
    assert table(reopen(other)) == table(study)


def test_a_search_whose_trials_all_fail_ends_without_a_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executors, "train_segment", failing(0, 1, 2))
    study, place = finished(tmp_path, *NO_PRUNING, "search.trials=3")
    assert {trial.state for trial in study.trials()} == {"failed"}
    found = json.loads(place.run.search.read_text())
    assert (found["best"], found["importances"], found["trials"]["failed"]) == (None, {}, 3)
    assert not place.run.best.exists()
    adds_up(found)


def test_a_candidate_that_failed_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executors, "train_segment", failing(0))
    one = ("space={depth: 1, channels: 4, kernel_size: 3}", "search.cohort=1", "search.trials=3")
    study, _ = finished(tmp_path, *NO_PRUNING, *one)
    assert [trial.state for trial in study.trials()] == ["failed", "complete", "repeated"]
    assert study.trials()[2].reason == "same as trial 1"


def test_a_repeat_of_a_failing_trial_of_its_cohort_ends_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executors, "train_segment", failing(0))
    one = ("space={depth: 1, channels: 4, kernel_size: 3}", "search.cohort=3", "search.trials=3")
    study, _ = finished(tmp_path, *NO_PRUNING, *one)
    assert [trial.state for trial in study.trials()] == ["failed", "repeated", "repeated"]


@pytest.mark.parametrize("schedule", ["hyperband", "halving", "none"])
def test_any_number_of_workers_gives_the_same_study(
    straight: Straight, tmp_path: Path, schedule: str
) -> None:
    study, place = straight(schedule)
    for workers in (2, 4):
        again, other = fresh(tmp_path / str(workers), study.config)
        go(again, other, workers=workers)
        assert table(again) == table(study)
        assert timeless(other.run.trials) == timeless(place.run.trials)
        assert other.run.best.read_bytes() == place.run.best.read_bytes()


def test_the_number_of_workers_may_change_on_the_way(straight: Straight, tmp_path: Path) -> None:
    study, _ = straight("halving")
    _, other = fresh(tmp_path, study.config)
    for workers in (2, 1, 3, 1):
        go(reopen(other), other, events=4, workers=workers)
    go(reopen(other), other)
    assert table(reopen(other)) == table(study)


def test_halving_goes_on_with_the_best_of_each_cohort(straight: Straight) -> None:
    study, place = straight("halving")
    for first in (0, 3):
        cohort = study.trials()[first : first + 3]
        assert sorted(len(trial.epochs) for trial in cohort)[-1] == 5
        at_rung = [trial.epochs[0].measured.accuracy for trial in cohort]
        kept = [trial.epochs[0].measured.accuracy for trial in cohort if len(trial.epochs) > 1]
        assert kept == [max(at_rung)]
    assert json.loads(place.run.search.read_text())["epochs"]["trained"] == 3 + 4 + 2 + 4


def test_no_cohort_is_asked_when_the_time_is_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    study, place = fresh(tmp_path, search_config("search.max_minutes=1"))
    seen = []
    for trial in searching(study, place):
        seen.append(trial)
        clock[0] = 61.0  # in the middle of the first cohort of three
    found = json.loads(place.run.search.read_text())
    assert found["stopped"] == "time"
    assert found["epochs"]["full_budget"] == 5 * 5, "of all trials that were asked for"
    assert [trial.state != "running" for trial in study.trials()] == [True] * 3
    assert go(reopen(place), place) == [], "the limit is on all sittings together"
    more = reopen(place)
    more.replace_config(search_config("search.max_minutes=10").plain())
    go(more, place)
    assert len(more.trials()) == 5
    assert json.loads(place.run.search.read_text())["stopped"] is None


def test_the_clock_goes_on_over_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = itertools.count(0, 10)
    monkeypatch.setattr("time.monotonic", lambda: float(next(ticks)))
    _, place = fresh(tmp_path, search_config("search.trials=2"))
    seconds = [0.0]
    while go(reopen(place), place, events=3):
        seconds.append(reopen(place).clock.seconds)
    assert seconds == sorted(set(seconds)), "it grows with every sitting"
    assert len(seconds) > 3
