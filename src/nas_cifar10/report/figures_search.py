"""The search as ink: how it went, epoch by epoch and trial by trial, and what mattered."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from nas_cifar10.report import captions
from nas_cifar10.report.facts import Facts
from nas_cifar10.report.ink import (
    BLUE,
    FAINT,
    GREEN,
    INK,
    LABEL,
    MUTED,
    NOTE,
    ORANGE,
    PURPLE,
    end_label,
    key,
    page,
    plain,
    shorten,
    spread,
    thin,
    whole_ticks,
)
from nas_cifar10.report.parts import (
    Curve,
    Trial,
)
from nas_cifar10.text import rounded

_KINDS = {
    "random": (BLUE, "o"),
    "model_based": (ORANGE, "s"),
    "local": (ORANGE, "^"),
    "baseline": (GREEN, "D"),
}
# An empty fill is the kind's own colour.
_FILLS = {"complete": "", "pruned": "white", "running": FAINT, "interrupted": FAINT}
_DASHES = {"running": ":", "interrupted": ":"}
_WITHOUT_VALUE = {"failed": "x", "infeasible": "v", "repeated": "+"}
FEWEST = 4
_MANY = 500  # trials; among more of them only those that completed are drawn in full colour


def optimization_history(facts: Facts) -> Figure | str:
    """Draw what each trial reached, by who proposed it and how it ended, and the best so far."""
    if not facts.trials:
        return "no trial was asked yet"
    if all(trial.objective is None or _is_marked(trial) for trial in facts.trials):
        return "no trial has been measured yet"
    figure = page("Optimisation history", captions.search(facts), 9.5, 5.2)
    axes = plain(figure.subplots(), "trial", f"validation {facts.objective}")
    num = max(facts.num_requested, facts.trials[-1].number + 1)
    axes.set_xlim(-0.5 - 0.01 * num, num - 0.5 + 0.01 * num)
    whole_ticks(axes)
    entries = _points(axes, facts, float(np.clip(6000 / num, 3, 64)))
    _room(axes, any(_is_marked(trial) for trial in facts.trials))
    entries += _marks(axes, facts.trials)
    _staircase(axes, facts, num)
    key(figure, entries)
    return figure


def _is_marked(trial: Trial) -> bool:
    return trial.state in _WITHOUT_VALUE


def _points(axes: Axes, facts: Facts, size: float) -> list[tuple[str, dict[str, Any]]]:
    """Draw the measured trials; return what the marks mean."""
    trials = facts.trials or ()
    entries: list[tuple[str, dict[str, Any]]] = []
    states = set()
    for kind, (color, marker) in _KINDS.items():
        for state, fill in _FILLS.items():
            chosen = [
                t for t in trials if (t.kind, t.state) == (kind, state) and t.objective is not None
            ]
            if chosen:
                look = {"marker": marker, "facecolors": fill or color, "edgecolors": color}
                x, y = [t.number for t in chosen], [t.objective for t in chosen]
                alpha = 0.5 if len(trials) > _MANY and state != "complete" else 1
                width = 1.2 if size > 7 else 0.6
                axes.scatter(x, y, s=size, linewidths=width, alpha=alpha, zorder=3, **look)  # type: ignore[arg-type]
                states.add(state)
        if any(t.kind == kind and t.objective is not None and not _is_marked(t) for t in trials):
            proposed = captions.proposed(facts, kind)
            entries.append((proposed, {"marker": marker, "color": color}))
    return entries + [(state, _round(fill)) for state, fill in _FILLS.items() if state in states]


def _round(fill: str) -> dict[str, Any]:
    return {"marker": "o", "markerfacecolor": fill or INK, "markeredgecolor": INK}


def _room(axes: Axes, below: bool) -> None:
    """Leave room for the best's label above, and for the marks below."""
    low, high = axes.get_ylim()
    span = max(high - low, 0.02)
    axes.set_ylim(low - (0.1 * span if below else 0), high + 0.12 * span)


def _marks(axes: Axes, trials: tuple[Trial, ...]) -> list[tuple[str, dict[str, Any]]]:
    """Draw the trials without a value of their own at the bottom."""
    entries = []
    for state, marker in _WITHOUT_VALUE.items():
        numbers = [trial.number for trial in trials if trial.state == state]
        if numbers:
            heights = np.full(len(numbers), 0.03)
            bottom = axes.get_xaxis_transform()
            axes.scatter(
                numbers,
                heights,
                s=48,
                linewidths=1.6,
                marker=marker,
                color=PURPLE,
                transform=bottom,
            )
            entries.append((state, {"marker": marker, "color": PURPLE}))
    return entries


def _staircase(axes: Axes, facts: Facts, num: int) -> None:
    """Draw the best so far, and name the best."""
    steps = facts.best_so_far()
    if not steps or facts.best is None:
        return
    assert facts.trials is not None
    last = facts.trials[-1].number
    x, y = [*(number for number, _ in steps), last], [*(value for _, value in steps), steps[-1][1]]
    axes.step(x, y, where="post", color=INK, linewidth=1.6, zorder=4 if num > _MANY else 2)
    number, value = facts.best.number, steps[-1][1]
    side = "left" if number < 0.25 * num else "right" if number > 0.75 * num else "center"
    axes.annotate(
        f"best {rounded(value)}, trial {number}",
        (number, value),
        xytext=({"left": -4, "right": 4, "center": 0}[side], 9),
        textcoords="offset points",
        ha=side,
        fontsize=LABEL,
        weight="bold",
        color=INK,
    )


