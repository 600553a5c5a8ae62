"""Several goals at once: a Pareto study, its rungs, its files, and how it goes on."""

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import nn

from made_chaos import at_once
from made_search import (
    adds_up,
    begin,
    finished,
    fresh,
    go,
    place_in,
    reopen,
    search_config,
    table,
    take_up,
    timeless,
)
from made_search import pictures as digits_pictures
from made_study import made_config, no_waiting
from nas_cifar10.cli.show import show_study
from nas_cifar10.errors import StateError
from nas_cifar10.networks import latency
from nas_cifar10.report.gather import gather
from nas_cifar10.report.html import page
from nas_cifar10.report.write import report
from nas_cifar10.runs.files import read_json
from nas_cifar10.runs.folder import RunFolder
from nas_cifar10.search.driver import run_search
from nas_cifar10.search.executors import InProcess
from nas_cifar10.search.schedules import ByFronts, Halving, Hyperband
from nas_cifar10.study.ranking import best_of, front_of, ranked
from nas_cifar10.study.rows import Trial
from nas_cifar10.study.study import Study
from nas_cifar10.views import write_config

BOTH = "search.objectives=[accuracy, macs]"
HALVING = ("search.schedule.name=halving", "search.cohort=4", "search.trials=12")
HEAD = ["trial", "accuracy", "epochs", "parameters", "MACs", "front", "state", "network"]
QUICK = ("training.epochs=1", "search.schedule.name=none")


def brute_force(trials: list[Trial], *costs: str) -> set[int]:
    """Return the complete trials that no other beats, by looking at every pair."""
    complete = [trial for trial in trials if trial.state == "complete"]
    points = {
        t.number: (-t.epochs[-1].measured.accuracy, *(getattr(t, cost) for cost in costs))
        for t in complete
    }
    return {
        n
        for n, mine in points.items()
        if not any(
            other != mine and all(o <= m for o, m in zip(other, mine, strict=True))
            for other in points.values()
        )
    }


@pytest.fixture(scope="module")
def pareto(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Any]:
    return finished(tmp_path_factory.mktemp("pareto"), BOTH, *HALVING)


def test_the_front_is_what_brute_force_says(pareto: tuple[Study, Any]) -> None:
    study, place = pareto
    trials, found = study.trials(), read_json(place.run.search)
    expected = brute_force(trials, "macs")
    adds_up(found)
    assert {point["trial"] for point in found["front"]} == expected
    assert {t.number for t in trials if t.state == "complete"} >= expected
    assert {int(r["trial"]) for r in timeless(place.run.trials) if r["pareto"] == "1"} == expected
    accuracies = [point["validation_accuracy"] for point in found["front"]]
    assert accuracies == sorted(accuracies, reverse=True)
    assert found["best"]["trial"] == found["front"][0]["trial"]
    for point in found["front"]:
        trial = trials[point["trial"]]
        assert (point["parameters"], point["macs"]) == (trial.parameters, trial.macs)


def test_it_is_the_front_that_optuna_sees(pareto: tuple[Study, Any]) -> None:
    study, _ = pareto
    stored = study._stored.study
    assert {trial.number for trial in stored.best_trials} >= brute_force(study.trials(), "macs")
    complete = [t for t in study.trials() if t.state == "complete"]
    for trial in complete:
        accuracy = trial.epochs[-1].measured.accuracy
        assert stored.trials[trial.number].values == [accuracy, trial.macs]
    assert {t.state for t in study.trials()} >= {"complete", "pruned"}


def test_trials_are_ranked_front_by_front(pareto: tuple[Study, Any]) -> None:
    study, _ = pareto
    trials, search = study.trials(), study.config.search
    left, order = trials, ranked(trials, search)
    while order:
        front = front_of(left, search)
        assert {t.number for t in front} == brute_force(left, "macs")
        assert order[: len(front)] == front
        order = order[len(front) :]
        left = [trial for trial in left if trial not in front]
    assert best_of(trials, search) == ranked(trials, search)[0]


@pytest.mark.parametrize("every", [1, 4])
def test_a_search_for_several_goals_is_the_same_however_often_it_is_stopped(
    tmp_path: Path, pareto: tuple[Study, Any], every: int
) -> None:
    straight, place = pareto
    _, other = fresh(tmp_path, search_config(BOTH, *HALVING))
    while len(go(reopen(other), other, events=every)) == every:
        pass
    assert table(reopen(other)) == table(straight)
    assert timeless(other.run.trials) == timeless(place.run.trials)


