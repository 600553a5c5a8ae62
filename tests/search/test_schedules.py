"""Schedules: Hyperband decides as Optuna's pruner does, and deciding twice changes nothing."""

import random

import optuna
import pytest
from optuna.pruners import HyperbandPruner
from optuna.trial import TrialState

from made_study import made_config
from nas_cifar10.search.schedules import SCHEDULES, Halving, Hyperband, NoSchedule, make_schedule

LONGEST = [1, 2, 5, 9, 20, 27, 81, 243]
Reports = dict[int, list[float]]


def made_curves(num: int, length: int, seed: int) -> list[list[float]]:
    """Return noisy rising curves, rounded so that some values tie."""
    draw = random.Random(seed)
    tops = [draw.random() for _ in range(num)]
    return [
        [round(top * (1 - 0.5**step) + draw.gauss(0, 0.05), 2) for step in range(1, length + 1)]
        for top in tops
    ]


def by_optuna(
    curves: list[list[float]], name: str, longest: int, factor: int, cohort: int
) -> Reports:
    """Return how far each curve gets with Optuna's pruner, asked after every epoch but the last.

    Trials of a cohort take an epoch each in turn.
    """
    pruner = HyperbandPruner(min_resource=1, max_resource=longest, reduction_factor=factor)
    study = optuna.create_study(study_name=name, direction="maximize", pruner=pruner)
    reports: Reports = {}
    for start in range(0, len(curves), cohort):
        alive = [study.ask() for _ in curves[start : start + cohort]]
        reports |= {trial.number: [] for trial in alive}
        for epoch in range(1, longest + 1):
            for trial in list(alive):
                value = curves[trial.number][epoch - 1]
                trial.report(value, step=epoch)
                reports[trial.number].append(value)
                if epoch == longest:
                    study.tell(trial, value)
                elif trial.should_prune():
                    study.tell(trial, state=TrialState.PRUNED)
                    alive.remove(trial)
    return reports


def by_us(curves: list[list[float]], schedule: Hyperband, cohort: int) -> Reports:
    """Return the same, asked only at decision epochs, round by round, and each time twice."""
    reports: Reports = {}
    for start in range(0, len(curves), cohort):
        alive = list(range(start, min(start + cohort, len(curves))))
        reports |= {number: [] for number in alive}
        stop = 0
        while alive:
            for number in alive:
                epoch = schedule.decision_epochs(number)[stop]
                reports[number] = curves[number][:epoch]
            alive = [
                number
                for number in alive
                if (epoch := schedule.decision_epochs(number)[stop]) < schedule.max_epochs
                and schedule.goes_on(number, epoch, reports)
                and schedule.goes_on(number, epoch, reports)
            ]
            stop += 1
    return reports


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("longest", LONGEST)
def test_hyperband_decides_as_optunas_pruner(longest: int, factor: int) -> None:
    num, cohort = (40, 5) if longest < 80 else (12, 3)
    for seed in range(2):
        curves = made_curves(num, longest, seed)
        name = f"study {seed} of {longest}"
        expected = by_optuna(curves, name, longest, factor, cohort)
        assert by_us(curves, Hyperband(name, longest, factor), cohort) == expected
        if longest > factor:
            assert len({len(values) for values in expected.values()}) > 1, "some are pruned"


def test_one_trial_after_another_is_decided_as_optunas_pruner_does() -> None:
    curves = made_curves(60, 9, seed=3)
    expected = by_optuna(curves, "one by one", 9, 3, cohort=1)
    assert by_us(curves, Hyperband("one by one", 9, 3), cohort=1) == expected


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("longest", LONGEST)
def test_brackets_are_those_of_optunas_pruner(longest: int, factor: int) -> None:
    pruner = HyperbandPruner(min_resource=1, max_resource=longest, reduction_factor=factor)
    study = optuna.create_study(study_name="brackets", direction="maximize", pruner=pruner)
    schedule = Hyperband("brackets", longest, factor)
    for _ in range(50):
        trial = study.ask()
        trial.report(0.5, step=1)
        trial.should_prune()
        frozen = study.trials[trial.number]
        assert schedule.bracket(trial.number) == pruner._get_bracket_id(study, frozen)


@pytest.mark.parametrize("longest", LONGEST)
def test_decision_epochs_rise_to_the_maximum(longest: int) -> None:
    schedule = Hyperband("rungs", longest, 3)
    for trial in range(30):
        stops = schedule.decision_epochs(trial)
        assert list(stops) == sorted(set(stops))
        assert stops[-1] == longest
        assert all(stop == 3 ** (schedule.bracket(trial) + i) for i, stop in enumerate(stops[:-1]))


