"""May this trial go on? Pure functions of reported values; knows no study and no training.

Deciding twice gives the same answer, so a search killed between a decision and its record loses
nothing.
"""

import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from nas_cifar10.config.schema import Config
from nas_cifar10.fronts import fronts

Reports = Mapping[int, Sequence[float]]
Costs = Callable[[int], Sequence[float]]


class Schedule(Protocol):
    """When trials stop to be compared, and which of them go on."""

    def decision_epochs(self, trial: int) -> tuple[int, ...]:
        """Return the epochs at which this trial waits for a decision, the last one the maximum."""

    def rivals(self, trial: int, epoch: int, reports: Reports) -> list[int]:
        """Return the others that a trial is compared with at a rung."""

    def goes_on(self, trial: int, epoch: int, reports: Reports) -> bool:
        """Decide at an epoch below the maximum.

        Args:
            reports: From a trial's number to its objective values, epoch 1 first.
        """


def _rungs(first: int, factor: int, maximum: int) -> tuple[int, ...]:
    """Return first, first * factor, first * factor**2 … below the maximum, and the maximum."""
    rungs = []
    while first < maximum:
        rungs.append(first)
        first *= factor
    return (*rungs, maximum)


@dataclass(frozen=True)
class NoSchedule:
    """Every trial trains to the end."""

    max_epochs: int

    def decision_epochs(self, trial: int) -> tuple[int, ...]:
        """Return the maximum alone."""
        return (self.max_epochs,)

    def rivals(self, trial: int, epoch: int, reports: Reports) -> list[int]:
        """None."""
        return []

    def goes_on(self, trial: int, epoch: int, reports: Reports) -> bool:
        """Always."""
        return True


@dataclass(frozen=True)
class Hyperband:
    """Hyperband (arXiv 1603.06560) in the stop-only form of Optuna's `HyperbandPruner`.

    Each trial belongs to one bracket, by a checksum of the config's name and the trial's number.
    Bracket b has rungs at reduction_factor**b, reduction_factor**(b+1) … epochs; at a rung a trial
    goes on if it is among the best 1 / reduction_factor of its bracket's trials that came to that
    rung before it.
    """

    name: str
    max_epochs: int
    reduction_factor: int

    def decision_epochs(self, trial: int) -> tuple[int, ...]:
        """Return the rungs of this trial's bracket, then the maximum."""
        first = self.reduction_factor ** self.bracket(trial)
        return _rungs(first, self.reduction_factor, self.max_epochs)

    def goes_on(self, trial: int, epoch: int, reports: Reports) -> bool:
        """Compare with the earlier trials of the bracket at the same rung."""
        value = reports[trial][epoch - 1]
        earlier = [reports[other][epoch - 1] for other in self.rivals(trial, epoch, reports)]
        ranked = sorted([*earlier, value], reverse=True)
        # The first few have no rung to fill: each goes on if it is the best so far.
        last = max(len(ranked) // self.reduction_factor, 1) - 1
        return value >= ranked[last]

    def rivals(self, trial: int, epoch: int, reports: Reports) -> list[int]:
        """Return the earlier trials of the bracket that came so far."""
        bracket = self.bracket(trial)
        return [
            other
            for other, values in reports.items()
            if other < trial and len(values) >= epoch and self.bracket(other) == bracket
        ]

    def bracket(self, trial: int) -> int:
        """Return the trial's bracket: 0 prunes earliest."""
        shares = self._shares()
        place = zlib.crc32(f"{self.name}_{trial}".encode()) % sum(shares)
        for bracket, share in enumerate(shares):
            place -= share
            if place < 0:
                return bracket
        raise AssertionError("a place is below the sum of all shares")

    def _shares(self) -> list[int]:
        """Return how many of so many trials each bracket gets."""
        # In floats, as Optuna does: log(243, 3) is below 5, and that is one bracket fewer.
        brackets = math.floor(math.log(self.max_epochs, self.reduction_factor)) + 1
        return [
            math.ceil(brackets * self.reduction_factor**s / (s + 1))
            for s in reversed(range(brackets))
        ]


@dataclass(frozen=True)
class Halving:
    """Successive halving (arXiv 1502.07943) with synchronised rungs, a cohort at a time.

    Rungs are at 1, reduction_factor, reduction_factor**2 … epochs. All of a cohort that is alive
    trains to the rung and waits there; then the best 1 / reduction_factor of them, but at least
    one, go on from where they stand.
    """

    max_epochs: int
    reduction_factor: int
    cohort: int

    def decision_epochs(self, trial: int) -> tuple[int, ...]:
        """Return the rungs, the same for every trial, then the maximum."""
        return _rungs(1, self.reduction_factor, self.max_epochs)

    def goes_on(self, trial: int, epoch: int, reports: Reports) -> bool:
        """Compare with all of the cohort that came to this rung; of equals, the first is best."""
        here = sorted([trial, *self.rivals(trial, epoch, reports)])
        ranked = sorted(here, key=lambda other: -reports[other][epoch - 1])
        return trial in ranked[: max(len(here) // self.reduction_factor, 1)]

    def rivals(self, trial: int, epoch: int, reports: Reports) -> list[int]:
        """Return the others of the cohort that came so far."""
        cohort = trial // self.cohort
        return [
            other
            for other in sorted(reports)
            if other // self.cohort == cohort and other != trial and len(reports[other]) >= epoch
        ]


@dataclass(frozen=True)
class ByFronts:
    """The rungs and rivals of another schedule, where trials have several goals.

    A trial on the front of what is compared goes on, however many there are. Where those are fewer
    than 1 / reduction_factor of all that are compared, the next fronts fill the rest up, of each
    the most accurate first (non-dominated sorting, Deb et al., 2002). What a trial costs is known
    before it trains, so only one of its goals moves.

    Args:
        costs: What is minimised of a trial, by its number.
    """

    rungs: Schedule
    reduction_factor: int
    costs: Costs

    def decision_epochs(self, trial: int) -> tuple[int, ...]:
        """Return those of the other schedule."""
        return self.rungs.decision_epochs(trial)

    def rivals(self, trial: int, epoch: int, reports: Reports) -> list[int]:
        """Return those of the other schedule."""
        return self.rungs.rivals(trial, epoch, reports)

    def goes_on(self, trial: int, epoch: int, reports: Reports) -> bool:
        """Compare by fronts."""
        here = [trial, *self.rivals(trial, epoch, reports)]
        first, *others = fronts({n: (reports[n][epoch - 1], *self.costs(n)) for n in here})
        room = max(len(here) // self.reduction_factor - len(first), 0)
        next_best = [number for front in others for number in front]
        return trial in first or trial in next_best[:room]


SCHEDULES: dict[str, Callable[[Config], Schedule]] = {
    "hyperband": lambda config: Hyperband(
        config.name, config.training.epochs, config.search.schedule.reduction_factor
    ),
    "halving": lambda config: Halving(
        config.training.epochs, config.search.schedule.reduction_factor, config.search.cohort
    ),
    "none": lambda config: NoSchedule(config.training.epochs),
}


def make_schedule(config: Config, costs: Costs = lambda trial: ()) -> Schedule:
    """Return the schedule a config names.

    Args:
        costs: What is minimised of a trial, where `search.objectives` names anything.
    """
    settings = config.search.schedule
    rungs = SCHEDULES[settings.name](config)
    several = bool(config.search.costs)
    return ByFronts(rungs, settings.reduction_factor, costs) if several else rungs
