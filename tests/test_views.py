"""The study as files: the columns of the design, and totals that add up."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from made_search import (
    adds_up,
    executor,
    finished,
    fresh,
    search_config,
    timeless,
)
from nas_cifar10.runs.place import Place
from nas_cifar10.search import driver
from nas_cifar10.study.ranking import best_of
from nas_cifar10.study.study import Study


@pytest.fixture(scope="module")
def found_out(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Place]:
    """Return a search that ran from beginning to end."""
    return finished(tmp_path_factory.mktemp("search"))


def test_views_are_those_of_the_design(found_out: tuple[Study, Place]) -> None:
    study, place = found_out
    found = json.loads(place.run.search.read_text())
    adds_up(found)
    assert list(found) == [
        "trials",
        "epochs",
        "seconds",
        "stopped",
        "importances",
        "network",
        "best",
        "baseline",
    ]
    assert found["epochs"] == {
        "trained": sum(len(trial.epochs) for trial in study.trials()),
        "full_budget": 5 * 5,
    }
    assert found["seconds"] > 0
    assert found["importances"] == study.importances() != {}
    rows = timeless(place.run.trials)
    assert list(rows[0]) == [
        "trial",
        "state",
        "reason",
        "kind",
        "validation_accuracy",
        "epochs",
        "parameters",
        "macs",
        "fingerprint",
        *study.space.dimensions,
    ]
    for row, trial in zip(rows, study.trials(), strict=True):
        depth = len(trial.candidate.architecture.blocks)
        assert row["fingerprint"] == trial.candidate.fingerprint()
        assert float(row["validation_accuracy"]) == trial.epochs[-1].measured.accuracy
        for number in (1, 2, 3):
            assert (row[f"block{number}.channels"] == "") == (number > depth)
    curves = timeless(place.run.curves)
    assert list(curves[0]) == [
        "trial",
        "epoch",
        "train_loss",
        "train_accuracy",
        "validation_loss",
        "validation_accuracy",
    ]
    assert len(curves) == found["epochs"]["trained"]


def test_the_best_is_the_first_complete_trial_with_the_highest_objective(
    found_out: tuple[Study, Place],
) -> None:
    study, place = found_out
    complete = [trial for trial in study.trials() if trial.state == "complete"]
    top = max(trial.epochs[-1].measured.accuracy for trial in complete)
    first = next(t for t in complete if t.epochs[-1].measured.accuracy == top)
    best = json.loads(place.run.best.read_text())
    assert best == {
        "trial": first.number,
        "validation_accuracy": top,
        "parameters": first.parameters,
        "macs": first.macs,
        "candidate": json.loads(json.dumps(first.candidate.to_json())),
    }
    assert json.loads(place.run.search.read_text())["best"] == best
    tied = [replace(complete[0], number=3), complete[0]]
    assert best_of(tied, study.config.search) == complete[0]
    assert best_of([], study.config.search) is None


def test_another_objective_has_its_own_columns_and_best(tmp_path: Path) -> None:
    study, place = finished(tmp_path, "search.objective=macro_f1", "search.trials=3")
    rows = timeless(place.run.trials)
    for row, trial in zip(rows, study.trials(), strict=True):
        assert float(row["validation_macro_f1"]) == trial.epochs[-1].measured.macro_f1
    assert "validation_macro_f1" in timeless(place.run.curves)[0]
    best = best_of(study.trials(), study.config.search)
    assert best is not None
    assert json.loads(place.run.best.read_text())["trial"] == best.number


def test_a_search_survives_views_written_while_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "_VIEWS_EVERY_SECONDS", 0)
    study, place = fresh(tmp_path, search_config("search.trials=2"))
    clocks = []
    for trial in driver.run_search(study, place.run, executor()):
        if place.run.search.exists() and trial.state == "running":
            found = json.loads(place.run.search.read_text())
            assert found["trials"]["requested"] == 2
            assert found["stopped"] is None
            clocks.append(study.clock.seconds)
    assert clocks, "nothing was written before its end"
    assert min(clocks) > 0, "after a SIGKILL it would not be known how long it took"
    assert len(timeless(place.run.trials)) == 2