def test_workers_make_no_difference_to_a_front(tmp_path: Path, pareto: tuple[Study, Any]) -> None:
    straight, _ = pareto
    study, place = fresh(tmp_path, search_config(BOTH, *HALVING))
    go(study, place, workers=2)
    assert table(study) == table(straight)


@pytest.mark.parametrize("sampler", ["tpe", "local", "random", "exhaustive"])
@pytest.mark.parametrize("limit", [40_000, 1])
def test_samplers_and_budgets_work_with_several_goals(
    tmp_path: Path, sampler: str, limit: int
) -> None:
    study, place = fresh(
        tmp_path,
        search_config(
            BOTH,
            *HALVING,
            "space.training={}",
            "training.epochs=2",
            f"search.sampler.name={sampler}",
            f"search.constraints.max_macs={limit}",
        ),
    )
    go(study, place)
    trained = [trial for trial in study.trials() if trial.epochs]
    assert all(trial.macs <= limit for trial in trained)
    assert bool(trained) == (limit > 1)
    assert ("infeasible" in {trial.state for trial in study.trials()}) or limit > 1
    adds_up(read_json(place.run.search))


def test_a_latency_that_is_a_goal_is_timed_kept_and_measured_whole(tmp_path: Path) -> None:
    goals = "search.objectives=[macro_f1, latency, parameters]"
    config = search_config(goals, "search.trials=4", *QUICK)
    place = place_in(tmp_path)
    study = begin(config, place).study
    go(study, place)
    trials, found = study.trials(), read_json(place.run.search)
    best = best_of(trials, config.search)
    assert best is not None
    assert best.latency_ms is not None
    timed = found["latency_ms"]
    assert (timed["trial"], timed["table"]) == (best.number, pytest.approx(best.latency_ms, 1e-3))
    assert timed["measured"] > 0
    keys = {"trial", "validation_accuracy", "validation_macro_f1", "parameters", "macs"}
    assert set(found["front"][0]) == {*keys, "latency_ms"}
    go(take_up(place).study, place)
    assert read_json(place.run.search)["latency_ms"] == timed, "timed once a network"


def test_a_page_of_several_costs_and_macro_f1_says_so_and_prints_each_front_once(
    tmp_path: Path,
) -> None:
    goals = "search.objectives=[macro_f1, macs, parameters]"
    study, place = finished(tmp_path, goals, "search.trials=4", *QUICK)
    write_config(study, place.run)
    place.run.data.unlink()  # made up, and not whole
    still = io.BytesIO()
    Image.new("RGB", (2, 2)).save(still, "PNG")
    text = page(gather(place.run), dict.fromkeys(("pareto_front", "slice"), still.getvalue()))
    assert "The Pareto front is one of validation macro F1 after 1 epoch" in text
    assert 'alt="Validation macro F1 against each searched value."' in text
    drawn = text[text.index('id="search"') : text.index("All trials")]
    first, second, *_ = re.findall(r'<figure class="(chart[^"]*)">', drawn)
    assert (first, second) == ("chart", "chart live"), "the first's still picture holds both"
    assert drawn.count('<img class="still"') == 1


def test_a_study_with_one_objective_says_nothing_of_fronts(tmp_path: Path) -> None:
    _, place = finished(tmp_path, "search.trials=2", *QUICK)
    found = read_json(place.run.search)
    assert not {"front", "latency_ms"} & found.keys()
    assert not {"pareto", "latency_ms"} & timeless(place.run.trials)[0].keys()


@pytest.mark.parametrize("key", ["objectives", "constraints", "max_losses"])
def test_a_study_made_before_a_key_existed_goes_on(tmp_path: Path, key: str) -> None:
    place = place_in(tmp_path)
    study = begin(search_config("search.trials=3", *QUICK), place).study
    go(study, place, events=3)
    older = json.loads(json.dumps(study.facts.config))
    del older["search"][key]
    study.replace_config(older)
    resumed = take_up(place).study
    go(resumed, place)
    assert {trial.state for trial in resumed.trials()} <= {"complete", "repeated"}
    assert len(resumed.trials()) == 3
    assert key in reopen(place).facts.config["search"]


def test_other_goals_are_another_study(tmp_path: Path) -> None:
    place = place_in(tmp_path)
    begin(search_config(BOTH), place)
    with pytest.raises(StateError, match=r"search\.objectives: \['accuracy', 'macs'\] in the"):
        take_up(place, search_config("search.objectives=[accuracy, parameters]"))


