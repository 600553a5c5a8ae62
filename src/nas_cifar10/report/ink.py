"""The one palette, type scale and page every figure is drawn with; knows no facts."""

import math
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeAlias

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib import colormaps, font_manager
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

Numbers: TypeAlias = npt.NDArray[np.float64]

# Colours that stay apart for every kind of colour vision (Okabe and Ito, 2008), and greys.
BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#A6559A"
INK, MUTED, FAINT, GRID = "#1F2933", "#5F6B7A", "#B4BDC7", "#E6E9ED"
HEAT = "Blues"
# From pale for the worst to dark for the best, so that the best stands out on white.
SCALE = ListedColormap(colormaps["viridis_r"](np.linspace(0.1, 1, 256)))

TITLE, LABEL, NOTE, TICK, SMALL = 15.0, 11.0, 10.0, 9.5, 8.0  # points
_POINTS_AN_INCH = 72
_MARGIN = 0.12  # inches
_LETTER = 0.65  # of the type's size: about the mean breadth of a letter, with some room
_BOX = "□"
_FONT = "DejaVu Sans"  # comes with matplotlib, so a figure looks the same everywhere


@contextmanager
def own_style() -> Iterator[None]:
    """Draw alike everywhere: a user's matplotlibrc does not change what a run looks like."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        yield


def page(title: str, caption: str, width: float = 8.0, height: float = 5.0) -> Figure:
    """Return an empty figure with its title above and its caption below; sizes in inches."""
    figure = Figure(figsize=(width, height), facecolor="white")
    figure.set_layout_engine("constrained", w_pad=_MARGIN, h_pad=_MARGIN, hspace=0.03, wspace=0.03)
    _write_title(figure, title)
    room = (width - 2 * _MARGIN) * _POINTS_AN_INCH
    figure.supxlabel(
        "\n".join(line for part in caption.split("\n") for line in _wrapped(part, room)),
        x=_MARGIN / width,
        ha="left",
        fontsize=TICK,
        color=MUTED,
        linespacing=1.35,
    )
    return figure


def _wrapped(text: str, points: float) -> list[str]:
    """Break text between words into lines of the caption's size that fit `points`."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        fits = sum(map(_advance, longer)) * TICK <= points
        lines = [*lines[:-1], longer] if fits or not lines[-1] else [*lines, word]
    return lines


@cache
def _advance(character: str) -> float:
    """Return how wide a character is, in units of the type's size."""
    font = _font()
    font.set_size(100, _POINTS_AN_INCH)
    return font.load_char(ord(character)).linearHoriAdvance / 65536 / 100  # FreeType's 16.16


def _write_title(figure: Figure, title: str) -> None:
    left = _MARGIN / figure.get_figwidth()
    figure.suptitle(title, x=left, ha="left", fontsize=TITLE, weight="bold", color=INK)


def plain(axes: Axes, x: str = "", y: str = "", *, grid: bool = True) -> Axes:
    """Take the box away, write the axes' names, and rule faint lines to read heights by."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.tick_params(colors=MUTED, labelcolor=INK, labelsize=TICK, length=3)
    axes.set_xlabel(x, fontsize=LABEL, color=INK)
    axes.set_ylabel(y, fontsize=LABEL, color=INK)
    axes.set_axisbelow(True)
    if grid:
        axes.grid(axis="y", color=GRID, linewidth=0.8)
    return axes


def whole_ticks(axes: Axes) -> None:
    """Put the ticks of the x axis, of epochs or trials, at whole numbers."""
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))


def key(figure: Figure, entries: Sequence[tuple[str, dict[str, Any]]]) -> None:
    """Write one line below the title that says what each mark means."""
    marks = [Line2D([], [], label=label, **{"linestyle": "", **look}) for label, look in entries]
    width, height = figure.get_size_inches()
    below = _MARGIN + TITLE * 1.25 / _POINTS_AN_INCH
    _write_title(figure, f"{figure.get_suptitle()}\n")  # the empty line is the key's room
    figure.legend(
        handles=marks,
        loc="upper left",
        bbox_to_anchor=((_MARGIN - 0.06) / width, 1 - below / height),
        borderaxespad=0,
        ncols=len(marks),
        frameon=False,
        fontsize=NOTE,
        labelcolor=INK,
        handlelength=1.2,
        handletextpad=0.4,
        columnspacing=1.1,
    )


def end_label(axes: Axes, x: float, y: float, at: float, text: str, color: str) -> None:
    """Write `text` right of a line's end (x, y), at the height `at`, outside the axes."""
    axes.annotate(
        text,
        (x, y),
        xytext=(1.012, at),
        textcoords=axes.get_yaxis_transform(),  # x in axes, y in data
        va="center",
        fontsize=NOTE,
        color=color,
        weight="bold",
        annotation_clip=False,
    )


