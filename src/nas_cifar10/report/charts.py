"""What every interactive chart is made of: traces and axes as plotly reads them; knows no page.

A colour is written as the name of one of the page's own, `@blue`, since light and dark differ.
Text of users goes through `label`: plotly reads what looks like HTML in it.
"""

import html
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from nas_cifar10.report.ink import cut

Trace: TypeAlias = dict[str, Any]

_MOST_MARKS = 3  # on one letter

BLUE, ORANGE, GREEN = "@blue", "@orange", "@green"
INK, MUTED, FAINT, PAPER = "@ink", "@muted", "@faint", "@paper"


@dataclass(frozen=True)
class Chart:
    """One interactive chart, and the figure that stands for it on paper and without JavaScript.

    Args:
        figure: The name of that figure, which several charts may share; None: the chart itself,
            drawn still.
        caption: What it shows, in a sentence: the same for eyes and for screen readers.
        height, least_width: CSS pixels; a narrower screen scrolls the chart sideways.
    """

    name: str
    title: str
    caption: str
    traces: Sequence[Trace]
    layout: dict[str, Any]
    figure: str | None = None
    height: int = 360
    least_width: int = 0

    @property
    def still(self) -> str:
        """The name of the still picture that stands for it."""
        return self.figure or self.name


def plain(text: str, width: int = 60) -> str:
    """Return a user's text on one line of at most `width` characters, in any script.

    What turns its direction is dropped, and marks that stack up higher than in any language.
    """
    kept, marks = [], 0
    for character in unicodedata.normalize("NFC", text):
        kind = unicodedata.category(character)
        marks = marks + 1 if kind.startswith("M") else 0
        if kind != "Cf" and marks <= _MOST_MARKS:
            kept.append(" " if kind.startswith(("C", "Z")) else character)
    return cut("".join(kept), width)


def label(text: str, width: int = 60) -> str:
    """Return a user's text as plotly shows it letter by letter; what stands in $ is no formula."""
    return html.escape(plain(text, width), quote=False).replace("$", "&#36;")


def layout(x: str, y: str, **more: Any) -> dict[str, Any]:
    """Return axes with their names; `more` goes into the layout as it is."""
    return {"xaxis": {"title": {"text": x}}, "yaxis": {"title": {"text": y}}} | more


def points(
    name: str, x: Sequence[float | str], y: Sequence[float], texts: Sequence[str], **look: Any
) -> Trace:
    """Return a scatter trace whose points say `texts` when they are pointed at."""
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": list(x),
        "y": numbers(y),
        "text": list(texts),
        "hovertemplate": "%{text}<extra></extra>",
    } | look


def numbers(values: Any) -> list[float | int | None]:
    """Return values as JSON holds them: six digits, None for what is no number."""
    return [
        None if not np.isfinite(v) else v if isinstance(v, int) else float(f"{v:.6g}")
        for v in np.asarray(values).tolist()
    ]


def joined(lines: Sequence[Sequence[Any]], gap: Any = None) -> list[Any]:
    """Return several lines as one, with a gap after each: one trace draws them all."""
    return [value for line in lines for value in [*line, gap]]
