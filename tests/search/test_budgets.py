"""Budgets: nothing above one is trained, and the sampler learns where they lie."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from made_chaos import at_once
from made_search import (
    adds_up,
    begin,
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
from made_study import made_config, made_facts, made_study, no_waiting
from nas_cifar10.cli.show import show_study
from nas_cifar10.config.schema import Config
from nas_cifar10.config.search import ConstraintsConfig
from nas_cifar10.data.parts import Parts
from nas_cifar10.errors import BadDataError
from nas_cifar10.networks.latency import every_part
from nas_cifar10.report.summary import summary
from nas_cifar10.report.write import report
from nas_cifar10.runs.database import Database
from nas_cifar10.runs.files import read_csv, read_json, write_json
from nas_cifar10.search.budgets import excess, refusal
from nas_cifar10.search.driver import run_search
from nas_cifar10.search.executors import InProcess
from nas_cifar10.segment import Failed, Segment, Trained
from nas_cifar10.space.cost import Cost
from nas_cifar10.space.search_space import SearchSpace
from nas_cifar10.study.storage import create_study
from nas_cifar10.study.study import Study

LIMITS = {
    "max_parameters": "search.constraints.max_parameters=1500",
    "max_macs": "search.constraints.max_macs=20000",
}
QUICK = ("training.epochs=1", "search.schedule.name=none")
BOTH = ("search.constraints.max_parameters=1200", "search.constraints.max_macs=16000")


def test_what_exceeds_a_limit_is_refused_with_both_numbers() -> None:
    limits = ConstraintsConfig(max_parameters=1000, max_macs=50)
    within, above = {"parameters": 1000, "macs": 50}, {"parameters": 1500, "macs": 51}
    assert excess(limits, within) == {"max_parameters": 0, "max_macs": 0}
    assert refusal(limits, within) is None
    assert excess(limits, above) == {"max_parameters": 0.5, "max_macs": pytest.approx(0.02)}
    assert refusal(limits, above) == (
        "1,500 parameters, at most 1,000 allowed; 51 MACs, at most 50 allowed"
    )
    close = {"latency_ms": 1.0004}
    assert refusal(ConstraintsConfig(max_latency_ms=1), close) == "1.0004 ms, at most 1 allowed"
    assert refusal(ConstraintsConfig(max_latency_ms=0.5), close) == "1 ms, at most 0.5 allowed"
    assert excess(ConstraintsConfig(), above) == {}
    assert refusal(ConstraintsConfig(), above) is None


def simulated(folder: Path, config: Config, trained: set[int]) -> Study:
    """Search with made-up scores, and note who was trained."""

    def train(segment: Segment, pictures: Parts, checkpoint: bytes | None) -> Trained | Failed:
        trained.add(segment.trial)
        return at_once(segment, pictures, checkpoint)

    place = place_in(folder)
    with no_waiting():
        study = made_study(place.run.study, config)
        executor = InProcess(digits_pictures(), 1, torch.device("cpu"), train)
        for _ in run_search(study, place.run, executor):
            pass
    return study


@pytest.mark.parametrize("limit", LIMITS)
def test_of_many_trials_none_above_the_budget_is_trained(tmp_path: Path, limit: str) -> None:
    config = made_config("search.trials=40", LIMITS[limit], *QUICK)
    trained: set[int] = set()
    study = simulated(tmp_path, config, trained)
    most = getattr(config.search.constraints, limit)
    trials = study.trials()
    costs = {t.number: getattr(t, limit.removeprefix("max_")) for t in trials}
    refused = {trial.number for trial in trials if trial.state == "infeasible"}
    assert len(trials) == 40
    assert {number for number, cost in costs.items() if cost > most} == refused
    assert refused
    assert not trained & refused
    assert all(trial.epochs == () for trial in trials if trial.state == "infeasible")
    found = json.loads((tmp_path / "search.json").read_text())
    adds_up(found)
    assert found["trials"]["infeasible"] == len(refused)
    assert found["best"][limit.removeprefix("max_")] <= most


def test_the_sampler_learns_to_stay_below_a_budget(tmp_path: Path) -> None:
    limits = ("search.trials=60", "search.constraints.max_parameters=1200", *QUICK)
    shares = {}
    for sampler in ("random", "tpe"):
        config = made_config(*limits, f"search.sampler.name={sampler}")
        trials = simulated(tmp_path / sampler, config, set()).trials()
        shares[sampler] = sum(t.state == "infeasible" for t in trials[20:]) / 40
    assert shares["tpe"] < 0.5 * shares["random"]


@pytest.mark.parametrize("limit", LIMITS)
def test_a_local_search_looks_at_nothing_above_a_budget(tmp_path: Path, limit: str) -> None:
    settings = ("search.trials=40", "search.sampler={name: local, startup_trials: 8}", *QUICK)
    config = made_config(*settings, LIMITS[limit])
    cost, most = limit.removeprefix("max_"), getattr(config.search.constraints, limit)
    within = simulated(tmp_path / "within", config, set()).trials()
    local = [trial for trial in within if trial.kind == "local"]
    assert len(local) >= 30
    assert all(trial.state != "infeasible" and getattr(trial, cost) <= most for trial in local)
    free = simulated(tmp_path / "free", made_config(*settings), set()).trials()
    assert any(getattr(trial, cost) > most for trial in free if trial.kind == "local")


@pytest.mark.parametrize("every", [1, 3])
def test_a_search_within_a_budget_is_the_same_however_often_it_is_stopped(
    tmp_path: Path, every: int
) -> None:
    config = search_config("search.trials=8", "training.epochs=2", *BOTH)
    straight, place = fresh(tmp_path / "straight", config)
    go(straight, place)
    _, other = fresh(tmp_path / "stopped", config)
    while len(go(reopen(other), other, events=every)) == every:
        pass
    assert table(reopen(other)) == table(straight)
    assert timeless(other.run.trials) == timeless(place.run.trials)
    assert {trial.state for trial in straight.trials()} >= {"infeasible", "complete"}


def test_workers_make_no_difference_within_a_budget(tmp_path: Path) -> None:
    config = search_config("search.trials=8", "training.epochs=2", *BOTH)
    (one, place), (four, shared) = (fresh(tmp_path / name, config) for name in ("one", "four"))
    go(one, place)
    go(four, shared, workers=4)
    assert table(one) == table(four)


def test_a_refused_candidate_is_refused_again_and_repeats_nothing(tmp_path: Path) -> None:
    space = "space={depth: 1, channels: 8, kernel_size: 3}"
    config = search_config(space, "search.constraints.max_parameters=10", "search.trials=4")
    study, place = fresh(tmp_path, config)
    go(study, place)
    trials = study.trials()
    assert {trial.state for trial in trials} == {"infeasible"}
    assert {trial.repeats for trial in trials} == {None}
    assert trials[0].reason == "1,370 parameters, at most 10 allowed"
    found = json.loads(place.run.search.read_text())
    assert found["best"] is None
    adds_up(found)


def test_latency_is_timed_once_kept_and_obeyed(tmp_path: Path) -> None:
    limited = search_config(
        "search.constraints.max_latency_ms=1000", "search.trials=20", "training.epochs=1"
    )
    place = place_in(tmp_path / "run")
    ready = begin(limited, place)
    timed = json.loads(place.run.latency.read_text())
    assert timed == ready.study.facts.resolved["latency"]
    assert (timed["device"], timed["threads"], timed["batch_size"]) == ("cpu", 1, 1)
    assert all(time > 0 for time in timed["parts_ms"].values())
    assert "latency" not in json.loads(place.run.environment.read_text())
    again = take_up(place).study.facts.resolved["latency"]
    assert again == timed, "never timed again"


def test_latencies_that_are_only_limited_are_shown_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    limited = search_config("search.constraints.max_latency_ms=1000", "search.trials=2", *QUICK)
    place = place_in(tmp_path / "run")
    study = begin(limited, place).study
    go(study, place)
    trials = study.trials()
    rows = read_csv(place.run.trials)
    assert [float(row["latency_ms"]) for row in rows] == [trial.latency_ms for trial in trials]
    show_study(place, as_json=False)
    head, *lines = capsys.readouterr().out.splitlines()[1:]
    assert head.split()[3:6] == ["parameters", "latency", "(ms)"]
    shown = {float(line.split()[4]) for line in lines}
    assert shown == {round(trial.latency_ms or 0, 3) for trial in trials}
    report(place.run)
    board = place.run.page.read_text().partition('id="board"')[2]
    assert '<button type="button">latency (ms)</button>' in board
    for trial in trials:
        assert f'<td data-value="{trial.latency_ms}">' in board


def test_the_table_of_latencies_is_shown_beside_the_whole_network(tmp_path: Path) -> None:
    """What is 8 % below the time of the whole is told as 8 % less, with its trial."""
    limited = search_config("search.constraints.max_latency_ms=1000", "search.trials=2", *QUICK)
    place = place_in(tmp_path / "run")
    study = begin(limited, place).study
    go(study, place)
    found = read_json(place.run.search)
    timed = {"trial": found["best"]["trial"], "table": 1.84, "measured": 2.0}
    write_json(place.run.search, found | {"latency_ms": timed})
    facts, _ = report(place.run)
    told = "2 ms a picture, timed whole; the table of its parts says 1.84 ms, 8 % less"
    assert dict(summary(facts))["its latency"] == told
    page = place.run.page.read_text()
    assert '<b data-fact="search.latency_ms.measured">2 ms</b>' in page
    trial = f"trial {timed['trial']}"
    assert f"{trial}, one picture at a time, median; the table of its parts says 1.84 ms, 8" in page
    assert f"timed whole, {trial} takes 2 ms where the sum is 1.84 ms" in page
    of_another = timed | {"trial": 1 - timed["trial"]}  # once the best of a search that goes on
    write_json(place.run.search, found | {"latency_ms": of_another})
    assert "its latency" not in dict(summary(report(place.run)[0]))
    assert 'data-fact="search.latency_ms.measured"' not in place.run.page.read_text()


@pytest.mark.parametrize("sampler", ["tpe", "local", "exhaustive"])
def test_what_the_table_says_is_refused(tmp_path: Path, sampler: str) -> None:
    config = search_config(
        "search.constraints.max_latency_ms=3.5",
        "search.trials=14",
        f"search.sampler.name={sampler}",
        "space.training={}",
    )
    shape = (1, 8, 8)
    found = every_part(SearchSpace.from_config(config.space), shape)
    slow = {str(part): 2.0 if "kernels 5" in str(part) else 1.0 for part in found}
    facts = made_facts(config)
    timed = replace(facts, resolved=facts.resolved | {"latency": {"parts_ms": slow}})
    place = place_in(tmp_path)
    with no_waiting():
        study = create_study(place.database, config.name, timed)
        executor = InProcess(digits_pictures(), 1, torch.device("cpu"), at_once)
        for _ in run_search(study, place.run, executor):
            pass
    for trial in study.trials():
        blocks = trial.candidate.architecture.blocks
        latency = 1 + sum(2 if block.kernel_size == 5 else 1 for block in blocks)
        assert (trial.state == "infeasible") == (latency > 3.5)
    assert any("4 ms, at most 3.5 allowed" in trial.reason for trial in study.trials())


def test_another_machine_does_not_time_what_the_table_is_compared_with(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    limited = search_config("search.constraints.max_latency_ms=1000", "search.trials=2", *QUICK)
    place = place_in(tmp_path / "run")
    study = begin(limited, place).study
    resolved = study.facts.resolved
    timed = {**resolved["latency"], "hardware": "another processor"}
    study.facts = replace(study.facts, resolved={**resolved, "latency": timed})
    go(study, place)
    assert study.whole_latency is None
    assert "latency_ms" not in read_json(place.run.search)
    assert "is not what the table of latencies was timed on" in caplog.text


def test_a_study_without_the_latencies_it_limits_is_bad_data(tmp_path: Path) -> None:
    limited = search_config("search.constraints.max_latency_ms=1000", "search.trials=2", *QUICK)
    study = begin(limited, place_in(tmp_path / "run")).study
    resolved = {**study.facts.resolved, "latency": None}
    path = tmp_path / "other.db"
    facts = replace(study.facts, resolved=resolved)
    with pytest.raises(BadDataError, match="it has no table of latencies"):
        create_study(Database(path=path), "made", facts)
    study.add(study.propose(0), Cost(7, 11, ()), repeats=None)
    with pytest.raises(BadDataError, match="trial 0 has no latency, which is a goal or limited"):
        study.trials()
