"""What the search reached against what it costs, and the Pareto front, as ink."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from nas_cifar10.report import captions
from nas_cifar10.report.facts import Facts
from nas_cifar10.report.ink import BLUE, INK, MUTED, NOTE, ORANGE, key, page, plain, rounded
from nas_cifar10.report.parts import Trial
from nas_cifar10.report.summary import macs_of

_WIDE = 8.0  # times: from this ratio of the dearest to the cheapest on, the axis is logarithmic
_MOST_LABELS = 12


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
        """Return a value in a few characters, with its unit."""
        if self.field == "latency_ms":
            return f"{value:.3g} ms"
        return macs_of(round(value)).removesuffix("MACs").strip()

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
    figure = page(f"What is had for what it costs: {goals(facts)}", caption, *_size(len(axes_of)))
    panels = figure.subplots(1, len(axes_of), sharey=True, squeeze=False)[0]
    for axes, axis in zip(panels, axes_of, strict=True):
        first = axes is panels[0]
        _panel(plain(axes, axis.title, f"validation {facts.objective}" if first else ""), axis)
        _draw(axes, axis, facts, pruned, complete)
    key(figure, _entries(pruned, [trial for trial in complete if not trial.pareto]))
    return figure


def _size(num: int) -> tuple[float, float]:
    return {1: 8.0, 2: 11.0}.get(num, 14.0), 5.4


def _panel(axes: Axes, axis: CostAxis) -> None:
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: axis.said(value)))


def _draw(
    axes: Axes, axis: CostAxis, facts: Facts, pruned: list[Trial], complete: list[Trial]
) -> None:
    everybody = [*pruned, *complete]
    if axis.is_log(everybody):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(10, subs=(1.0, 2.0, 5.0), numticks=9))
        axes.xaxis.set_minor_formatter(NullFormatter())
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
    _labels(axes, axis, facts)


def _dots(axes: Axes, axis: CostAxis, trials: Sequence[Trial], **look: Any) -> None:
    if trials:
        axes.scatter([axis.of(t) for t in trials], [t.objective or 0.0 for t in trials], **look)


def _labels(axes: Axes, axis: CostAxis, facts: Facts) -> None:
    """Name the front's trials, the most accurate and the cheapest first, as far as there is room.

    Above the front there is nothing, so names stand up and to the left of their points.
    """
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.1 * (high - low))
    front, taken = list(facts.front), list[tuple[float, float]]()
    for trial in [*front[-1:], *front[:1], *reversed(front[1:-1])]:
        assert trial.objective is not None
        x, y = axes.transData.transform((axis.of(trial), trial.objective))
        across, up = x / axes.bbox.width, y / axes.bbox.height
        if any(abs(across - a) < 0.17 and abs(up - u) < 0.055 for a, u in taken):
            continue
        taken.append((across, up))
        left = (x - axes.bbox.x0) / axes.bbox.width < 0.2
        axes.annotate(
            f"{rounded(trial.objective)}, trial {trial.number}",
            (axis.of(trial), trial.objective),
            xytext=(-2 if left else 0, 8),
            textcoords="offset points",
            ha="left" if left else "right",
            fontsize=NOTE,
            color=INK,
            zorder=6,
        )
        if len(taken) == _MOST_LABELS:
            return


def _entries(pruned: list[Trial], rest: list[Trial]) -> list[tuple[str, dict[str, Any]]]:
    ring = {"marker": "o", "markerfacecolor": "white", "markeredgecolor": MUTED}
    entries: list[tuple[str, dict[str, Any]]] = [("front", {"marker": "o", "color": ORANGE})]
    entries += [("complete", {"marker": "o", "color": BLUE})] if rest else []
    return entries + ([("pruned", ring)] if pruned else [])
