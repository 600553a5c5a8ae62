"""The searched space as ink: which values led to which accuracy."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from nas_cifar10.report import captions
from nas_cifar10.report.facts import Facts
from nas_cifar10.report.figures_search import readable
from nas_cifar10.report.ink import (
    BLUE,
    FAINT,
    INK,
    LABEL,
    MUTED,
    NOTE,
    ORANGE,
    SCALE,
    TICK,
    jitter,
    key,
    page,
    plain,
)
from nas_cifar10.report.parts import (
    Numbers,
    Trial,
)
from nas_cifar10.space.search_space import (
    Choice,
    Dimension,
    IntegerRange,
    Value,
    from_number,
    numeric,
    values_of,
)

_UNUSED = -0.13  # height at which a line passes a value that its network does not depend on
_MOST_TICKS = 7


@dataclass(frozen=True)
class Axis:
    """A dimension laid out from 0 to 1: choices evenly, ranges to scale."""

    dimension: Dimension

    def position(self, values: list[float]) -> Numbers:
        """Return where values lie, 0 at the smallest and 1 at the largest."""
        if isinstance(self.dimension, Choice):
            ordered = self._tick_values()
            return np.asarray(np.interp(values, ordered, np.linspace(0, 1, len(ordered))))
        low, high = self.dimension.low, self.dimension.high
        if self.dimension.log:
            return np.asarray(np.log(np.divide(values, low)) / math.log(high / low))
        return np.asarray((np.array(values) - low) / (high - low))

    def ticks(self, most: int = _MOST_TICKS) -> dict[float, str]:
        """Return position and text of at most `most` + 1 ticks."""
        texts = self.named_values(most)
        return dict(zip(self.position(list(texts)).tolist(), texts.values(), strict=True))

    def named_values(self, most: int = _MOST_TICKS) -> dict[float, str]:
        """Return the values that the ticks stand at, and their texts."""
        values = self._tick_values()
        values = values[:: math.ceil(len(values) / most)]
        return {value: _short(from_number(self.dimension, value)) for value in values}

    def _tick_values(self) -> list[float]:
        if isinstance(self.dimension, Choice):
            return sorted(map(float, values_of(numeric(self.dimension))))
        low, high = self.dimension.low, self.dimension.high
        if self.dimension.log:
            first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
            decades = [10.0**power for power in range(first, last + 1)]
            return decades if len(decades) > 2 else [low, _between(low, high), high]
        if isinstance(self.dimension, IntegerRange):
            whole = np.arange(low, high + 1, self.dimension.step, dtype=np.float64)
            return [
                float(v) for v in (whole if len(whole) <= 5 else np.linspace(low, high, 5).round())
            ]
        return [float(value) for value in np.linspace(low, high, 5)]


def _between(low: float, high: float) -> float:
    """Return what lies in the middle of a logarithmic axis, round where there is room for that."""
    middle = math.sqrt(low * high)
    rounded = float(f"{middle:.1g}")
    return rounded if low < rounded < high else middle


def _short(value: Value) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if value == int(value) and value < 1e6 else f"{value:.2g}"


def parallel_coordinate(facts: Facts) -> Figure | str:
    """Draw each complete trial as a line through its values to its accuracy."""
    trials = sorted(facts.complete, key=facts.order, reverse=True)
    if not facts.dimensions:
        return "config.yaml is missing, or searches nothing"
    if not trials:
        return "no trial is complete yet"
    drawn = {name: Axis(dimension) for name, dimension in facts.dimensions.items()}
    width = float(np.clip(2.2 + 1.02 * len(drawn), 7, 20))
    how = "A line is a complete trial; it passes below a value that its network does not depend on"
    caption = f"{how}.\n{captions.search(facts)}"
    title = f"Complete trials, from searched values to {facts.objective}"
    figure = page(title, caption, width, 5.6)
    axes = figure.subplots()
    axes.set_axis_off()
    heights, norm = heights_of(trials, drawn)
    _trial_lines(axes, heights, SCALE(heights[:, -1]))
    unused = np.any(heights < -0.05, axis=0)
    for x, (name, axis) in enumerate(drawn.items()):
        _upright(axes, x, readable(name), axis, bool(unused[x]))
    _color_axis(axes, len(drawn), norm, f"validation\n{facts.objective}")
    bottom = _UNUSED - 0.09 if unused.any() else -0.05
    axes.set(xlim=(-0.45, len(drawn) + 0.5), ylim=(bottom, 1.05))
    return figure


def _norm(values: Numbers) -> Normalize:
    low, high = float(values.min()), float(values.max())
    pad = max(0.02 * (high - low), 0.005)
    return Normalize(max(0.0, low - pad), min(1.0, high + pad))


def heights_of(trials: list[Trial], drawn: Mapping[str, Axis]) -> tuple[Numbers, Normalize]:
    """Return (trials, axes + 1): where each line crosses each axis, fanned out on choices.

    The last axis is what was reached, from 0 to 1 between the ends that come with it.
    """
    values = np.array([trial.objective for trial in trials], dtype=np.float64)
    norm = _norm(values)
    heights = np.full((len(trials), len(drawn) + 1), _UNUSED)
    for column, (name, axis) in enumerate(drawn.items()):
        rows = [row for row, trial in enumerate(trials) if name in trial.values]
        places = axis.position([trials[row].values[name] for row in rows])
        heights[rows, column] = places
    fan = np.linspace(-0.022, 0.022, len(trials)) if len(trials) > 1 else np.zeros(1)
    exact = [not isinstance(axis.dimension, Choice) for axis in drawn.values()]
    fanned = (heights[:, :-1] == _UNUSED) | np.logical_not(exact)
    heights[:, :-1] += fan[:, None] * fanned
    heights[:, -1] = norm(values)
    return heights, norm


def _trial_lines(axes: Axes, heights: Numbers, colors: Any) -> None:
    """Draw lines from the worst to the best, the best thick."""
    num, columns = heights.shape
    lines = [np.column_stack([np.arange(columns), row]) for row in heights]
    widths = np.full(num, np.clip(30 / num, 0.5, 1.8))
    widths[-1] = 3.4
    alpha = np.full(num, np.clip(60 / num, 0.04, 0.95))
    alpha[-1] = 1
    colors[:, 3] = alpha
    axes.add_collection(LineCollection(lines, colors=colors, linewidths=widths, zorder=2))


def _upright(axes: Axes, x: int, name: str, axis: Axis, unused: bool) -> None:
    """Draw one dimension's axis, with its ticks to the left and its name above."""
    axes.plot([x, x], [-0.03, 1.03], color=FAINT, linewidth=1.2, zorder=1)
    title = name.replace("block ", "block\u00a0").replace(" ", "\n").replace("\u00a0", " ")
    axes.text(x, 1.07, title, ha="center", va="bottom", fontsize=NOTE, color=INK)
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.8}
    look: dict[str, Any] = {"va": "center", "bbox": box, "zorder": 3}
    for height, text in axis.ticks().items():
        axes.text(x - 0.05, height, text, ha="right", fontsize=TICK, color=INK, **look)
    if unused:
        axes.text(x, _UNUSED - 0.06, "not used", ha="center", fontsize=TICK, color=MUTED, **look)


