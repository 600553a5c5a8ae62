"""A run folder's files as facts, each checked as it is read; draws nothing, writes nothing."""

import csv
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pydantic import TypeAdapter

from nas_cifar10.config.load import load_config
from nas_cifar10.data.album import reduced
from nas_cifar10.described import Data
from nas_cifar10.errors import BadDataError, MissingInputError, UnreadableError
from nas_cifar10.report.facts import Facts
from nas_cifar10.report.parts import (
    Curve,
    Environment,
    History,
    Measured,
    Metrics,
    Model,
    Predictions,
    Samples,
    Search,
    Seeds,
    Shown,
    Trial,
    finite_or_nan,
)
from nas_cifar10.report.parts_top import Top
from nas_cifar10.runs.asked import Asked
from nas_cifar10.runs.files import read_csv, read_json
from nas_cifar10.runs.folder import RunFolder
from nas_cifar10.runs.lock import is_held
from nas_cifar10.runs.reading import read_packed, why
from nas_cifar10.space.search_space import Dimension, SearchSpace, as_number, ends_of, numeric

Part = TypeVar("Part")
Row = dict[str, str]

_COLUMNS = ("state", "reason", "kind", "validation_accuracy", "epochs", "parameters", "macs")
_OF_SOME = ("latency_ms", "pareto")  # searches
_OTHER = {"trial", "fingerprint", "worker", "validation_macro_f1", *_COLUMNS, *_OF_SOME}
_CLOCK = ("_seconds", "_at", "_ms")

# What reading a file raises when it holds something else than it should.
_DAMAGE = (
    ValueError,
    KeyError,
    TypeError,
    IndexError,
    EOFError,
    OSError,
    RuntimeError,
    OverflowError,
    MemoryError,
    csv.Error,
    zipfile.BadZipFile,
    zlib.error,
)


def gather(run: RunFolder) -> Facts:
    """Read what the run has written so far.

    Raises:
        BadDataError: a file is there and does not hold what it should.
    """
    config = _part(run.config, load_config)
    objective = f"validation_{config.search.score if config else 'accuracy'}"
    dimensions = SearchSpace.from_config(config.space).dimensions if config else {}
    costs = config.search.costs if config else ()
    samples, at_work = _part(run.pictures, _samples), is_held(run)
    stopped = run.searched_here and not at_work

    def trials_of(path: Path) -> tuple[Trial, ...]:
        return _as_they_stand(_trials(path, objective, dimensions), stopped=stopped)

    return Facts(
        folder=run.root,
        config=config,
        environment=_part(run.environment, lambda path: _json(path, Environment)),
        data=_part(run.data, lambda path: _json(path, Data)),
        samples=samples,
        search=_part(run.search, lambda path: _json(path, Search)),
        trials=_part(run.trials, lambda path: _priced(trials_of(path), costs)),
        curves=_part(run.curves, lambda path: _curves(path, objective)),
        history=_part(run.retrain.history, _history),
        metrics=_part(run.retrain.metrics, _metrics),
        model=_part(run.retrain.description, lambda path: _json(path, Model)),
        predictions=_part(run.retrain.predictions, _predictions),
        shown=_part(run.pictures, lambda path: _alike(_shown(path), samples)),
        seeds=_part(run.retrain.summary, lambda path: _json(path, Seeds)),
        top=_part(run.retrain.top, lambda path: _json(path, Top)),
        asked=_part(run.asked, lambda path: _json(path, Asked)),
        at_work=at_work,
    )


def _part(path: Path, read: Callable[[Path], Part]) -> Part | None:
    try:
        return read(path)
    except MissingInputError:
        return None
    except UnreadableError:  # nobody is to remove it
        raise
    except _DAMAGE as error:
        raise BadDataError(
            f"{path}: is damaged: {why(error).removeprefix(f'{path}:').strip()}; "
            f"remove it to report without it"
        ) from error


def _json(path: Path, kind: type[Part]) -> Part:
    return TypeAdapter(kind).validate_python(read_json(path))


def _metrics(path: Path) -> Metrics:
    values = read_json(path)
    part = next((name for name in ("test", "validation") if name in values), None)
    measured = _measured(values, part) if part else None
    return TypeAdapter(Metrics).validate_python({**values, "measured": measured})


def _measured(values: Mapping[str, Any], part: str) -> Measured:
    found = {
        "part": part,
        "scores": values[part],
        "per_class": values.get("per_class") or {},
        "confusion_matrix": values.get("confusion_matrix") or (),
    }
    return TypeAdapter(Measured).validate_python(found)


def _table(path: Path) -> list[Row]:
    rows = read_csv(path)
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise ValueError(f"line {number} does not have one cell a column")
    return rows


def _trials(path: Path, objective: str, dimensions: Mapping[str, Dimension]) -> tuple[Trial, ...]:
    read = TypeAdapter(Trial)
    trials = [read.validate_python(_trial(row, objective, dimensions)) for row in _table(path)]
    for trial in trials:
        for name, value in trial.values.items():
            known = ends_of(numeric(dimensions[name])) if name in dimensions else (value,)
            ends = [float(end) for end in known]
            if not min(ends) <= value <= max(ends):
                raise ValueError(f"trial {trial.number}: {name} {value:g} is not in the space")
    return tuple(sorted(trials, key=lambda trial: trial.number))


