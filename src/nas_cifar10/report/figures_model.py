"""The retrained network as ink: how it learned, and what it is worth."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from nas_cifar10.report import captions
from nas_cifar10.report.facts import Facts
from nas_cifar10.report.ink import (
    BLUE,
    FAINT,
    HEAT,
    INK,
    LABEL,
    MUTED,
    ORANGE,
    SMALL,
    TICK,
    end_label,
    names,
    on_dark,
    page,
    plain,
    spread,
    thin,
    whole_ticks,
)
from nas_cifar10.report.parts import Measured
from nas_cifar10.text import rounded

_SCORES = ("precision", "recall", "f1")
_DEEPEST = 0.5  # of the colours: ink on a score of 1 has a contrast of 6
_ROWS = 40  # classes in one column of the classification report
_MOST_CLASSES = 120
_MOST_NUMBERED = 20  # classes; a confusion matrix with more has no room for counts
_NOT_YET = "no retrain yet"


def training_loss(facts: Facts) -> Figure | str:
    """Draw the cross-entropy of the retrain by epoch."""
    return _training(facts, "loss", "Loss of the retrain", "cross-entropy (nats)")


def training_accuracy(facts: Facts) -> Figure | str:
    """Draw the accuracy of the retrain by epoch."""
    return _training(facts, "accuracy", "Accuracy of the retrain", "accuracy")


def training_auc(facts: Facts) -> Figure | str:
    """Draw the one-vs-rest macro AUC of the retrain by epoch."""
    return _training(facts, "auc", "AUC of the retrain", "AUC, one class against the rest, mean")


def _training(facts: Facts, kind: str, title: str, unit: str) -> Figure | str:
    history = facts.history
    if history is None or not len(history.epochs):
        return _NOT_YET
    parts = ["train", history.monitor] if history.monitor else ["train"]
    series = {part: history.series[f"{part}_{kind}"] for part in parts}
    series = {part: values for part, values in series.items() if np.isfinite(values).any()}
    if not series:
        return f"no epoch has a finite {kind}"
    figure = page(title, captions.retrain(facts))
    axes = plain(figure.subplots(), "epoch", unit)
    marker = "o" if len(history.epochs) <= 30 else ""
    colors = {"train": BLUE, history.monitor: ORANGE}
    for part, values in series.items():
        axes.plot(history.epochs, values, color=colors[part], lw=2.2, marker=marker, ms=4)
    last = int(history.epochs[-1])
    axes.set_xlim(1 - 0.02 * last, last * 1.02)
    axes.margins(y=0.06)
    whole_ticks(axes)
    ends = [float(values[np.isfinite(values)][-1]) for values in series.values()]
    for part, end, height in zip(series, ends, spread(ends, axes, 3.2, lines=2), strict=True):
        label = "test\n(monitor only)" if part == "test" else part
        end_label(axes, last, end, height, f"{rounded(end)}  {label}", colors[part])
    return figure


def classification_report(facts: Facts) -> Figure | str:
    """Draw precision, recall and F1 of each class and their mean."""
    found = facts.measured
    if found is None:
        return _unmeasured(facts)
    chosen, note = _chosen(found)
    columns = math.ceil(len(chosen) / _ROWS)
    rows = math.ceil(len(chosen) / columns)
    size = max(7.6, 4.6 * columns), 2.3 + 0.27 * (rows + 1)
    figure = page("Precision, recall and F1 of each class", note + captions.measured(facts), *size)
    panels = figure.subplots(1, columns, squeeze=False)[0]
    scores = np.array([[getattr(found.per_class[n], s) for s in _SCORES] for n in found.per_class])
    lowest = min(0.5, math.floor(scores[chosen].min() * 10) / 10)
    for column, axes in enumerate(panels):
        part = chosen[column * rows : (column + 1) * rows]
        _report(axes, found, part, lowest, rows, mean=column == columns - 1)
    return figure


def _unmeasured(facts: Facts) -> str:
    return "the retrain was measured on no other pictures" if facts.metrics else _NOT_YET


def _chosen(found: Measured) -> tuple[list[int], str]:
    """Return which classes to list, and a word on those left out."""
    f1 = [scores.f1 for scores in found.per_class.values()]
    if len(f1) <= _MOST_CLASSES:
        return list(range(len(f1))), ""
    worst = sorted(range(len(f1)), key=lambda row: (f1[row], row))[:_MOST_CLASSES]
    return worst, f"The {_MOST_CLASSES} classes with the lowest F1 of {len(f1):,}.\n"


def _report(
    axes: Axes, found: Measured, chosen: list[int], lowest: float, num_rows: int, *, mean: bool
) -> None:
    """Draw one column of classes, and the mean of all below it."""
    every = list(found.per_class.values())
    table = [[getattr(every[row], score) for score in _SCORES] for row in chosen]
    support = [every[row].support for row in chosen]
    labels = [names(list(found.per_class), 26)[row] for row in chosen]
    places = list(range(len(chosen)))
    if mean:
        means = found.scores.macro_precision, found.scores.macro_recall, found.scores.macro_f1
        table.append(list(means))
        support.append(sum(scores.support for scores in every))
        labels.append("mean of all classes")
        places.append(len(chosen))
    _heat_table(axes, table, support, lowest)
    axes.set_yticks(places, labels, fontsize=TICK)
    axes.set_ylim(num_rows + 0.5, -0.5)
    if mean:
        axes.axhline(len(chosen) - 0.5, color=INK, linewidth=1.4)
        axes.get_yticklabels()[-1].set_fontweight("bold")


def _heat_table(axes: Axes, table: list[list[float]], support: list[int], lowest: float) -> None:
    deepest = lowest + (1 - lowest) / _DEEPEST
    axes.imshow(table, cmap=HEAT, vmin=lowest, vmax=deepest, aspect="auto")
    for row, scores in enumerate(table):
        for column, score in enumerate(scores):
            _cell(axes, column, row, rounded(score), INK)
        _cell(axes, 3, row, f"{support[row]:,}", MUTED)
    axes.set_xlim(-0.5, 3.5)
    axes.set_xticks(range(4), ["precision", "recall", "F1", "pictures"], fontsize=TICK)
    axes.tick_params(length=0, labeltop=True, labelbottom=False, labelcolor=INK)
    axes.spines[:].set_visible(False)


def _cell(axes: Axes, x: int, y: int, text: str, color: str, size: float = TICK) -> None:
    axes.text(x, y, text, ha="center", va="center", fontsize=size, color=color)


def confusion_matrix(facts: Facts) -> Figure | str:
    """Draw which class was taken for which."""
    found = facts.measured
    if found is None:
        return _unmeasured(facts)
    counts = np.array(found.confusion_matrix, dtype=np.int64)
    num, side = len(counts), float(np.clip(3.5 + 0.42 * len(counts), 5, 9))
    caption = f"{_mistakes(counts, names(list(found.per_class), 24))}\n{captions.measured(facts)}"
    figure = page("Confusion matrix", caption, side + 0.6, side + 0.6)
    axes = plain(figure.subplots(), "predicted class", "true class", grid=False)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    # The root makes rare mistakes visible beside a diagonal near 1.
    image = axes.imshow(shares, cmap=HEAT, norm=PowerNorm(0.5, 0, 1))
    bar = figure.colorbar(image, ax=axes, shrink=0.7, aspect=30, ticks=[0, 0.05, 0.25, 0.5, 1])
    bar.set_label("share of the true class", fontsize=LABEL, color=INK)
    bar.ax.tick_params(labelsize=TICK, labelcolor=INK, color=FAINT)
    bar.outline.set_visible(False)
    labels, shown = names(list(found.per_class), 16), thin(num, (side - 2.4))
    axes.set_yticks(shown, [labels[i] for i in shown])
    turned = num > 2 and max(len(labels[i]) for i in shown) * len(shown) > 36
    look = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if turned else {}
    axes.set_xticks(shown, [labels[i] for i in shown], **look)  # type: ignore[arg-type]
    axes.spines[:].set_visible(False)
    if num <= _MOST_NUMBERED:
        size = TICK if counts.max() < 10_000 else SMALL
        for row, column in np.ndindex(num, num):
            color = on_dark(math.sqrt(shares[row, column])) if counts[row, column] else FAINT
            _cell(axes, column, row, f"{counts[row, column]:,}", color, size)
    return figure


def _mistakes(counts: "np.ndarray[tuple[int, ...], np.dtype[np.int64]]", labels: list[str]) -> str:
    """Name the three most frequent mistakes."""
    wrong = counts * (1 - np.eye(len(counts), dtype=np.int64))
    cells = np.argsort(-wrong, axis=None, kind="stable")[:3]
    found = [tuple(int(i) for i in np.unravel_index(cell, wrong.shape)) for cell in cells]
    told = [f"{labels[t]} taken for {labels[p]} ({wrong[t, p]:,})" for t, p in found if wrong[t, p]]
    return f"Most often: {', '.join(told)}." if told else "Not one picture was mistaken."
