"""Schedules: Hyperband decides as Optuna's pruner does, and deciding twice changes nothing."""

import random

import optuna
import pytest
from optuna.pruners import HyperbandPruner
from optuna.trial import TrialState

from nas_cifar10.search.schedules import SCHEDULES, Hyperband, NoSchedule

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


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_is_made_from_name_maximum_and_factor(name: str) -> None:
    schedule = SCHEDULES[name]("study", 9, 3)
    assert schedule.decision_epochs(0)[-1] == 9
