"""Who proposes a trial: Optuna's samplers, or a neighbour of the best; knows no database."""

from collections.abc import Callable
from random import Random
from typing import TypeAlias

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial

from nas_cifar10.config.search import SamplerConfig, SearchConfig
from nas_cifar10.space.candidate import Candidate
from nas_cifar10.space.neighbours import neighbour
from nas_cifar10.space.search_space import SearchSpace, Value


class _FlatTPE(optuna.samplers.TPESampler):
    """TPE over all dimensions jointly, also for several objectives, of a space all trials share.

    Which dimensions all trials share is known: finding it out again for every draw would compare
    every value of every trial, four fifths of a draw at 1,000 trials.
    """

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the space of any trial, in the order Optuna would."""
        first = study.get_trials(deepcopy=False)[0].distributions
        return {name: first[name] for name in sorted(first) if not first[name].single()}


SAMPLERS: dict[str, Callable[[SamplerConfig, int], optuna.samplers.BaseSampler]] = {
    "tpe": lambda settings, seed: _FlatTPE(
        n_startup_trials=settings.startup_trials, multivariate=True, seed=seed
    ),
    "random": lambda settings, seed: optuna.samplers.RandomSampler(seed=seed),
    "local": lambda settings, seed: optuna.samplers.RandomSampler(seed=seed),  # until one is best
}
Fits: TypeAlias = Callable[[Candidate], bool]  # whether a candidate is within the limits

_TRIES = 100  # to find a neighbour that is not drawn yet and fits; a space may have none left


def beside_the_best(
    study: optuna.Study, settings: SearchConfig, space: SearchSpace, rng: Random, fits: Fits
) -> dict[str, Value] | None:
    """Return values beside those of the best trial, or of one of a front, for `local`.

    As long as no trial is complete that is the baseline. None: without one, there is no best yet.
    Where no fitting neighbour is left that was not drawn, it is the best once more: not trained
    again.
    """
    trials = study.get_trials(deepcopy=False)
    if settings.baseline is None:
        ended = sum(trial.state.is_finished() for trial in trials)
        parents = study.best_trials if ended >= settings.sampler.startup_trials else []
    else:
        parents = study.best_trials or trials[:1]
    if not parents:
        return None
    drawn = {space.candidate(trial.params) for trial in trials}
    several = {space.candidate(trial.params): trial for trial in parents}  # one of each, repeated
    values = rng.choice([*several.values()]).params
    for _ in range(_TRIES):
        found = neighbour(space, values, rng)
        candidate = space.candidate(found)
        if candidate not in drawn and fits(candidate):
            return found
    return dict(values)
