"""Which trials are best, by one objective or by several; knows no file and no sampler."""

from collections.abc import Sequence

from nas_cifar10.config.search import SearchConfig
from nas_cifar10.fronts import Point, fronts
from nas_cifar10.study.rows import Trial


def score(trial: Trial, search: SearchConfig) -> float:
    """Return what is maximised, at the last epoch of a trial that has one."""
    return float(getattr(trial.epochs[-1].measured, search.score))


def goals(trial: Trial, search: SearchConfig) -> Point:
    """Return what is maximised, then what is minimised, if anything is."""
    return score(trial, search), *trial.costs(search.costs)


def ranked(trials: Sequence[Trial], search: SearchConfig) -> list[Trial]:
    """Return the complete trials, the best first.

    With one objective by its value, of equals the first; with several the Pareto front, the next
    front and so on, each from its most accurate on.
    """
    complete = [trial for trial in trials if trial.state == "complete"]
    if not search.costs:
        return sorted(complete, key=lambda trial: _order(trial, search))
    return [trial for front in _fronts(complete, search) for trial in front]


def front_of(trials: Sequence[Trial], search: SearchConfig) -> list[Trial]:
    """Return the complete trials that no other dominates, the most accurate first."""
    complete = [trial for trial in trials if trial.state == "complete"]
    return next(iter(_fronts(complete, search)), [])


def best_of(trials: Sequence[Trial], search: SearchConfig) -> Trial | None:
    """Return the first of `ranked`: with several objectives, the most accurate on the front."""
    complete = [trial for trial in trials if trial.state == "complete"]
    return min(complete, key=lambda trial: _order(trial, search), default=None)


def _order(trial: Trial, search: SearchConfig) -> tuple[float, ...]:
    value, *costs = goals(trial, search)
    return -value, *costs, trial.number


def _fronts(complete: Sequence[Trial], search: SearchConfig) -> list[list[Trial]]:
    found = {trial.number: trial for trial in complete}
    points = {number: goals(trial, search) for number, trial in found.items()}
    return [[found[number] for number in front] for front in fronts(points)]
