"""What the search reached against what it costs, and the Pareto front, as interactive charts."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from nas_cifar10.report import captions
from nas_cifar10.report.charts import (
    BLUE,
    INK,
    MUTED,
    ORANGE,
    Chart,
    Trace,
    layout,
    numbers,
    points,
)
from nas_cifar10.report.charts_search import told
from nas_cifar10.report.facts import Facts
from nas_cifar10.report.figures_front import CostAxis, cost_axes, measured, staircase
from nas_cifar10.report.ink import rounded
from nas_cifar10.report.parts import Trial

_MOST_NAMES = 12


def fronts(facts: Facts) -> list[Chart]:
    """Show what each trial reached against each cost that is minimised; none where none is."""
    if not facts.front:
        return []
    return [_front(facts, axis) for axis in cost_axes(facts)]


def _front(facts: Facts, axis: CostAxis) -> Chart:
    pruned, complete = measured(facts, "pruned"), measured(facts, "complete")
    rest = [trial for trial in complete if not trial.pareto]
    traces = [
        _dots(facts, axis, "pruned", pruned, {"size": 8, "symbol": "circle-open", "color": MUTED}),
        _dots(facts, axis, "complete", rest, {"size": 9, "color": BLUE}),
        *_line(facts, axis, [*pruned, *complete]),
        _dots(facts, axis, "front", facts.front, {"size": 12, "color": ORANGE}),
    ]
    axes = layout(axis.title, f"validation {facts.objective}")
    axes["annotations"] = _names(facts, axis, [*pruned, *complete])
    if axis.is_log([*pruned, *complete]):
        axes["xaxis"] |= {"type": "log", "dtick": "D2" if _decades(axis, complete) < 2 else 1}
    if axis.field != "latency_ms":
        axes["xaxis"] |= {"exponentformat": "SI", "tickformat": "~s"}
    title = (
        f"What is had for how many {axis.name}"
        if axis.field != "latency_ms"
        else ("What is had for which latency")
    )
    caption = captions.front(facts)
    traces = [trace for trace in traces if trace["x"]]
    return Chart(f"front-{axis.field}", title, caption, traces, axes, "pareto_front", 420)


def _decades(axis: CostAxis, trials: Sequence[Trial]) -> float:
    values = [axis.of(trial) for trial in trials]
    return float(np.log10(max(values) / max(min(values), 1e-12)))


def _dots(
    facts: Facts, axis: CostAxis, name: str, trials: Sequence[Trial], marker: dict[str, Any]
) -> Trace:
    x, y = [axis.of(t) for t in trials], [t.objective or 0 for t in trials]
    costs = [[f"{each.name} {each.said(each.of(t))}" for each in cost_axes(facts)] for t in trials]
    texts = ["<br>".join([told(facts, t), *said]) for t, said in zip(trials, costs, strict=True)]
    return points(name, x, y, texts, marker=marker)


def _line(facts: Facts, axis: CostAxis, everybody: Sequence[Trial]) -> list[Trace]:
    """Return the front's steps; with several costs, its points lie on no line of one of them."""
    if len(facts.costs) > 1:
        return []
    x, y = staircase(facts, axis)
    end = max(axis.of(trial) for trial in everybody)
    line = {"color": ORANGE, "width": 2, "shape": "hv"}
    step: Trace = {"type": "scatter", "mode": "lines", "name": "best for the cost", "line": line}
    return [step | {"x": [*x, end], "y": numbers([*y, y[-1]]), "hoverinfo": "skip"}]


def _names(facts: Facts, axis: CostAxis, everybody: Sequence[Trial]) -> list[dict[str, Any]]:
    """Return the names of the front's ends, and of what lies between where there are few."""
    front = facts.front if len(facts.front) <= _MOST_NAMES else (facts.front[0], facts.front[-1])
    is_log = axis.is_log(everybody)
    look = {"showarrow": False, "xanchor": "right", "yanchor": "bottom", "yshift": 5, "xshift": 2}
    font = {"size": 12, "color": INK}
    return [
        {
            "x": float(np.log10(axis.of(t))) if is_log else axis.of(t),  # plotly's way
            "y": t.objective,
            "text": f"{rounded(t.objective or 0)}, trial {t.number}",
            "font": font,
            **look,
        }
        for t in front
    ]
