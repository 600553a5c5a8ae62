"""The pictures as ink: how many of each class, and what they look like."""

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nas_cifar10.described import PARTS, Data
from nas_cifar10.report import captions
from nas_cifar10.report.facts import Facts
from nas_cifar10.report.ink import (
    BLUE,
    GREEN,
    INK,
    LABEL,
    MUTED,
    NOTE,
    ORANGE,
    SMALL,
    TICK,
    names,
    page,
    plain,
    thin,
)
from nas_cifar10.report.parts import Samples

_PART_COLORS = dict(zip(PARTS, (MUTED, BLUE, ORANGE, GREEN), strict=True))
_MOST_NUMBERED = 40  # classes; more bars than that have no room for a number each
_SMOOTH_FROM = 64  # pixels; smaller pictures are shown pixel by pixel


def class_distribution(facts: Facts) -> Figure | str:
    """Draw the number of pictures of each class, all and in each part."""
    data = facts.data
    if data is None:
        return "data.json is missing: the pictures are not described yet"
    num = len(data.class_names)
    height = min(10.0, 1.9 + 0.27 * num)
    caption = f"{_balance(data)} Each panel has its own scale.\n{captions.run(facts)}"
    figure = page("Pictures of each class", caption, 11, max(height, 3.2))
    panels = figure.subplots(1, len(PARTS), sharey=True)
    for part, axes in zip(PARTS, panels, strict=True):
        _bars(axes, data, part, height - 1.5)
    labels, shown = names(data.class_names, 22), thin(num, height - 1.5)
    panels[0].set_yticks(shown, [labels[i] for i in shown])
    panels[0].set_ylim(num - 0.4, -0.6)
    return figure


def _bars(axes: Axes, data: Data, part: str, inches: float) -> None:
    counts, color = [data.pictures[part][name] for name in data.class_names], _PART_COLORS[part]
    plain(axes, grid=False).tick_params(axis="y", length=0)
    axes.spines["bottom"].set_visible(False)
    axes.set_title(f"{part} {data.totals[part]:,}", loc="left", fontsize=LABEL, color=color)
    axes.set_xlim(0, max(1, *counts) * 1.28)
    if len(counts) <= _MOST_NUMBERED:
        axes.barh(range(len(counts)), counts, height=0.76, color=color)
        axes.set_xticks([])
        size = min(NOTE, max(SMALL - 1, inches * 50 / len(counts)))
        for row, count in enumerate(counts):
            _number(axes, count, row, size)
    else:
        edges = np.arange(len(counts) + 1) - 0.5
        axes.stairs(counts, edges, orientation="horizontal", fill=True, color=color)
        axes.locator_params(axis="x", nbins=3, integer=True)


def _number(axes: Axes, count: int, row: int, size: float) -> None:
    axes.annotate(
        f"{count:,}",
        (count, row),
        xytext=(3, 0),
        textcoords="offset points",
        va="center",
        fontsize=size,
        color=INK,
    )


def _balance(data: Data) -> str:
    counts = data.pictures["all"].values()
    few, many = min(counts), max(counts)
    classes = captions.counted(len(data.class_names), "class")
    if few == many:
        return f"{classes}, {few:,} pictures each."
    return f"{classes}, from {few:,} to {many:,} pictures each."


def samples(facts: Facts) -> Figure | str:
    """Draw a few training pictures with their labels."""
    found = facts.samples
    if found is None:
        return "pictures.npz is missing: no sample pictures were written yet"
    num = len(found.images)
    if num == 0:
        return "pictures.npz holds no picture"
    columns = min(5, num)
    rows = math.ceil(num / columns)
    height, width, _ = found.images.shape[1:]
    caption = f"As the network sees them: {width}×{height} pixels.\n{captions.run(facts)}"
    title = captions.counted(num, "training picture")
    size = 1.0 + 1.62 * rows * height / width
    figure = page(title, caption, max(1.5 * columns + 0.3, 5.5), size)
    panels = figure.subplots(rows, columns, squeeze=False).flatten()
    for axes, position in zip(panels, range(len(panels)), strict=True):
        axes.set_axis_off()
        if position < num:
            _picture(axes, found, position, facts)
    return figure


def _picture(axes: Axes, found: Samples, position: int, facts: Facts) -> None:
    image, label = found.images[position], int(found.labels[position])
    look: dict[str, Any] = {"interpolation": "nearest"}
    if image.shape[0] >= _SMOOTH_FROM:
        look["interpolation"] = "antialiased"
    if image.shape[2] == 1:
        image, look = image[:, :, 0], look | {"cmap": "gray", "vmin": 0, "vmax": 255}
    axes.imshow(image, **look)
    axes.set_title(_label(label, facts), fontsize=TICK, color=INK, pad=3)


def _label(label: int, facts: Facts) -> str:
    class_names = facts.data.class_names if facts.data else ()
    return names(class_names, 16)[label] if label < len(class_names) else str(label)
