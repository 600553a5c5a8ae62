"""What the search reached against what it costs, and the Pareto front, as interactive charts."""

from collections.abc import Mapping, Sequence
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
from nas_cifar10.report.figures_front import (
    CostAxis,
    cost_axes,
    measured,
    name_of,
    named,
    staircase,
)
from nas_cifar10.report.parts import Trial
from nas_cifar10.report.summary import cost_of

_WIDE, _HIGH = 6.0, 2.6  # inches that a narrow chart has for its dots, about


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
    title = f"What is had for which {axis.name}"
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
    costs = [[cost_of(cost, getattr(t, cost)) for cost in facts.costs] for t in trials]
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
    """Return the names of as many of the front's trials as a narrow page has room for."""
    scale = np.log10 if axis.is_log(everybody) else float  # plotly places names so
    x = {trial.number: float(scale(axis.of(trial))) for trial in everybody}
    y = {trial.number: trial.objective or 0.0 for trial in everybody}
    places = {t.number: (_WIDE * _share(x, t), _HIGH * _share(y, t)) for t in facts.front}
    return [
        {"x": x[trial.number], "y": y[trial.number], "text": name_of(trial)}
        | {"xanchor": side, "xshift": -3 if side == "right" else 3, "yanchor": "bottom"}
        | {"showarrow": False, "yshift": 4, "font": {"size": 12, "color": INK}}
        for trial, side in named(facts.front, places)
    ]


def _share(values: Mapping[int, float], trial: Trial) -> float:
    low, high = min(values.values()), max(values.values())
    return (values[trial.number] - low) / ((high - low) or 1.0)
