"""The search as interactive charts; knows no page."""

import math
from typing import Any

import numpy as np

from nas_cifar10.report import captions
from nas_cifar10.report.charts import (
    BLUE,
    FAINT,
    GREEN,
    INK,
    MUTED,
    ORANGE,
    PAPER,
    Chart,
    Trace,
    joined,
    label,
    layout,
    numbers,
    points,
)
from nas_cifar10.report.facts import Facts
from nas_cifar10.report.figures_search import FEWEST, readable
from nas_cifar10.report.figures_space import Axis, heights_of
from nas_cifar10.report.parts import Curve, Trial
from nas_cifar10.report.summary import candidate_of
from nas_cifar10.space.search_space import Choice, Dimension, from_number, numeric, values_of
from nas_cifar10.text import rounded

_KINDS = {
    "random": (BLUE, "circle"),
    "model_based": (ORANGE, "square"),
    "local": (ORANGE, "triangle-up"),
    "baseline": (GREEN, "diamond"),
}
_MEASURED = {
    "complete": "",
    "pruned": "-open",
    "running": "-open-dot",
    "interrupted": "-open-dot",
}
_APART = {  # what they reached, if anything, is not theirs or not to the end
    "infeasible": "triangle-down-open",
    "failed": "x-thin-open",
    "repeated": "cross-thin-open",
}
_ALONE = 0.05  # seen on either side of the one height there is
_LINES = {  # colour, width and dashes
    "best": (ORANGE, 3.0, "solid"),
    "complete": (BLUE, 1.6, "solid"),
    "running": (GREEN, 1.5, "dot"),
    "interrupted": (GREEN, 1.5, "dot"),
}
_OTHER_LINES = (MUTED, 1.0, "solid")
_MOST_LINES = 200  # of a parallel coordinate chart
_SHADES = 8  # from worst to best, which the page has for light and for dark
_MOST_STEPS = 20  # of a whole number, each of which still has a tick


def history(facts: Facts) -> Chart | str:
    """Show what each trial reached, by who proposed it and how it ended, and the best so far."""
    measured = [t for t in facts.trials or () if t.objective is not None and t.state in _MEASURED]
    if not measured:
        return "No trial has been measured yet."
    traces = []
    for kind, (color, symbol) in _KINDS.items():
        name = captions.proposed(facts, kind)
        for state, suffix in _MEASURED.items():
            chosen = [t for t in measured if (t.kind, t.state) == (kind, state)]
            look = {"size": 10, "symbol": symbol + suffix, "color": color, "line": {"width": 2}}
            if chosen:
                traces.append(_trial_points(facts, f"{name}, {state}", chosen, look))
    steps = facts.best_so_far()
    if steps:
        last = max(trial.number for trial in measured)
        x = [*(number for number, _ in steps), last]
        y = [*(value for _, value in steps), steps[-1][1]]
        line = {"color": INK, "width": 2, "shape": "hv"}
        best: Trace = {"type": "scatter", "mode": "lines", "name": "best so far", "line": line}
        traces.insert(0, best | {"x": x, "y": numbers(y), "hoverinfo": "skip"})
    heights = [t.objective or 0 for t in measured]
    for state, symbol in _APART.items():
        chosen = [t for t in facts.trials or () if t.state == state]
        look = {"size": 9, "symbol": symbol, "color": MUTED, "line": {"width": 2}}
        if chosen:
            below = 0.1 * (max(heights) - min(heights)) or 0.9 * _ALONE
            at = [min(heights) - below] * len(chosen)
            told_of = [told(facts, t) for t in chosen]
            traces.append(points(state, [t.number for t in chosen], at, told_of, marker=look))
    caption = f"{captions.num_trials(facts)}; {facts.objective} on validation."
    axes = layout("trial", f"validation {facts.objective}")
    axes["xaxis"] |= {"dtick": 1} if len(facts.trials or ()) <= _MOST_STEPS else {}
    axes["yaxis"] |= _around(heights)
    return Chart(
        "history", "What each trial reached", caption, traces, axes, "optimization_history", 400
    )


def _around(values: list[float]) -> dict[str, Any]:
    """Return an axis around the one height there is, which plotly draws from minus to plus one."""
    one = values[0]
    return {} if min(values) < max(values) else {"range": [one - _ALONE, one + _ALONE]}


def _trial_points(facts: Facts, name: str, trials: list[Trial], marker: dict[str, Any]) -> Trace:
    x, y = [t.number for t in trials], [t.objective or 0 for t in trials]
    return points(name, x, y, [told(facts, t) for t in trials], marker=marker)


