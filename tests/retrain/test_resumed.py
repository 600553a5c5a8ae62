"""A retrain that was stopped equals one that never was, wherever the stop came."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from made_retrain import go, made_job
from made_study import ask, made_config
from nas_cifar10.errors import NasError, StateError, StorageError, UnreadableError
from nas_cifar10.retrain import measure, train
from nas_cifar10.retrain.job import Job
from nas_cifar10.runs import files
from nas_cifar10.runs.asked import Asked
from nas_cifar10.runs.files import read_csv, read_json
from nas_cifar10.runs.folder import RetrainFolder


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """Return a retrain that ran to its end."""
    job = made_job(tmp_path_factory.mktemp("done"))
    go(job)
    return job


def timeless(folder: RetrainFolder) -> dict[str, Any]:
    """Return all files but the checkpoint, without times and the commit, which may move on."""
    found: dict[str, Any] = {
        "model": folder.model.read_bytes(),
        "description": read_json(folder.description),
        "predictions": folder.predictions.read_bytes(),
        "history": [row | {"epoch_seconds": ""} for row in read_csv(folder.history)],
        "metrics": read_json(folder.metrics),
    }
    del found["metrics"]["seconds"], found["description"]["provenance"]["commit"]
    return found


@pytest.mark.parametrize("after", [1, 2])
def test_a_resumed_retrain_equals_one_that_never_stopped(
    done: Job, tmp_path: Path, after: int
) -> None:
    go(made_job(tmp_path), epochs=after)
    assert not RetrainFolder(tmp_path / "retrain").model.exists()
    later = go(made_job(tmp_path), resume=True)
    assert [epoch.number for epoch in later] == list(range(after + 1, 4))
    assert timeless(RetrainFolder(tmp_path / "retrain")) == timeless(done.folder)


class _KilledError(Exception):
    pass


def test_a_kill_before_or_after_any_file_changes_nothing(
    done: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, kills = 0, 0

    def mortal(write: Callable[..., None]) -> Callable[..., None]:
        def run(*args: Any) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise _KilledError
            write(*args)
            left -= 1
            if left == 0:
                raise _KilledError

        return run

    for room, name in (
        (train, "write_atomic"),
        (train, "write_csv"),
        (measure, "write_atomic"),
        (measure, "write_json"),
    ):
        monkeypatch.setattr(room, name, mortal(getattr(files, name)))
    while kills < 100:
        left = 1 + kills
        try:
            go(made_job(tmp_path), resume=True)
            break
        except _KilledError:
            kills += 1
    assert 4 < kills < 100
    assert timeless(RetrainFolder(tmp_path / "retrain")) == timeless(done.folder)


def test_resuming_a_finished_retrain_only_measures_again(done: Job) -> None:
    before = timeless(done.folder)
    assert go(done, resume=True) == []
    assert timeless(done.folder) == before


def test_more_epochs_go_on_from_the_last_one(done: Job, tmp_path: Path) -> None:
    go(made_job(tmp_path, "retrain.epochs=2"))
    later = go(made_job(tmp_path), resume=True)
    assert [epoch.number for epoch in later] == [3]
    assert timeless(RetrainFolder(tmp_path / "retrain"))["model"] == timeless(done.folder)["model"]


def test_a_new_model_never_stands_beside_what_the_old_one_was_worth(
    done: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go(made_job(tmp_path, "retrain.epochs=2"))

    def killed(*_: Any) -> None:
        raise _KilledError

    monkeypatch.setattr("nas_cifar10.retrain.measure._measure", killed)
    with pytest.raises(_KilledError):
        go(made_job(tmp_path), resume=True)
    left = RetrainFolder(tmp_path / "retrain")
    assert left.model.read_bytes() == done.folder.model.read_bytes()
    assert not any(path.exists() for path in (left.metrics, left.predictions, left.card))


def test_fewer_epochs_than_were_trained_are_refused(tmp_path: Path) -> None:
    go(made_job(tmp_path), epochs=2)
    with pytest.raises(StateError, match=r"has 2 epochs already.*retrain\.epochs = 1"):
        go(made_job(tmp_path, "retrain.epochs=1"), resume=True)


def test_without_resume_the_retrain_starts_over(done: Job, tmp_path: Path) -> None:
    go(made_job(tmp_path), epochs=2)
    assert [epoch.number for epoch in go(made_job(tmp_path))] == [1, 2, 3]
    assert timeless(RetrainFolder(tmp_path / "retrain")) == timeless(done.folder)


def test_resuming_where_nothing_is_starts_afresh(tmp_path: Path) -> None:
    assert len(go(made_job(tmp_path), resume=True)) == 3


def test_a_damaged_checkpoint_starts_over_with_a_warning(
    done: Job, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    job = made_job(tmp_path)
    go(job, epochs=2)
    content = bytearray(job.folder.checkpoint.read_bytes())
    content[100] ^= 1
    job.folder.checkpoint.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert len(go(made_job(tmp_path), resume=True)) == 3
    assert caplog.messages == ["the retrain starts over: checkpoint: damaged, its checksum differs"]
    assert timeless(job.folder) == timeless(done.folder)


@pytest.mark.parametrize(
    ("place", "error"),
    [
        ("nas_cifar10.retrain.train.read_bytes", StorageError("checkpoint.pt: I/O error")),
        ("nas_cifar10.training.checkpoint.load_saved", UnreadableError("checkpoint: no memory")),
    ],
    ids=["disk", "memory"],
)
def test_a_checkpoint_that_cannot_be_read_now_takes_nothing_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, error: NasError
) -> None:
    def fails(*_: object) -> None:
        raise error

    go(made_job(tmp_path))
    before = {path: path.read_bytes() for path in (tmp_path / "retrain").iterdir()}
    monkeypatch.setattr(place, fails)
    with pytest.raises(type(error), match=str(error)):
        go(made_job(tmp_path), resume=True)
    assert {path: path.read_bytes() for path in (tmp_path / "retrain").iterdir()} == before


def test_a_checkpoint_of_other_pictures_or_another_trial_is_refused(tmp_path: Path) -> None:
    job = made_job(tmp_path)
    go(job, epochs=1)
    other = ask(job.study)
    monitored = replace(job, config=made_config("retrain.monitor=validation"))
    for changed in (replace(job, trial=other), monitored):
        with pytest.raises(StateError, match="leave out --resume to start over"):
            go(changed, resume=True)


def test_what_is_refused_takes_nothing_away(tmp_path: Path) -> None:
    job = made_job(tmp_path, "retrain.seeds=2")
    go(job)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.json")}
    assert job.folder.summary in before
    with pytest.raises(StateError):
        go(replace(job, trial=ask(job.study)), resume=True)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.json")} == before


def test_a_run_begins_anew_what_it_cannot_go_on_with(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    go(made_job(tmp_path))
    fewer = made_job(tmp_path, "retrain.epochs=1")
    with caplog.at_level(logging.WARNING):
        trained = list(train.retrain_all([fewer], Asked(), resume=True, or_anew=True))
    assert [epoch and epoch.number for _, _, epoch in trained] == [None, 1]
    (message,) = caplog.messages
    assert "starts over" in message
    assert "has 3 epochs already" in message
    assert read_json(fewer.folder.metrics)["epochs"] == 1


def test_what_was_exported_stays_as_long_as_its_model(tmp_path: Path) -> None:
    job = made_job(tmp_path, "retrain.epochs=1")
    go(job)
    job.folder.onnx.write_bytes(b"exported")
    go(job, resume=True)
    assert job.folder.onnx.read_bytes() == b"exported"
    go(made_job(tmp_path, "retrain.epochs=2"), resume=True)
    assert not job.folder.onnx.exists()
