"""The retrained network as interactive charts; knows no page."""

import math

import numpy as np

from nas_cifar10.report import captions
from nas_cifar10.report.charts import (
    BLUE,
    FAINT,
    GREEN,
    MUTED,
    ORANGE,
    Chart,
    Trace,
    label,
    layout,
    numbers,
    plain,
    points,
)
from nas_cifar10.report.evaluation import Calibration, calibration, roc_curves
from nas_cifar10.report.facts import Facts
from nas_cifar10.report.parts import History
from nas_cifar10.text import rounded

_MOST_CURVES = 30  # of the ROC chart
_WORST = 3
_MOST_UPRIGHT, _MOST_NAMED = 12, 40  # classes, as upright bars and with a name each
NO_RETRAIN = "The network was not retrained yet."
NOT_MEASURED = "The retrained network was measured on no other pictures."


def training(facts: Facts) -> list[Chart]:
    """Show loss, accuracy and AUC of the retrain by epoch; empty where there was none."""
    history = facts.history
    if history is None or not len(history.epochs):
        return []
    return [
        _training(facts, history, "loss", "Loss", "cross-entropy (nats)"),
        _training(facts, history, "accuracy", "Accuracy", "accuracy"),
        _training(facts, history, "auc", "AUC", "mean AUC"),
    ]


def _training(facts: Facts, history: History, kind: str, title: str, unit: str) -> Chart:
    traces = []
    for part, color in (("train", BLUE), (history.monitor, ORANGE)):
        values = history.series.get(f"{part}_{kind}")
        if values is not None and np.isfinite(values).any():
            name = "test (monitor only)" if part == "test" else str(part)
            texts = [
                f"epoch {epoch}: {name} {value:.4f}"
                for epoch, value in zip(history.epochs, values, strict=True)
            ]
            mode = "lines+markers" if len(values) <= 30 else "lines"
            look = {"line": {"color": color, "width": 2.5}, "marker": {"size": 5}}
            x = history.epochs.tolist()
            traces.append(points(name, x, values.tolist(), texts, mode=mode, **look))
    ends = ", ".join(f"{t['name']} {rounded(t['y'][-1])}" for t in traces if t["y"][-1] is not None)
    after = f"After {captions.counted(len(history.epochs), 'epoch')}: {ends or 'no number'}"
    caption = f"{after}. {captions.learning(facts)}."
    axes = layout("epoch", unit)
    return Chart(f"training-{kind}", title, caption, traces, axes, f"training_{kind}", 320)


def reliability(facts: Facts) -> Chart | str:
    """Show how often answers given with some confidence are right."""
    if facts.predictions is None:
        return NOT_MEASURED if facts.metrics else NO_RETRAIN
    found = calibration(facts.predictions)
    diagonal: Trace = {
        "type": "scatter",
        "mode": "lines",
        "name": "confidence = accuracy",
        "x": [0, 1],
        "y": [0, 1],
        "line": {"color": MUTED, "dash": "dot", "width": 1.5},
        "hoverinfo": "skip",
    }
    texts = [
        f"{captions.counted(count, 'picture')}<br>confidence {confidence:.3f}, right {accuracy:.3f}"
        for count, confidence, accuracy in zip(
            found.counts.tolist(), found.confidence, found.accuracy, strict=True
        )
    ]
    sizes = 6 + 18 * np.sqrt(found.counts / found.counts.max())
    look = {"color": BLUE, "size": numbers(sizes), "line": {"width": 0}}
    x, y = found.confidence.tolist(), found.accuracy.tolist()
    line = {"color": FAINT, "width": 1.5}
    bins = points("bins", x, y, texts, mode="lines+markers", marker=look, line=line)
    axes = layout("confidence of the answer", "share that is right", showlegend=False)
    axes["xaxis"] |= {"range": [0, 1.03]}
    axes["yaxis"] |= {"range": [0, 1.05]}
    title = "Does it know when it is right?"
    return Chart("reliability", title, calibrated(found), [diagonal, bins], axes, None, 380)