def _as_they_stand(trials: tuple[Trial, ...], *, stopped: bool) -> tuple[Trial, ...]:
    """Return the trials; what a search that stopped left as running is interrupted."""
    return tuple(
        replace(t, state="interrupted") if stopped and t.state == "running" else t for t in trials
    )


def _priced(trials: tuple[Trial, ...], costs: tuple[str, ...]) -> tuple[Trial, ...]:
    """Check that what is complete has the costs that were minimised."""
    for trial in trials:
        for cost in costs if trial.state == "complete" else ():
            if getattr(trial, cost) is None:
                raise ValueError(f"trial {trial.number}: {cost} is missing")
    return trials


def _trial(row: Row, objective: str, dimensions: Mapping[str, Dimension]) -> dict[str, Any]:
    given = {key: row[key] or None for key in _COLUMNS}
    searched = [key for key in row if key not in _OTHER and not key.endswith(_CLOCK)]
    return {
        **given,
        **{key: row[key] for key in _OF_SOME if row.get(key)},
        "number": row["trial"],
        "reason": row["reason"],
        "objective": row[objective] or None,
        "values": {
            key: as_number(dimensions[key], row[key]) if key in dimensions else row[key]
            for key in searched
            if row[key]
        },
    }


def _curves(path: Path, objective: str) -> dict[int, Curve]:
    rows: dict[int, list[Row]] = {}
    for row in _table(path):
        rows.setdefault(int(row["trial"]), []).append(row)
    return {trial: _curve(part, objective) for trial, part in rows.items()}


def _curve(rows: list[Row], objective: str) -> Curve:
    epochs, values = _epochs(rows), _column(rows, objective)
    if ((values < 0) | (values > 1)).any() or (epochs < 1).any():
        raise ValueError(
            f"trial {rows[0]['trial']}: {objective} is no share, or an epoch is below 1"
        )
    order = np.argsort(epochs, kind="stable")
    return Curve(epochs[order], values[order])


def _history(path: Path) -> History:
    rows = _table(path)
    names = [key for key in (rows[0] if rows else ()) if key not in {"epoch", "epoch_seconds"}]
    monitors = [part for part in ("test", "validation") if f"{part}_loss" in names]
    parts = ["train", *monitors]
    wanted = [f"{part}_{score}" for part in parts for score in ("loss", "accuracy", "auc")]
    series = {name: _column(rows, name) for name in wanted}
    for name, values in series.items():
        if not name.endswith("loss") and ((values < 0) | (values > 1)).any():
            raise ValueError(f"{name} is no share")
    return History(_epochs(rows), monitors[0] if monitors else None, series)


def _epochs(rows: Iterable[Mapping[str, str]]) -> Any:
    return np.array([int(row["epoch"]) for row in rows], dtype=np.int64)


def _column(rows: Iterable[Mapping[str, str]], name: str) -> Any:
    return finite_or_nan([float(row[name] or "nan") for row in rows])


def _arrays(path: Path, *names: str) -> list[Any]:
    """Read arrays of these names; nothing else in the file is looked at, and no code is run."""
    with np.load(read_packed(path), allow_pickle=False) as arrays:
        if not set(names) & set(arrays.files):
            raise MissingInputError(f"{path}: holds no {names[0]}")
        return [arrays[name] for name in names]


def _samples(path: Path) -> Samples:
    images, labels = _arrays(path, "sample_images", "sample_labels")
    return Samples(*_pictures(images, labels))


def _shown(path: Path) -> Shown:
    images, rows = _arrays(path, "shown_images", "shown_rows")
    return Shown(*_pictures(images, rows))


def _alike(shown: Shown, samples: Samples | None) -> Shown:
    """Check that all pictures are of one size: they share a sheet."""
    if samples is not None:
        sizes = [reduced(part.images[:1]).shape[1:3] for part in (shown, samples)]
        if sizes[0] != sizes[1]:
            raise ValueError("shown and sample pictures of sizes {} and {}".format(*sizes))
    return shown


def _pictures(images: Any, numbers: Any) -> tuple[Any, Any]:
    fits = images.ndim == 4 and images.shape[3] in (1, 3) and images.dtype == np.uint8
    fits = fits and min(images.shape[1:]) > 0
    if not fits or numbers.shape != images.shape[:1] or numbers.dtype.kind not in "iu":
        raise ValueError(f"{images.dtype} pictures {images.shape} with numbers {numbers.shape}")
    if (numbers < 0).any():
        raise ValueError("a picture's class or row is below 0")
    return images, numbers.astype(np.int64)


def _predictions(path: Path) -> Predictions:
    found, labels, names = _arrays(path, "probabilities", "labels", "class_names")
    probabilities = found.astype(np.float64)
    if found.ndim != 2 or labels.shape != found.shape[:1] or names.shape != found.shape[1:]:
        raise ValueError(f"probabilities {found.shape}, labels {labels.shape}, names {names.shape}")
    if not (probabilities >= 0).all() or not (abs(probabilities.sum(axis=1) - 1) < 1e-3).all():
        raise ValueError("probabilities do not sum to one")
    if labels.dtype.kind not in "iu" or ((labels < 0) | (labels >= len(names))).any():
        raise ValueError("labels are not positions in class_names")
    rows = probabilities / probabilities.sum(axis=1, keepdims=True)
    return Predictions(rows, labels.astype(np.int64), tuple(map(str, names)))
