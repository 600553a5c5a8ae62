"""Which pictures the page shows where, all of them in one sheet; knows no page."""

from dataclasses import dataclass, field

import numpy as np

from nas_cifar10.data.album import MOST_A_CELL, MOST_MISTAKES, Bytes, reduced
from nas_cifar10.report.charts import plain
from nas_cifar10.report.evaluation import Answer, answers, surest_mistakes
from nas_cifar10.report.facts import Facts
from nas_cifar10.report.parts import Predictions, Shown
from nas_cifar10.report.sprites import Sheet, sheet
from nas_cifar10.text import rounded


@dataclass(frozen=True)
class Tile:
    """One picture of the sheet, by its place in the grid, and what is to be said of it."""

    column: int
    row: int
    text: str


@dataclass(frozen=True)
class Album:
    """All pictures of the page.

    Args:
        cells: By (true, predicted) class.
    """

    sheet: Sheet | None = None
    samples: tuple[Tile, ...] = ()
    mistakes: tuple[Tile, ...] = ()
    cells: dict[tuple[int, int], list[Tile]] = field(default_factory=dict)


def album(facts: Facts) -> Album:
    """Lay out the sample pictures, and the measured ones where the network was measured."""
    samples, shown, found = facts.samples, facts.shown, facts.predictions
    if shown is not None and (found is None or (shown.rows >= len(found.labels)).any()):
        shown = None  # of an earlier measurement
    groups = [part.images for part in (samples, shown) if part is not None and len(part.images)]
    if not groups:
        return Album()
    laid = sheet(np.concatenate([_colored(reduced(images)) for images in groups]))
    first = len(samples.images) if samples is not None else 0
    names = facts.data.class_names if facts.data else ()
    texts = [_name(names, int(label)) for label in samples.labels] if samples is not None else []
    tiles = tuple(_tile(laid, number, text) for number, text in enumerate(texts))
    if shown is None or found is None:
        return Album(laid, tiles)
    return Album(
        laid, tiles, _mistakes(laid, first, shown, found), _cells(laid, first, shown, found)
    )


def _colored(images: Bytes) -> Bytes:
    return np.broadcast_to(images, (*images.shape[:3], 3))


def _name(names: tuple[str, ...], label: int) -> str:
    return plain(names[label], 40) if label < len(names) else str(label)


def _tile(laid: Sheet, number: int, text: str) -> Tile:
    row, column = divmod(number, laid.columns)
    return Tile(column, row, text)


def _mistakes(laid: Sheet, first: int, shown: Shown, found: Predictions) -> tuple[Tile, ...]:
    places = {int(row): first + number for number, row in enumerate(shown.rows)}
    wrong = [a for a in surest_mistakes(found, MOST_MISTAKES) if a.row in places]
    return tuple(_tile(laid, places[a.row], _told(a, found.class_names)) for a in wrong)


def _told(answer: Answer, names: tuple[str, ...]) -> str:
    true, predicted = _name(names, answer.true), _name(names, answer.predicted)
    if answer.true == answer.predicted:
        return f"{true}, {rounded(answer.confidence)}"
    return f"{true}, taken for {predicted}, {rounded(answer.confidence)}"


def _cells(
    laid: Sheet, first: int, shown: Shown, found: Predictions
) -> dict[tuple[int, int], list[Tile]]:
    cells: dict[tuple[int, int], list[Tile]] = {}
    for number, answer in enumerate(answers(found, shown.rows), start=first):
        tile = _tile(laid, number, _told(answer, found.class_names))
        cells.setdefault((answer.true, answer.predicted), []).append(tile)
    return {cell: tiles[:MOST_A_CELL] for cell, tiles in cells.items()}