def test_five_epochs_make_two_brackets() -> None:
    schedule = Hyperband("default", 5, 3)
    assert {schedule.bracket(trial) for trial in range(50)} == {0, 1}
    assert {schedule.decision_epochs(trial) for trial in range(50)} == {(1, 3, 5), (3, 5)}


def test_later_trials_and_later_epochs_change_no_decision() -> None:
    schedule = Hyperband("again", 9, 3)
    curves = made_curves(30, 9, seed=1)
    for trial in range(30):
        epoch = schedule.decision_epochs(trial)[0]
        before = {n: curves[n] for n in range(trial)} | {trial: curves[trial][:epoch]}
        after = {n: curves[n] for n in range(30)}
        assert schedule.goes_on(trial, epoch, before) == schedule.goes_on(trial, epoch, after)


def test_no_schedule_never_prunes() -> None:
    schedule = NoSchedule(7)
    assert schedule.decision_epochs(3) == (7,)
    assert schedule.goes_on(3, 1, {0: [0.9], 3: [0.1]})


def rungs_of(curves: list[list[float]], schedule: Halving) -> list[int]:
    """Return how many epochs each curve gets, round by round, deciding in any order, each twice."""
    reports: Reports = {}
    for start in range(0, len(curves), schedule.cohort):
        alive = list(range(start, min(start + schedule.cohort, len(curves))))
        for stop in schedule.decision_epochs(start):
            for number in alive:
                reports[number] = curves[number][:stop]
            if stop < schedule.max_epochs:
                backwards = {n for n in reversed(alive) if schedule.goes_on(n, stop, reports)}
                alive = [n for n in alive if schedule.goes_on(n, stop, reports)]
                assert backwards == set(alive)
    return [len(reports[number]) for number in range(len(curves))]


@pytest.mark.parametrize(
    ("trials", "epochs", "cohort", "share"), [(10, 5, 5, 0.36), (50, 20, 5, 0.24)]
)
def test_halving_of_distinct_curves_costs_what_its_rungs_say(
    trials: int, epochs: int, cohort: int, share: float
) -> None:
    curves = [[(number * 7 % 50) / 50 + step for step in range(epochs)] for number in range(trials)]
    trained = rungs_of(curves, Halving(epochs, 3, cohort))
    assert sum(trained) / (trials * epochs) == pytest.approx(share)


def test_halving_keeps_the_best_third_of_a_cohort_at_every_rung() -> None:
    curves = [[number / 100] * 9 for number in (5, 9, 1, 8, 3, 7, 2, 6, 4)]
    assert rungs_of(curves, Halving(9, 3, cohort=9)) == [1, 9, 1, 3, 1, 3, 1, 1, 1]


def test_halving_lets_one_go_on_however_small_the_cohort_and_the_first_of_equals() -> None:
    assert rungs_of([[0.5] * 9, [0.5] * 9, [0.1] * 9], Halving(9, 3, cohort=2)) == [9, 1, 9]


def test_halving_compares_with_those_who_came_to_the_rung_only() -> None:
    schedule = Halving(9, 2, cohort=4)
    failed_early = {0: [0.1, 0.2], 1: [], 2: [0.3, 0.1], 3: [0.9]}
    assert [schedule.goes_on(trial, 2, failed_early) for trial in (0, 2)] == [True, False]
    assert schedule.goes_on(3, 1, failed_early)


def test_cohorts_decide_apart_under_halving() -> None:
    curves = [[0.1, 0.1, 0.1], [0.2, 0.2, 0.2], [0.8, 0.8, 0.8], [0.9, 0.9, 0.9]]
    assert rungs_of(curves, Halving(3, 2, cohort=2)) == [1, 3, 1, 3]


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_is_made_from_a_config(name: str) -> None:
    config = made_config(f"search.schedule.name={name}", "training.epochs=9")
    assert make_schedule(config).decision_epochs(0)[-1] == 9


def test_a_cohort_of_any_size_is_decided_at_once() -> None:
    """Every trial of a billion would be looked at for each decision otherwise."""
    schedule = Halving(max_epochs=9, reduction_factor=3, cohort=10**9)
    reports = {trial: [trial / 10] for trial in range(6)}
    assert schedule.rivals(2, 1, reports) == [0, 1, 3, 4, 5]
    assert [schedule.goes_on(trial, 1, reports) for trial in range(6)] == [False] * 4 + [True] * 2