def told(facts: Facts, trial: Trial) -> str:
    """Return what is worth knowing of a trial in a few short lines."""
    proposed = captions.proposed(facts, trial.kind)
    lines = [f"<b>trial {trial.number}</b>, {proposed}, {trial.state}"]
    if trial.objective is not None:
        epochs = captions.counted(trial.epochs, "epoch")
        after = "as an earlier trial" if trial.state == "repeated" else f"after {epochs}"
        lines.append(f"{facts.objective} {rounded(trial.objective)} {after}")
    candidate = candidate_of(facts, trial)
    if candidate is not None:
        lines += [label(part) for part in str(candidate).split(", ")]
    return "<br>".join(lines)


def learning(facts: Facts) -> Chart | str:
    """Show what each trial reached, epoch by epoch."""
    curves = facts.visible_curves
    if not curves:
        return "No trial has trained an epoch yet."
    states = {trial.number: trial.state for trial in facts.trials or ()}
    groups: dict[str, list[int]] = {}
    for number in sorted(curves):
        is_best = facts.best is not None and number == facts.best.number
        name = "best" if is_best else states.get(number, "running")
        groups.setdefault(name, []).append(number)
    order = sorted(groups, key=lambda name: _LINES.get(name, _OTHER_LINES)[1])  # the best on top
    traces = [_learned(name, {n: curves[n] for n in groups[name]}) for name in order]
    best = "; the best is the thick line" if "best" in groups else ""
    caption = f"Validation {facts.objective} of each trial by epoch{best}."
    axes = layout("epoch", f"validation {facts.objective}")
    last = max(c.epochs.max() for c in curves.values())
    axes["xaxis"] |= {"dtick": 1} if last <= _MOST_STEPS else {}
    return Chart(
        "learning", "How the trials learned", caption, traces, axes, "intermediate_values", 400
    )


def _learned(name: str, curves: dict[int, Curve]) -> Trace:
    """Return the curves of one kind of trial as one trace."""
    color, width, dash = _LINES.get(name, _OTHER_LINES)
    texts = [
        [f"trial {number}, epoch {e}: {v:.3f}" for e, v in zip(c.epochs, c.values, strict=True)]
        for number, c in curves.items()
    ]
    x = joined([curve.epochs.tolist() for curve in curves.values()])
    y = joined([curve.values.tolist() for curve in curves.values()], math.nan)
    line = {"color": color, "width": width, "dash": dash}
    look = {"line": line, "marker": {"size": 3 + 2 * width}}
    return points(name, x, y, joined(texts, ""), mode="lines+markers", **look)


def importance(facts: Facts) -> Chart | str:
    """Show how much each searched value mattered."""
    num = len(facts.complete)
    if num < FEWEST:
        return f"Importances need at least {FEWEST} complete trials; there are {num}."
    values = facts.search.importances if facts.search else {}
    ranked = sorted((pair for pair in values.items() if pair[1] > 0), key=lambda pair: pair[1])
    if not ranked:
        return "No searched value explains a difference between the trials."
    bars: Trace = {
        "type": "bar",
        "orientation": "h",
        "x": numbers([value for _, value in ranked]),
        "y": [label(readable(name)) for name, _ in ranked],
        "marker": {"color": BLUE},
        "hovertemplate": "%{y}: %{x:.2f}<extra></extra>",
    }
    height = 130 + 26 * len(ranked)
    axes = layout(captions.IMPORTANCE_UNIT, "", showlegend=False)
    caption = f"{captions.importance(facts)}."
    return Chart("importance", "What mattered", caption, [bars], axes, "importance", height)


def parallel(facts: Facts) -> Chart | str:
    """Show each complete trial as a line through its values to what it reached."""
    trials = sorted(facts.complete, key=facts.order, reverse=True)
    if not facts.dimensions:
        return "config.yaml is missing, or nothing is searched."
    if not trials:
        return "No trial is complete yet."
    trials = trials[-_MOST_LINES:]
    axes = {name: Axis(dimension) for name, dimension in facts.dimensions.items()}
    heights, norm = heights_of(trials, axes)
    columns = np.arange(len(axes) + 1)
    traces = []
    for row, trial in enumerate(trials):
        is_best = row == len(trials) - 1
        line = {"color": _shade(float(heights[row, -1])), "width": 5 if is_best else 2}
        texts = [told(facts, trial)] * len(columns)
        look = {"mode": "lines+markers", "line": line, "marker": {"size": 5}}
        traces.append(
            points(f"trial {trial.number}", columns.tolist(), heights[row].tolist(), texts, **look)
        )
    chart = layout("", "", showlegend=False, annotations=_ticks(axes, norm, facts))
    chart["shapes"] = [_upright(column) for column in columns.tolist()]
    names = [_stacked(readable(name)) for name in axes] + [f"<b>{facts.objective}</b>"]
    chart["xaxis"] = {"tickvals": columns.tolist(), "ticktext": names, "side": "top"}
    chart["xaxis"] |= {"showgrid": False, "range": [-0.6, len(axes) + 0.5]}
    chart["yaxis"] = {"visible": False, "range": [-0.2, 1.06]}
    few = f"The best {_MOST_LINES} of " if len(trials) < len(facts.complete) else ""
    caption = (
        f"{few}{captions.counted(len(facts.complete), 'complete trial')}, each a line from its "
        "values to what it reached, the best the thick one; along the bottom where its network "
        "does not depend on a value."
    )
    title = "From searched values to what they gave"
    width = 76 * (len(axes) + 1)
    return Chart("parallel", title, caption, traces, chart, "parallel_coordinate", 440, width)