@pytest.mark.parametrize("complete", [0, 1, 2])
def test_report_and_table_survive_few_complete_trials(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], complete: int
) -> None:
    config = search_config(BOTH, *QUICK, "search.trials=2", "search.cohort=1")
    place = place_in(tmp_path)
    study = begin(config, place).study
    go(study, place, events=1 + 3 * complete if complete < 2 else None)
    facts, left_out = report(place.run)
    assert len(facts.complete) == complete
    assert ("pareto_front" in left_out) == (complete == 0)
    assert (place.run.figures / "pareto_front.png").exists() == (complete > 0)
    assert ('data-chart="front-macs"' in place.run.page.read_text()) == (complete > 0)
    front = brute_force(study.trials(), "macs")
    assert {trial.number for trial in facts.front} == front
    show_study(place, as_json=False)
    lines = capsys.readouterr().out.splitlines()[1:]
    assert lines[0].split() == HEAD
    assert {int(line.split()[0]) for line in lines if " yes " in line} == front


def search_at_once(folder: Path, *overrides: str) -> tuple[Study, RunFolder]:
    """Search on digits with made-up scores."""
    place = place_in(folder)
    study = begin(made_config(*overrides), place).study
    with no_waiting():
        for _ in run_search(
            study, place.run, InProcess(digits_pictures(), 1, torch.device("cpu"), at_once)
        ):
            pass
    return study, place.run


def by_size(module: nn.Module, shape: tuple[int, int, int], device: torch.device) -> float:
    """Return milliseconds that follow from the weights alone."""
    return 0.01 + sum(weight.numel() for weight in module.parameters()) / 1e4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("limit", "cost"),
    [
        ("max_parameters", None),
        ("max_parameters", "latency_ms"),
        ("max_macs", None),
        ("max_macs", "parameters"),
        ("max_latency_ms", None),
        ("max_latency_ms", "macs"),
    ],
)
def test_of_200_trials_on_digits_none_above_a_budget_is_trained_and_the_front_is_right(
    tmp_path: Path, limit: str, cost: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = 200
    monkeypatch.setattr(latency, "measure", by_size)  # a busy machine changes between two searches
    field = limit.removeprefix("max_")
    goals = f"[accuracy, {cost.removesuffix('_ms')}]" if cost else "null"
    wanted = (f"search.trials={number}", f"search.objectives={goals}", *QUICK)
    most: float = {"max_parameters": 1500, "max_macs": 20000}.get(limit, 0)
    if not most:  # the middle of what the first candidates take
        study, _ = search_at_once(
            tmp_path / "first", *wanted, "search.constraints.max_latency_ms=1000", "search.trials=9"
        )
        most = sorted(trial.latency_ms or 0 for trial in study.trials())[4]
    budget = f"search.constraints.{limit}={most}"
    study, run = search_at_once(tmp_path / "run", *wanted, budget)
    trials = study.trials()
    assert len(trials) == number
    trained = [trial for trial in trials if trial.epochs]
    refused = [trial for trial in trials if trial.state == "infeasible"]
    assert [t for t in trained if getattr(t, field) > most] == []
    assert trained
    assert refused
    assert all(getattr(t, field) > most for t in refused)
    found = read_json(run.search)
    adds_up(found)
    if cost is not None:
        assert {row["trial"] for row in found["front"]} == brute_force(trials, cost)


def curves(*values: float) -> dict[int, list[float]]:
    return {number: [value] * 9 for number, value in enumerate(values)}


def test_a_rung_keeps_the_front_and_fills_up_from_the_next() -> None:
    halving, work = Halving(9, 2, cohort=6), (9, 8, 7, 1, 9, 9)
    schedule = ByFronts(halving, 2, lambda number: (work[number],))
    reports = curves(0.9, 0.5, 0.4, 0.1, 0.8, 0.3)
    kept = [number for number in range(6) if schedule.goes_on(number, 1, reports)]
    assert kept == [0, 1, 2, 3], "nothing beats these four in both"
    small = ByFronts(Halving(9, 2, cohort=6), 2, lambda number: (5,))
    kept = [number for number in range(6) if small.goes_on(number, 1, reports)]
    assert kept == [0, 1, 4], "one is the front, the next two fill up a half"


def test_a_bracket_compares_with_its_earlier_trials_only() -> None:
    hyperband = Hyperband("fronts", 9, 3)
    later_is_dearer = ByFronts(hyperband, 3, lambda number: (number,))
    later_is_cheaper = ByFronts(hyperband, 3, lambda number: (-number,))
    reports = curves(*[0.5] * 30)
    for trial in range(30):
        rung = hyperband.decision_epochs(trial)[0]
        rivals = hyperband.rivals(trial, rung, reports)
        assert all(rival < trial for rival in rivals)
        assert later_is_cheaper.goes_on(trial, rung, reports)
        assert later_is_dearer.goes_on(trial, rung, reports) == (not rivals)
