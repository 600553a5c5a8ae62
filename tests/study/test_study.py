"""A study: what goes in comes out, after any number of openings, and nobody else's is touched."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from random import Random
from statistics import mean
from typing import Any

import optuna
import pytest

from made_study import (
    ask,
    finish,
    made_config,
    made_epochs,
    made_facts,
    made_study,
    numbers,
    play,
    reopened,
    running,
)
from nas_cifar10.errors import BadDataError
from nas_cifar10.space.candidate import Candidate
from nas_cifar10.space.cost import Cost
from nas_cifar10.space.neighbours import neighbour
from nas_cifar10.space.search_space import SearchSpace, Value
from nas_cifar10.study import samplers
from nas_cifar10.study.rows import Clock, State
from nas_cifar10.study.samplers import SAMPLERS

BASELINE = (
    "search.baseline={architecture: {blocks: [{channels: 8, kernel_size: 5}]},"
    " training: {learning_rate: 0.003}}"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.db"


def test_a_trial_comes_back_as_it_was_put_in(path: Path) -> None:
    study = made_study(path, made_config())
    proposal = study.propose(0)
    added = study.add(proposal, Cost(123, 456, ()), repeats=None)
    assert (added.number, added.state, added.kind) == (0, "running", "random")
    assert (added.parameters, added.macs, added.repeats) == (123, 456, None)
    assert added.candidate == proposal.candidate
    epochs = made_epochs(added.candidate, 3)
    trained = study.set_epochs(added, epochs)
    assert reopened(study).trials() == [trained] == [replace(added, epochs=epochs)]
    value = epochs[-1].measured.accuracy
    ended = study.end(trained, "complete", "", "complete", value)
    assert ended == replace(trained, state="complete")
    assert reopened(study).trials() == study.trials() == [ended]


@pytest.mark.parametrize(
    ("state", "as_state", "reason"),
    [
        ("pruned", "pruned", "not promoted at epoch 1"),
        ("failed", "failed", "diverged: not a finite number in epoch 2"),
        ("infeasible", "pruned", "too many parameters"),
        ("repeated", "failed", "same as trial 0"),
    ],
)
def test_an_outcome_comes_back_with_its_reason(
    path: Path, state: State, as_state: State, reason: str
) -> None:
    study = made_study(path, made_config())
    ended = study.end(ask(study), state, reason, as_state, None)
    assert (ended.state, ended.reason) == (state, reason)
    assert reopened(study).trials() == [ended]


def test_facts_and_clock_survive(path: Path) -> None:
    config = made_config()
    study = made_study(path, config)
    assert study.clock == Clock(0.0, None)
    study.clock = Clock(12.5, "interrupted")
    again = reopened(study)
    assert again.facts == made_facts(config)
    assert again.config == config
    assert again.name == "made"
    assert again.clock == Clock(12.5, "interrupted")


def test_another_config_can_be_stored(path: Path) -> None:
    study = made_study(path, made_config())
    more = made_config("search.trials=33")
    study.replace_config(more.plain())
    assert study.config == reopened(study).config == more
    assert reopened(study).facts.resolved == study.facts.resolved


@pytest.mark.parametrize("sampler", ["tpe", "local", "random"])
def test_sittings_of_any_length_without_cohorts_equal_one(tmp_path: Path, sampler: str) -> None:
    config = made_config(f"search.sampler.name={sampler}")
    straight = made_study(tmp_path / "one.db", config)
    play(straight, 20, cohort=1)
    study = made_study(tmp_path / "four.db", config)
    for count in (1, 7, 3, 9):
        study = reopened(study)
        play(study, len(study.trials()) + count, cohort=1)
    assert [numbers(t) for t in study.trials()] == [numbers(t) for t in straight.trials()]


class _KilledError(Exception):
    pass


def test_a_kill_between_any_two_commits_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight = made_study(tmp_path / "one.db", made_config())
    play(straight, 6)
    left, commits = 0, optuna.storages.RDBStorage
    writes = (
        "create_new_trial",
        "set_trial_user_attr",
        "set_trial_intermediate_value",
        "set_trial_state_values",
    )

    def counted(write: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                raise _KilledError
            return write(*args, **kwargs)

        return run

    for name in writes:
        monkeypatch.setattr(commits, name, counted(getattr(commits, name)))
    left = 100
    study, kills = made_study(tmp_path / "two.db", made_config()), 0
    while kills < 1000:
        left = 1 + kills % 4
        try:
            study = reopened(study)
            if kills % 9 == 0 and running(study):  # its checkpoint is lost, too
                finish(study, replace(running(study)[0], epochs=()))
            play(study, 6)
            break
        except _KilledError:
            kills += 1
    assert 20 < kills < 1000
    assert [numbers(t) for t in study.trials()] == [numbers(t) for t in straight.trials()]


def test_model_based_trials_begin_once_the_start_up_trials_have_ended(path: Path) -> None:
    study = made_study(path, made_config("search.sampler.startup_trials=4"))
    play(study, 10)
    assert [trial.kind for trial in study.trials()] == ["random"] * 5 + ["model_based"] * 5


@pytest.mark.parametrize(("sampler", "kind"), [("tpe", "model_based"), ("local", "local")])
def test_so_many_trials_start_at_random_and_no_more(path: Path, sampler: str, kind: str) -> None:
    settings = f"search.sampler={{name: {sampler}, startup_trials: 4}}"
    study = made_study(path, made_config(settings))
    play(study, 6, cohort=1)
    assert [trial.kind for trial in study.trials()] == ["random"] * 4 + [kind] * 2


def test_random_trials_are_called_random(path: Path) -> None:
    study = made_study(path, made_config("search.sampler.name=random"))
    play(study, 8)
    assert {trial.kind for trial in study.trials()} == {"random"}


def test_another_seed_draws_other_candidates(tmp_path: Path) -> None:
    drawn = []
    for seed in (0, 1):
        study = made_study(tmp_path / f"{seed}.db", made_config(f"seed={seed}"))
        drawn.append([ask(study).candidate for _ in range(4)])
    assert not set(drawn[0]) & set(drawn[1])


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_the_baseline_is_trial_0(path: Path, sampler: str) -> None:
    study = made_study(path, made_config(BASELINE, f"search.sampler.name={sampler}"))
    first, second = ask(study), ask(study)
    assert (first.kind, second.kind) == ("baseline", "random")
    assert str(first.candidate.architecture) == "8, kernels 5"
    assert dict(first.candidate.training) == {"learning_rate": 0.003}


def test_local_search_starts_from_the_baseline_and_goes_on_from_the_best(path: Path) -> None:
    study = made_study(path, made_config(BASELINE, "search.sampler.name=local"))
    play(study, 25)
    trials = study.trials()
    assert [trial.kind for trial in trials] == ["baseline"] + ["local"] * 24
    changes = []
    for start in range(0, 25, 5):  # a cohort knows what was complete before it
        known = [trial for trial in trials[:start] if trial.state == "complete"] or trials[:1]
        best = max(known, key=lambda t: t.epochs[-1].measured.accuracy)
        for trial in trials[max(1, start) : start + 5]:
            old, new = (study.space.used_values(t.candidate) for t in (best, trial))
            changes.append(sum(old[name] != new[name] for name in old.keys() & new.keys()))
    assert min(changes) >= 1
    assert mean(changes) < 3
    assert len({trial.candidate for trial in trials}) == 25


def test_local_search_without_a_baseline_starts_at_random(path: Path) -> None:
    settings = ("search.sampler={name: local, startup_trials: 4}",)
    study = made_study(path, made_config(*settings))
    play(study, 10)
    assert [trial.kind for trial in study.trials()] == ["random"] * 5 + ["local"] * 5


def test_local_search_repeats_nothing_as_long_as_there_is_something_else(path: Path) -> None:
    study = made_study(path, made_config(*SMALL, "search.sampler.name=local"))
    play(study, 30, cohort=1)
    drawn = [trial.candidate for trial in study.trials()]
    assert set(drawn) == set(study.space.enumerate())
    beside = [trial.kind for trial in study.trials()].index("local")
    new = set(drawn) - set(drawn[:beside])
    assert set(drawn[beside : beside + len(new)]) == new


def test_local_search_stays_where_it_is_when_nothing_beside_it_fits(path: Path) -> None:
    study = made_study(path, made_config(BASELINE, "search.sampler.name=local"))
    play(study, 5)
    best = max(study.trials(), key=lambda trial: trial.epochs[-1].measured.accuracy)
    asked = []

    def nothing(candidate: Candidate) -> bool:
        asked.append(candidate)
        return False

    assert study.propose(5, nothing).candidate == best.candidate
    assert len(set(asked)) > 10
    assert not set(asked) & {trial.candidate for trial in study.trials()}


def test_local_search_starts_from_every_network_of_a_front_and_no_other(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    goals = ("search.objectives=[accuracy, macs]", "search.sampler.name=local")
    study = made_study(path, made_config(*goals))
    for number, (accuracy, macs) in enumerate([(0.3, 5), (0.5, 9), (0.4, 7), (0.2, 6)]):
        trial = study.add(study.propose(number), Cost(7, macs, ()), repeats=None)
        trial = study.set_epochs(trial, made_epochs(trial.candidate, 3))
        study.end(trial, "complete", "", "complete", accuracy)
    parents = set()

    def noted(space: SearchSpace, values: Mapping[str, Value], rng: Random) -> dict[str, Value]:
        parents.add(space.candidate(values))
        return neighbour(space, values, rng)

    monkeypatch.setattr(samplers, "neighbour", noted)
    for number in range(4, 24):
        assert study.propose(number).kind == "local"
    assert parents == {trial.candidate for trial in study.trials()[:3]}


SMALL = ("space.training={}", "space.depth=[1, 2]", "space.kernel_size=3")  # 2 + 4 candidates


def test_exhaustive_visits_every_candidate_once_and_then_again(path: Path) -> None:
    study = made_study(path, made_config(*SMALL, "search.sampler.name=exhaustive"))
    play(study, 15)
    drawn = [trial.candidate for trial in study.trials()]
    assert len(set(drawn[:6])) == study.space.size() == 6
    assert drawn == [*drawn[:6], *drawn[:6], *drawn[:3]]
    assert {trial.kind for trial in study.trials()} == {"random"}


def test_exhaustive_starts_after_the_baseline(path: Path) -> None:
    baseline = BASELINE.replace(" training: {learning_rate: 0.003}", "").replace("5}", "3}")
    study = made_study(path, made_config(*SMALL, "search.sampler.name=exhaustive", baseline))
    play(study, 7)
    assert [trial.kind for trial in study.trials()] == ["baseline"] + ["random"] * 6
    assert len({trial.candidate for trial in study.trials()[1:]}) == 6


@pytest.mark.parametrize("complete", [0, 1, 2, 4])
def test_importances_survive_few_trials(path: Path, complete: int) -> None:
    study = made_study(path, made_config())
    for _ in range(complete):
        trial = ask(study)
        trial = study.set_epochs(trial, made_epochs(trial.candidate, 3))
        study.end(trial, "complete", "", "complete", trial.epochs[-1].measured.accuracy)
    found = study.importances()
    if complete < 2:
        assert found == {}
    else:
        assert set(found) == set(study.space.dimensions)
        assert all(math.isfinite(value) and value >= 0 for value in found.values())
        assert all(one >= other for one, other in pairwise(found.values()))


def test_what_repeats_another_has_no_say_in_importances(path: Path) -> None:
    study = made_study(path, made_config())
    play(study, 8, cohort=1)
    before = study.importances()
    for number in (8, 9, 10):
        trial = study.add(study.propose(number), Cost(7, 11, ()), repeats=0)
        study.end(trial, "repeated", "same as trial 0", "complete", 0.99 - 0.1 * (number - 8))
    assert before == study.importances() != {}


def test_importances_need_values_that_differ(path: Path) -> None:
    study = made_study(path, made_config())
    for _ in range(3):
        trial = ask(study)
        trial = study.set_epochs(trial, made_epochs(trial.candidate, 1))
        study.end(trial, "complete", "", "complete", 0.5)
    assert study.importances() == {}


def test_importances_of_a_space_without_dimensions_are_none(path: Path) -> None:
    fixed = ("space={depth: 2, channels: 8, kernel_size: 3}",)
    study = made_study(path, made_config(*fixed))
    for value in (0.1, 0.2, 0.3):
        trial = ask(study)
        assert trial.candidate.architecture.blocks[0].channels == 8
        trial = study.set_epochs(trial, made_epochs(trial.candidate, 1))
        study.end(trial, "complete", "", "complete", value)
    assert study.importances() == {}


@pytest.mark.parametrize(
    "fixed", ["seed=3", "space.kernel_size=3", "search.objectives=[accuracy, macs]"]
)
def test_draws_are_those_of_optunas_own_tpe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fixed: str
) -> None:
    config = made_config(fixed)
    flat = made_study(tmp_path / "flat.db", config)
    play(flat, 15)
    monkeypatch.setitem(
        SAMPLERS,
        "tpe",
        lambda settings, seed: optuna.samplers.TPESampler(
            n_startup_trials=settings.startup_trials, multivariate=True, seed=seed
        ),
    )
    plain = made_study(tmp_path / "plain.db", config)
    play(plain, 15)
    assert [numbers(trial) for trial in flat.trials()] == [numbers(t) for t in plain.trials()]


def test_what_no_driver_stores_is_bad_data(path: Path) -> None:
    study = made_study(path, made_config())
    study.end(ask(study), "infeasible", "too large", "pruned", None)
    study.add(study.propose(1), Cost(7, 11, ()), repeats=0)
    with pytest.raises(BadDataError, match="trial 1 repeats one that was not trained"):
        study.trials()


def test_more_epochs_than_there_are_is_bad_data(path: Path) -> None:
    study = made_study(path, made_config())
    trial = ask(study)
    study.set_epochs(trial, made_epochs(trial.candidate, 4))
    with pytest.raises(BadDataError, match="trial 0 has more than 3 epochs"):
        study.trials()


def test_what_a_trial_must_not_be_is_told(path: Path) -> None:
    study = made_study(path, made_config())
    play(study, 2)
    first, second = study.trials()
    unmeasured = tuple(replace(epoch, held_out=None) for epoch in second.epochs)
    for wrong, told in (
        (replace(second, repeats=1), "trial 1 repeats a later one"),
        (replace(second, epochs=unmeasured), "trial 1 has an epoch that was not measured"),
        (replace(second, epochs=()), "trial 1 is complete without an epoch"),
    ):
        with pytest.raises(ValueError, match=told):
            wrong.check([first], 3)
    with pytest.raises(ValueError, match="trial 1 has no latency, which is a goal"):
        second.check([first], 3, ["latency_ms"])
    second.check([first], 3, ["macs"])