def _shade(height: float) -> str:
    """Return the page's colour for what was reached, 0 the worst and 1 the best."""
    return f"@shade{min(_SHADES - 1, int(height * _SHADES))}"


def _stacked(name: str) -> str:
    """Break a name over lines, but for `block 1`."""
    return label(name).replace("block ", "block\u00a0").replace(" ", "<br>")


def _upright(column: int) -> dict[str, Any]:
    line = {"color": FAINT, "width": 1}
    ends = {"x0": column, "x1": column, "y0": 0, "y1": 1}
    return {"type": "line", "layer": "below", "line": line} | ends


def _ticks(axes: dict[str, Axis], norm: Any, facts: Facts) -> list[dict[str, Any]]:
    places = [
        (column, height, text)
        for column, axis in enumerate(axes.values())
        for height, text in axis.ticks().items()
    ]
    low, high = float(norm.vmin), float(norm.vmax)
    for height in np.linspace(0, 1, 5).tolist():
        places.append((len(axes), height, f"{low + height * (high - low):.3f}"))
    look = {"showarrow": False, "xanchor": "right", "xshift": -5, "font": {"size": 11}}
    look |= {"bgcolor": PAPER, "borderpad": 1, "opacity": 0.9}
    return [{"x": x, "y": y, "text": text} | look for x, y, text in places]


def slices(facts: Facts) -> list[Chart]:
    """Show what was reached against each searched value, one small chart each."""
    trials = facts.trained
    if not trials:
        return []
    reached = [trial.objective or 0 for trial in trials]
    low, high = min(reached), max(reached)
    room = 0.06 * (high - low) or 0.05
    return [_slice(facts, n, trials, [low - room, high + room]) for n in facts.dimensions]


def _written(dimension: Dimension, value: float) -> float | str:
    """Return a word for the place it stands for."""
    word = from_number(dimension, value)
    return word if isinstance(word, str) else value


def _slice(facts: Facts, name: str, trials: tuple[Trial, ...], height: list[float]) -> Chart:
    """Show one dimension, over all that there is of it and as high as the others."""
    dimension, best = facts.dimensions[name], facts.best
    used = [trial for trial in trials if name in trial.values]
    traces = []
    for state, symbol, color in (("pruned", "circle-open", MUTED), ("complete", "circle", BLUE)):
        chosen = [t for t in used if t.state == state]
        colors = [ORANGE if best and t.number == best.number else color for t in chosen]
        marker = {"size": 8, "symbol": symbol, "color": colors}
        x = [_written(dimension, t.values[name]) for t in chosen]
        y = [t.objective or 0 for t in chosen]
        texts = [told(facts, t) for t in chosen]
        traces.append(points(state, x, y, texts, marker=marker))
    axes = layout("", "", showlegend=False)
    axes["yaxis"] |= {"nticks": 4, "range": height}
    if isinstance(dimension, Choice):
        values = sorted(map(float, values_of(numeric(dimension))))
        words = [_written(dimension, value) for value in values]
        axes["xaxis"] |= {"type": "category", "categoryorder": "array", "categoryarray": words}
        axes["xaxis"]["range"] = [-0.4, len(words) - 0.6]
    else:
        ends = [float(dimension.low), float(dimension.high)]
        if dimension.log:
            ticks = Axis(dimension).named_values(3)
            axes["xaxis"] |= {"type": "log", "tickvals": [*ticks], "ticktext": [*ticks.values()]}
            ends = [math.log10(end) for end in ends]
        room = 0.05 * (ends[1] - ends[0])
        axes["xaxis"]["range"] = [ends[0] - room, ends[1] + room]
    title = readable(name)
    caption = f"{captions.counted(len(used), 'trial')} with it"
    return Chart(f"slice-{name}", title, caption, traces, axes, "slice", height=210)
