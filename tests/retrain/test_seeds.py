"""Several seeds of a retrain: each a retrain of its own, and how much they differ."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from made_retrain import go, made_job
from nas_cifar10.errors import TrainingFailedError
from nas_cifar10.retrain import train
from nas_cifar10.runs.files import read_json
from nas_cifar10.runs.folder import RetrainFolder, RunFolder
from nas_cifar10.segment import RETRAIN, Failed, Segment, Trained, train_segment

THREE = ("retrain.seeds=3", "retrain.epochs=2")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Return a run whose candidate was retrained three times."""
    folder = tmp_path_factory.mktemp("done")
    go(made_job(folder, *THREE))
    return RunFolder(folder)


def kept(folder: RetrainFolder) -> dict[str, Any]:
    metrics = read_json(folder.metrics)
    del metrics["seconds"]
    return {"model": folder.model.read_bytes(), "metrics": metrics}


def test_the_first_seed_is_the_run_as_ever_and_the_others_are_others(
    done: RunFolder, tmp_path: Path
) -> None:
    go(made_job(tmp_path, "retrain.epochs=2"))
    alone = RunFolder(tmp_path).retrain
    assert kept(alone) == kept(done.retrain)
    assert not alone.summary.exists()
    assert alone.seeds() == []
    folders = [done.retrain.seed(number) for number in (0, 1, 2)]
    assert folders[0] is done.retrain
    assert [folder.root.name for folder in folders[1:]] == ["seed-1", "seed-2"]
    assert len({folder.model.read_bytes() for folder in folders}) == 3
    numbers = [read_json(folder.description)["provenance"].get("number", 0) for folder in folders]
    assert numbers == [0, 1, 2]


def test_the_summary_is_mean_and_sample_deviation(done: RunFolder) -> None:
    found = read_json(done.retrain.summary)
    assert (found["n"], found["part"]) == (3, "test")
    for part in ("test", "train"):
        for score in ("accuracy", "loss"):
            values = [
                read_json(done.retrain.seed(number).metrics)[part][score] for number in range(3)
            ]
            assert found[f"{part}_{score}"] == {
                "mean": pytest.approx(np.mean(values)),
                "sd": pytest.approx(np.std(values, ddof=1)),
                "values": values,
            }


@pytest.mark.parametrize("after", [1, 3, 4])
def test_stopped_seeds_go_on_where_they_stood(done: RunFolder, tmp_path: Path, after: int) -> None:
    go(made_job(tmp_path, *THREE), epochs=after)
    assert not RunFolder(tmp_path).retrain.summary.exists()
    later = go(made_job(tmp_path, *THREE), resume=True)
    assert len(later) == 6 - after
    run = RunFolder(tmp_path)
    for number in range(3):
        assert kept(run.retrain.seed(number)) == kept(done.retrain.seed(number))
    assert read_json(run.retrain.summary) == read_json(done.retrain.summary)


def test_seeds_may_be_added_later(done: RunFolder, tmp_path: Path) -> None:
    go(made_job(tmp_path, "retrain.epochs=2"))
    added = go(made_job(tmp_path, *THREE), resume=True)
    assert [epoch.number for epoch in added] == [1, 2, 1, 2]
    assert read_json(RunFolder(tmp_path).retrain.summary) == read_json(done.retrain.summary)


def test_starting_over_leaves_no_seed_of_before(tmp_path: Path) -> None:
    go(made_job(tmp_path, "retrain.seeds=2", "retrain.epochs=1"))
    go(made_job(tmp_path, "retrain.epochs=1"))
    run = RunFolder(tmp_path)
    assert run.retrain.metrics.exists()
    assert not run.retrain.summary.exists()
    assert not run.retrain.seed(1).metrics.exists()
    run.clear()
    assert not run.retrain.root.exists()


def test_a_seed_that_fails_is_told_after_the_others_are_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(number: int) -> None:
        def broken(segment: Segment, *rest: Any) -> Trained | Failed:
            failing = segment.stream == RETRAIN + 2 * number
            return Failed("diverged") if failing else train_segment(segment, *rest)

        monkeypatch.setattr(train, "train_segment", broken)

    job = made_job(tmp_path, *THREE)
    fails(1)
    with pytest.raises(TrainingFailedError, match="retrain of trial 0, seed 1 failed: diverged"):
        go(job)
    assert read_json(job.folder.summary)["n"] == 2
    assert job.folder.seed(2).model.exists()
    fails(0)
    with pytest.raises(TrainingFailedError, match="retrain of trial 0 failed: diverged"):
        go(job)
    assert not job.folder.seed(2).model.exists()
