"""The page's tables: trials, classes and confusions as rows of plain values; knows no HTML."""

import math
from typing import Any, TypeAlias

from nas_cifar10.report.captions import counted, proposed
from nas_cifar10.report.charts import plain
from nas_cifar10.report.facts import Facts
from nas_cifar10.report.figures_search import readable
from nas_cifar10.report.parts import Measured, Trial
from nas_cifar10.report.parts_top import Reached
from nas_cifar10.report.pictures import Album
from nas_cifar10.report.summary import candidate_of
from nas_cifar10.text import percent, rounded, short, three_digits

Cell: TypeAlias = tuple[str, float | str]  # what is shown, and what it is sorted by
Row: TypeAlias = dict[str, Any]

_MOST_ROWS = 500  # of the leaderboard
_MOST_CLASSES = 30  # whose confusion matrix is still a table
_MOST_PAIRS = 40
_SHORT_NAME = 3  # letters of a class that stand upright above a cell
_LAST: Cell = ("", "-Infinity")  # no value: below all others
_STRONG = 0.55  # depth of colour above which text on it has to be light


def leaderboard(facts: Facts) -> Row:
    """Return the columns and rows of the trials, the best first."""
    ranked = sorted(facts.trials or (), key=lambda trial: _rank(facts, trial))
    values = [name for name in facts.dimensions if name.startswith("training.")]
    columns = ["trial", facts.objective, "state", "proposed by", "epochs", "parameters", "MACs"]
    columns += ["latency (ms)"] if facts.is_timed else []
    columns += ["front"] if facts.costs else []
    return {
        "columns": [*columns, "network", *(readable(name) for name in values)],
        "rows": [_trial(facts, trial, values) for trial in ranked[:_MOST_ROWS]],
        "states": sorted({trial.state for trial in ranked[:_MOST_ROWS]}),
        "left_out": len(ranked[_MOST_ROWS:]),
        "best": facts.best.number if facts.best else None,
    }


def _rank(facts: Facts, trial: Trial) -> tuple[bool, tuple[float, ...]]:
    if trial.state == "complete" and trial.objective is not None:
        return False, facts.order(trial)
    return True, (1.0 if trial.objective is None else -trial.objective, trial.number)


def _trial(facts: Facts, trial: Trial, values: list[str]) -> Row:
    candidate = candidate_of(facts, trial)
    network = plain(str(candidate.architecture), 80) if candidate else ""
    reached = trial.objective
    cells: list[Cell] = [
        (str(trial.number), trial.number),
        _LAST if reached is None else (rounded(reached), reached),
        (trial.state, trial.state),
        (proposed(facts, trial.kind), trial.kind),
        (str(trial.epochs), trial.epochs),
        _LAST if trial.parameters is None else (f"{trial.parameters:,}", trial.parameters),
        _LAST if trial.macs is None else (short(trial.macs), trial.macs),
        *_more(facts, trial),
        (network, network),
    ]
    drawn = (trial.values.get(name) for name in values)
    cells += [_LAST if value is None else (three_digits(value), value) for value in drawn]
    return {"cells": cells, "state": trial.state, "reason": plain(trial.reason, 120)}


def _more(facts: Facts, trial: Trial) -> list[Cell]:
    """Return the cells of what only some searches look for."""
    time = trial.latency_ms
    latency: Cell = _LAST if time is None else (three_digits(time), time)
    front: Cell = ("yes", 1) if trial.pareto else ("", 0)
    return [*([latency] if facts.is_timed else []), *([front] if facts.costs else [])]


def top(facts: Facts) -> Row | None:
    """Return what the best trials came to when each was retrained, in the search's order."""
    if facts.top is None:
        return None
    trials = {trial.number: trial for trial in facts.trials or ()}
    rows = [_retrained(facts, found, trials.get(found.trial)) for found in facts.top.trials]
    searched = f"validation {facts.objective}, in the search"
    columns = ["trial", searched, f"{facts.top.part or 'test'} accuracy, retrained"]
    columns += ["95 % interval", "mean ± sd of the seeds", "parameters", "MACs", "network"]
    return {"columns": columns, "rows": rows}


def _retrained(facts: Facts, found: Reached, trial: Trial | None) -> list[str]:
    candidate = candidate_of(facts, trial) if trial else None
    low, high = (percent(end) for end in found.accuracy_ci95 or (0, 0))
    spread = found.seeds
    return [
        str(found.trial),
        percent(found.reached) if facts.objective == "accuracy" else rounded(found.reached),
        "" if found.accuracy is None else percent(found.accuracy),
        f"{low} to {high}" if found.accuracy_ci95 else "",
        f"{percent(spread.mean)} ± {100 * spread.sd:.1f}" if spread else "",
        f"{found.parameters:,}",
        short(found.macs),
        plain(str(candidate.architecture), 80) if candidate else "",
    ]


def classes(facts: Facts) -> list[Row]:
    """Return precision, recall, F1 and support of each class."""
    found = facts.measured.per_class if facts.measured else {}
    return [
        {
            "name": plain(name, 60),
            "scores": [(rounded(value), value) for value in (s.precision, s.recall, s.f1)],
            "support": s.support,
        }
        for name, s in found.items()
    ]


def confusion(facts: Facts, album: Album) -> Row | None:
    """Return the confusion matrix, where there are not too many classes, and its largest cells."""
    found = facts.measured
    if found is None:
        return None
    names = [plain(name, 24) for name in found.per_class]
    table: Row = {"names": names, "pairs": _pairs(found, names, album)}
    table["short"] = max(map(len, names)) <= _SHORT_NAME
    if len(names) <= _MOST_CLASSES:
        table["rows"] = [
            [_cell(count, sum(row), (true, said), names, album) for said, count in enumerate(row)]
            for true, row in enumerate(found.confusion_matrix)
        ]
    return table


def _cell(count: int, total: int, pair: tuple[int, int], names: list[str], album: Album) -> Row:
    depth = math.sqrt(count / total) if total else 0.0  # the root makes rare mistakes visible
    true, said = (names[i] for i in pair)
    told = f"{true}, answered right" if pair[0] == pair[1] else f"{true}, taken for {said}"
    return {
        "count": count,
        "depth": f"{depth:.3f}",
        "strong": depth > _STRONG,
        "told": f"{told}: {counted(count, 'picture')}",
        "tiles": [[tile.column, tile.row, tile.text] for tile in album.cells.get(pair, [])],
        "key": f"{pair[0]}-{pair[1]}",
    }


def _pairs(found: Measured, names: list[str], album: Album) -> list[Row]:
    """Return the most frequent mistakes, with their share of the true class."""
    wrong = [
        (count, true, said)
        for true, row in enumerate(found.confusion_matrix)
        for said, count in enumerate(row)
        if true != said and count
    ]
    wrong.sort(key=lambda pair: (-pair[0], *pair[1:]))
    return [
        {
            "true": names[true],
            "said": names[said],
            "count": count,
            "share": percent(count / sum(found.confusion_matrix[true])),
            "tiles": album.cells.get((true, said), []),
        }
        for count, true, said in wrong[:_MOST_PAIRS]
    ]
