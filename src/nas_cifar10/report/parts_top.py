"""What the retrained best trials came to, as plain checked values; knows no file and no ink."""

from typing import Literal

from pydantic.dataclasses import dataclass as checked

from nas_cifar10.described import Count, Share
from nas_cifar10.report.parts import Spread


@checked(frozen=True)
class Reached:
    """What one retrained trial and, where there are several, its seeds came to."""

    trial: Count
    reached: Share
    validation_accuracy: Share
    accuracy: Share | None
    accuracy_ci95: tuple[Share, Share] | None
    seeds: Spread | None
    parameters: Count
    macs: Count


@checked(frozen=True)
class Top:
    """What retrain/top.json holds: the best trials, in the search's order, each retrained."""

    part: Literal["test", "validation"] | None
    trials: tuple[Reached, ...]
