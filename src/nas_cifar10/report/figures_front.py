"""What the search reached against what it costs, and the Pareto front, as ink."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from nas_cifar10.report import captions
from nas_cifar10.report.facts import Facts
from nas_cifar10.report.ink import BLUE, INK, MUTED, NOTE, ORANGE, key, page, plain
from nas_cifar10.report.parts import Trial
from nas_cifar10.text import rounded, short, three_digits

_WIDE = 8.0  # times: from this ratio of the dearest to the cheapest on, the axis is logarithmic
_LETTER, _LINE, _DOT = 0.082, 0.17, 0.05  # inches: of a name's letters, its height, half a dot


@dataclass(frozen=True)
class CostAxis:
    """One of the costs: its field in a trial, and how it is called."""

    field: str
    name: str
    title: str

    def of(self, trial: Trial) -> float:
        """Return what a trial costs."""
        return float(getattr(trial, self.field))

    def said(self, value: float) -> str:
        """Return a value in a few characters."""
        return three_digits(value) if self.field == "latency_ms" else short(round(value))

    def is_log(self, trials: Sequence[Trial]) -> bool:
        """Say whether the costs of some trials lie so far apart that an even axis would hide it."""
        values = [self.of(trial) for trial in trials]
        return min(values) > 0 and max(values) >= _WIDE * min(values)


COSTS = {
    "parameters": CostAxis("parameters", "parameters", "parameters"),
    "macs": CostAxis("macs", "MACs", "multiply-accumulates a picture"),
    "latency_ms": CostAxis("latency_ms", "latency", "milliseconds a picture, by its parts"),
}


def cost_axes(facts: Facts) -> list[CostAxis]:
    """Return what the search minimises."""
    return [COSTS[field] for field in facts.costs]


def measured(facts: Facts, state: str) -> list[Trial]:
    """Return the trials of a state that have a value of their own and all costs."""
    return [
        trial
        for trial in facts.trials or ()
        if trial.state == state
        and trial.objective is not None
        and all(getattr(trial, field) is not None for field in facts.costs)
    ]


def staircase(facts: Facts, axis: CostAxis) -> tuple[list[float], list[float]]:
    """Return the corners of the front, from the cheapest on: what can be had for a cost."""
    x = [axis.of(trial) for trial in facts.front]
    return x, [trial.objective or 0.0 for trial in facts.front]


def goals(facts: Facts) -> str:
    """Return `accuracy, MACs and latency`."""
    *most, last = facts.objective, *(axis.name for axis in cost_axes(facts))
    return f"{', '.join(most)} and {last}"


def pareto_front(facts: Facts) -> Figure | str:
    """Draw what each trial reached against each of its costs, and the front."""
    pruned, complete = measured(facts, "pruned"), measured(facts, "complete")
    if not complete:
        return "no trial is complete yet"
    axes_of = cost_axes(facts)
    caption = f"{captions.front(facts)}\n{captions.search(facts)}"
    size = _size(len(axes_of))
    figure = page(f"What is had for what it costs: {goals(facts)}", caption, *size)
    panels = figure.subplots(1, len(axes_of), sharey=True, squeeze=False)[0]
    for axes, axis in zip(panels, axes_of, strict=True):
        first = axes is panels[0]
        plain(axes, axis.title, f"validation {facts.objective}" if first else "")
        _draw(axes, axis, facts, pruned, complete)
        _labels(axes, axis, facts, (size[0] / len(axes_of) - 0.8, 3.0))
    key(figure, _entries(pruned, [trial for trial in complete if not trial.pareto]))
    return figure


def _size(num: int) -> tuple[float, float]:
    return {1: 8.0, 2: 11.0}.get(num, 14.0), 5.4


def _draw(
    axes: Axes, axis: CostAxis, facts: Facts, pruned: list[Trial], complete: list[Trial]
) -> None:
    everybody = [*pruned, *complete]
    if axis.is_log(everybody):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(10, subs=(1.0, 2.0, 5.0), numticks=9))
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: axis.said(value)))
    size = float(np.clip(4000 / len(everybody), 8, 44))
    rest = [trial for trial in complete if not trial.pareto]
    _dots(axes, axis, pruned, s=size, facecolors="white", edgecolors=MUTED, zorder=2)
    _dots(axes, axis, rest, s=size, color=BLUE, zorder=3)
    _dots(axes, axis, facts.front, s=max(1.6 * size, 30.0), color=ORANGE, zorder=5)
    if len(facts.costs) == 1:  # with more, another cost may be why a trial is on the front
        x, y = staircase(facts, axis)
        right = axes.get_xlim()[1]
        axes.step([*x, right], [*y, y[-1]], where="post", color=ORANGE, linewidth=1.8, zorder=4)
        axes.set_xlim(right=right)


def _dots(axes: Axes, axis: CostAxis, trials: Sequence[Trial], **look: Any) -> None:
    if trials:
        axes.scatter([axis.of(t) for t in trials], [t.objective or 0.0 for t in trials], **look)


def _labels(axes: Axes, axis: CostAxis, facts: Facts, inches: tuple[float, float]) -> None:
    """Name trials of the front; above it there is nothing, so names stand up and to the left."""
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.1 * (high - low))
    places = {}
    for trial in facts.front:
        at = axes.transLimits.transform(axes.transScale.transform(_point(axis, trial)))
        places[trial.number] = float(at[0]) * inches[0], float(at[1]) * inches[1]
    for trial, side in named(facts.front, places):
        axes.annotate(
            name_of(trial),
            _point(axis, trial),
            xytext=(-4 if side == "left" else 4, 6),
            textcoords="offset points",
            ha=side,
            fontsize=NOTE,
            color=INK,
            zorder=6,
        )


def _point(axis: CostAxis, trial: Trial) -> tuple[float, float]:
    return axis.of(trial), trial.objective or 0.0


def name_of(trial: Trial) -> str:
    """Return `0.713, trial 12`."""
    return f"{rounded(trial.objective or 0.0)}, trial {trial.number}"


def named(
    front: Sequence[Trial], places: Mapping[int, tuple[float, float]]
) -> list[tuple[Trial, str]]:
    """Return which trials of a front have room for a name, and at which end it begins.

    The most accurate and the cheapest come first, then the rest, the more accurate before.

    Args:
        places: Where their dots are, in inches from the lower left.
    """
    found: list[tuple[Trial, str]] = []
    taken = [(x - _DOT, x + _DOT, y - _DOT, y + _DOT) for x, y in places.values()]
    best_first = sorted(front, key=lambda trial: trial.objective or 0.0, reverse=True)
    ordered = [*best_first[:1], *front[:1], *best_first]
    for trial in {trial.number: trial for trial in ordered}.values():
        x, y = places[trial.number]
        width = len(name_of(trial)) * _LETTER
        side = "left" if x < width else "right"
        ends = (x, x + width) if side == "left" else (x - width, x)
        box = (*ends, y + _DOT, y + _DOT + _LINE)
        if not any(_overlap(box, other) for other in taken):
            taken.append(box)
            found.append((trial, side))
    return found


def _overlap(one: Sequence[float], other: Sequence[float]) -> bool:
    across = one[0] < other[1] and other[0] < one[1]
    return across and one[2] < other[3] and other[2] < one[3]


def _entries(pruned: list[Trial], rest: list[Trial]) -> list[tuple[str, dict[str, Any]]]:
    ring = {"marker": "o", "markerfacecolor": "white", "markeredgecolor": MUTED}
    entries: list[tuple[str, dict[str, Any]]] = [("front", {"marker": "o", "color": ORANGE})]
    entries += [("complete", {"marker": "o", "color": BLUE})] if rest else []
    return entries + ([("pruned", ring)] if pruned else [])