def _color_axis(axes: Axes, x: int, norm: Normalize, name: str) -> None:
    """Draw the colour bar as the last axis: the lines end at the accuracy they reached."""
    ramp = np.linspace(0, 1, 256)[:, None]
    axes.imshow(ramp, extent=(x, x + 0.14, 0, 1), aspect="auto", origin="lower", cmap=SCALE)
    axes.text(x + 0.07, 1.07, name, ha="center", va="bottom", fontsize=NOTE, color=INK)
    low, high = float(norm.vmin or 0), float(norm.vmax or 1)
    for value in np.linspace(low, high, 6):
        height = (value - low) / (high - low)
        axes.text(x + 0.2, height, f"{value:.3f}", va="center", fontsize=TICK, color=INK)


def slice_(facts: Facts) -> Figure | str:
    """Draw the accuracy against each searched value."""
    trials = facts.trained
    if not facts.dimensions:
        return "config.yaml is missing, or searches nothing"
    if not trials:
        return "no trial has ended with an accuracy yet"
    num = len(facts.dimensions)
    columns = min(num, 5)
    rows = math.ceil(num / columns)
    how = "A network is absent from the panel of a value that it does not depend on"
    caption = f"{how}; one stopped early stands at its last epoch.\n{captions.search(facts)}"
    size = max(2.3 * columns + 0.6, 6.0), 2.15 * rows + 1.8
    figure = page(f"Validation {facts.objective} by searched value", caption, *size)
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for axes in panels.flatten()[num:]:
        axes.set_axis_off()
    for axes, (name, dimension) in zip(panels.flatten(), facts.dimensions.items(), strict=False):
        _slice(plain(axes), name, Axis(dimension), trials, facts.best)
    for axes in panels[:, 0]:
        axes.set_ylabel(facts.objective, fontsize=LABEL, color=INK)
    _slice_key(figure, trials)
    return figure


def _slice(
    axes: Axes, name: str, axis: Axis, trials: tuple[Trial, ...], best: Trial | None
) -> None:
    axes.set_title(readable(name), fontsize=NOTE, color=INK, loc="left")
    ticks = next(t for most in (5, 4, 3, 2, 1) if _fit(t := axis.ticks(most)) or most == 1)
    axes.set_xticks(list(ticks), list(ticks.values()))
    axes.set_xlim(-0.15, 1.15)
    used = [trial for trial in trials if name in trial.values]
    if not used:
        axes.text(0.5, 0.5, "in none of\nthese networks", **_middle(axes))
    x = axis.position([trial.values[name] for trial in used])
    if isinstance(axis.dimension, Choice):
        x = x + jitter(len(used), 0.3 / len(axis.dimension.values))
    y = np.array([trial.objective for trial in used], dtype=np.float64)
    complete = np.array([trial.state == "complete" for trial in used], dtype=bool)
    size = float(np.clip(3000 / len(trials), 6, 34))
    axes.scatter(x[~complete], y[~complete], s=size, facecolors="white", edgecolors=MUTED)
    axes.scatter(x[complete], y[complete], s=size, color=BLUE)
    own = np.array([best is not None and t.number == best.number for t in used], dtype=bool)
    axes.scatter(x[own], y[own], s=size * 2, color=ORANGE, zorder=4)


def _fit(ticks: dict[float, str]) -> bool:
    """Say whether the ticks' texts stand beside each other below a small panel."""
    return sum(len(text) + 2 for text in ticks.values()) <= 26


def _middle(axes: Axes) -> dict[str, Any]:
    return {
        "transform": axes.transAxes,
        "ha": "center",
        "va": "center",
        "fontsize": TICK,
        "color": MUTED,
    }


def _slice_key(figure: Figure, trials: tuple[Trial, ...]) -> None:
    looks: dict[str, dict[str, Any]] = {
        "complete": {"marker": "o", "color": BLUE},
        "pruned": {"marker": "o", "markerfacecolor": "white", "markeredgecolor": MUTED},
    }
    states = [trial.state for trial in trials]
    best = [("best", {"marker": "o", "color": ORANGE})] if "complete" in states else []
    if states.count("complete") == 1:
        del looks["complete"]
    key(figure, best + [(state, look) for state, look in looks.items() if state in states])