def spread(heights: Sequence[float], axes: Axes, inches: float, lines: int = 1) -> list[float]:
    """Move labels apart as little as keeps them from overlapping, and inside the axes.

    Args:
        inches: How high the axes are, about.
        lines: How many lines of text the longest label has.
    """
    low, high = axes.get_ylim()
    gap = (high - low) * NOTE * (1.25 * lines + 0.2) / _POINTS_AN_INCH / inches
    order = sorted(range(len(heights)), key=lambda i: heights[i])
    # Least squares under "each at least `gap` above the one below": an isotonic regression.
    blocks: list[list[float]] = []
    for rank, i in enumerate(order):
        blocks.append([heights[i] - rank * gap])
        while len(blocks) > 1 and np.mean(blocks[-2]) > np.mean(blocks[-1]):
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    flat = [float(np.mean(block)) for block in blocks for _ in block]
    top = high - (len(flat) - 1) * gap
    placed = {i: min(max(flat[rank], low), top) + rank * gap for rank, i in enumerate(order)}
    return [placed[i] for i in range(len(heights))]


def thin(num: int, inches: float, points: float = TICK) -> list[int]:
    """Return which of `num` ticks to name, so that names on `inches` do not overlap."""
    room = max(1, int(inches * _POINTS_AN_INCH / (points * 1.3)))
    return list(range(0, num, math.ceil(num / room)))


def shorten(text: str, width: int) -> str:
    """Return text that the font can draw, `cut` to a width; it is not read as a formula.

    Marks that stack up or turn the direction are dropped, what the font lacks becomes a box.
    """
    kept = [_drawable(character) for character in unicodedata.normalize("NFC", text)]
    return cut("".join(kept), width).replace("$", r"\$")


def cut(text: str, width: int) -> str:
    """Return text on one line, at most `width` characters.

    The middle gives way to an ellipsis, since names often differ at their ends.
    """
    line = " ".join(text.split())
    if len(line) > width:
        tail = (width - 1) // 3
        line = f"{line[: width - 1 - tail]}…{line[len(line) - tail :]}"
    return line


def names(texts: Sequence[str], width: int) -> list[str]:
    """Shorten class names to the breadth of `width` letters.

    Those that became the same, blank or mostly boxes get their number.
    """
    short = [_narrow(text, width) for text in texts]
    counts = Counter(short)
    return [
        f"{_narrow(text, width - 4)} #{number}".strip()
        if not name or counts[name] > 1 or 2 * name.count(_BOX) > len(name)
        else name
        for number, (text, name) in enumerate(zip(texts, short, strict=True))
    ]


def _narrow(text: str, width: int) -> str:
    letters = width
    while sum(map(_advance, shorten(text, letters))) > _LETTER * width:
        letters -= 1
    return shorten(text, letters)


def _drawable(character: str) -> str:
    kind = unicodedata.category(character)
    if kind in {"Mn", "Me", "Cf"}:
        return ""
    if kind.startswith(("C", "Z")):
        return " "
    return character if ord(character) in _glyphs() else _BOX


@cache
def _glyphs() -> frozenset[int]:
    return frozenset(_font().get_charmap())


def _font() -> FT2Font:
    return font_manager.get_font(font_manager.findfont(_FONT))


def on_dark(share: float) -> str:
    """Return a text colour for a heat cell that is `share` of the way to the darkest."""
    return "white" if share > 0.65 else INK


def jitter(num: int, width: float) -> Numbers:
    """Return `num` offsets in ±width/2, evenly mixed and always the same."""
    golden = 0.6180339887498949
    return np.asarray(((np.arange(num) * golden + 0.5) % 1 - 0.5) * width)