def calibrated(found: Calibration) -> str:
    """Return what the diagram says in a sentence."""
    surplus = float(((found.confidence - found.accuracy) * found.counts).sum())
    tendency = "more confident than right" if surplus > 0 else "more often right than confident"
    return (
        f"Expected calibration error {found.error:.3f}: on average it is {tendency}. A dot on the "
        "dotted line would mean that answers given with that confidence are right as often; the "
        "larger the dot, the more answers."
    )


def roc(facts: Facts) -> Chart | str:
    """Show the ROC curve of each class against the rest."""
    if facts.predictions is None:
        return NOT_MEASURED if facts.metrics else NO_RETRAIN
    curves = roc_curves(facts.predictions)
    if not curves:
        return "Only one class was measured: there is nothing to tell apart."
    ranked = sorted(curves, key=lambda name: curves[name].area)
    shown = ranked[:_MOST_CURVES]
    worst = [name for name in ranked[:_WORST] if curves[name].area < 1]
    traces = []
    for name in reversed(shown):
        curve, hard = curves[name], name in worst
        text = f"{label(name, 30)}: AUC {rounded(curve.area)}"
        line = {"color": ORANGE if hard else BLUE, "width": 2.5 if hard else 1.2}
        x, y = curve.false_positives.tolist(), curve.true_positives.tolist()
        look = {"mode": "lines", "line": line, "opacity": 1 if hard else 0.6}
        traces.append(points(label(name, 30), x, y, [text] * len(x), **look))
    chance: Trace = {"type": "scatter", "mode": "lines", "x": [0, 1], "y": [0, 1]}
    chance |= {"line": {"color": FAINT, "dash": "dot"}, "hoverinfo": "skip", "name": "chance"}
    told = ", ".join(f"{plain(n, 24)} ({rounded(curves[n].area)})" for n in worst)
    hardest = f"Hardest to tell from the rest, by area under the curve: {told}."
    few = f"The {_MOST_CURVES} classes with the smallest area. " if len(ranked) > len(shown) else ""
    caption = f"{few}{hardest if worst else 'Each is told from the rest without a mistake.'}"
    axes = layout("share of the rest taken for it", "share of the class found", showlegend=False)
    axes["xaxis"] |= {"range": [0, 1]}
    axes["yaxis"] |= {"range": [0, 1.02]}
    return Chart("roc", "Each class against the rest", caption, [chance, *traces], axes, None, 380)


def classes(facts: Facts) -> Chart | str:
    """Show the number of pictures of each class in each part."""
    data = facts.data
    if data is None:
        return "The pictures are not described yet."
    names = [label(name, 24) for name in data.class_names]
    colors = {"train": BLUE, "validation": ORANGE, "test": GREEN}
    upright = len(names) <= _MOST_UPRIGHT
    length, place = ("y", "x") if upright else ("x", "y")
    traces: list[Trace] = [
        {
            "type": "bar",
            "name": part,
            "orientation": "v" if upright else "h",
            place: list(range(len(names))),
            length: [data.pictures[part][name] for name in data.class_names],
            "text": names,
            "textposition": "none",
            "marker": {"color": color},
            "hovertemplate": f"%{{text}}, {part}: %{{{length}}}<extra></extra>",
        }
        for part, color in colors.items()
    ]
    counts = data.pictures["all"].values()
    few, many = min(counts), max(counts)
    each = f"{few:,}" if few == many else f"from {few:,} to {many:,}"
    caption = f"{captions.counted(len(names), 'class')}, {each} pictures each, in all parts."
    named = ("", "pictures") if upright else ("pictures", "")
    axes = layout(*named, barmode="group")
    ticks = list(range(0, len(names), math.ceil(len(names) / _MOST_NAMED)))
    axes[f"{place}axis"] |= {"tickvals": ticks, "ticktext": [names[tick] for tick in ticks]}
    if not upright:
        axes["yaxis"] |= {"autorange": "reversed"}
    height = 340 if upright else 120 + 26 * min(len(names), _MOST_NAMED)
    title = "Pictures of each class"
    return Chart("classes", title, caption, traces, axes, "class_distribution", height)