def intermediate_values(facts: Facts) -> Figure | str:
    """Draw what each trial reached, epoch by epoch."""
    curves = facts.visible_curves
    if not curves:
        return "no trial has trained an epoch yet"
    figure = page(f"Validation {facts.objective} of each trial by epoch", captions.search(facts))
    axes = plain(figure.subplots(), "epoch", f"validation {facts.objective}")
    states = {trial.number: trial.state for trial in facts.trials or ()}
    best = facts.best.number if facts.best else None
    complete = {n for n in curves if states.get(n) == "complete" and n != best}
    others = curves.keys() - complete - {best}
    entries: list[tuple[str, dict[str, Any]]] = []
    for state in sorted({states.get(n, "running") for n in others}):
        chosen = [curves[n] for n in sorted(others) if states.get(n, "running") == state]
        entries += _lines(axes, chosen, MUTED, state, dash=_DASHES.get(state, "-"))
    entries += _lines(axes, [curves[n] for n in sorted(complete)], BLUE, "complete")
    if best in curves:
        entries += _lines(axes, [curves[best]], ORANGE, "best", width=2.6)
    last = max(int(curve.epochs[-1]) for curve in curves.values())
    axes.set_xlim(1 - 0.02 * last, last + 0.02 * last)
    whole_ticks(axes)
    named = ([best] if best in curves else []) + sorted(complete)[:8] * (len(complete) <= 8)
    _name_ends(axes, {n: curves[n] for n in named}, best)
    key(figure, entries)
    return figure


def _lines(
    axes: Axes, curves: list[Curve], color: str, label: str, width: float = 1.4, dash: str = "-"
) -> list[tuple[str, dict[str, Any]]]:
    """Draw curves of one kind, dots where there is room; return what they mean."""
    if not curves:
        return []
    many = len(curves) > 50
    lines = [np.column_stack([curve.epochs, curve.values]) for curve in curves]
    alpha = float(np.clip(40 / len(curves), 0.02, 1))
    look: dict[str, Any] = {"color": color, "linestyle": dash}
    axes.add_collection(LineCollection(lines, linewidths=width, alpha=alpha, **look))
    dots = np.concatenate([line[-1:] if many else line for line in lines])
    size, above = (6 if many else 18), 4 if color == ORANGE else 2
    axes.scatter(dots[:, 0], dots[:, 1], s=size, color=color, alpha=alpha, zorder=above)
    return [(label, look | {"linewidth": max(width, 2)})]


def _name_ends(axes: Axes, curves: dict[int, Curve], best: int | None) -> None:
    heights = spread([float(curve.values[-1]) for curve in curves.values()], axes, 3.3)
    for (number, curve), height in zip(curves.items(), heights, strict=True):
        end = int(curve.epochs[-1]), float(curve.values[-1])
        color = ORANGE if number == best else BLUE
        end_label(axes, *end, height, f"{rounded(end[1])}  trial {number}", color)


def importance(facts: Facts) -> Figure | str:
    """Draw how much each searched value mattered, as far as so few trials can tell."""
    if len(facts.complete) < FEWEST:
        return f"needs at least {FEWEST} complete trials, has {len(facts.complete)}"
    values = facts.search.importances if facts.search else {}
    if not any(value > 0 for value in values.values()):
        return "no searched value explains a difference between the trials"
    ranked = sorted(values.items(), key=lambda pair: (pair[1], pair[0]))
    height = min(10.0, 2.0 + 0.34 * len(ranked))
    caption = f"{captions.importance(facts)}.\n{captions.search(facts)}"
    figure = page("Importance of the searched values", caption, 8, height)
    axes = plain(figure.subplots(), captions.IMPORTANCE_UNIT, grid=False)
    axes.barh(range(len(ranked)), [value for _, value in ranked], color=BLUE, height=0.7)
    shown = thin(len(ranked), height - 1.6)
    axes.set_yticks(shown, [readable(ranked[i][0]) for i in shown])
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(0, ranked[-1][1] * 1.12)
    for row in shown:
        _share(axes, row, ranked[row][1])
    return figure


def _share(axes: Axes, row: int, value: float) -> None:
    place: dict[str, Any] = {"xytext": (4, 0), "textcoords": "offset points", "va": "center"}
    text = f"{value:.2f}" if value >= 0.005 or not value else "< 0.01"
    axes.annotate(text, (value, row), fontsize=NOTE, color=MUTED, **place)


def readable(name: str) -> str:
    """Return `block 1 channels` for `block1.channels`, `learning rate` for the training one."""
    words = name.removeprefix("training.").replace("block", "block ").replace(".", " ")
    return shorten(words.replace("kernel_size", "kernel").replace("_", " "), 40)
