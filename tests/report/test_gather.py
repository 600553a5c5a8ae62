"""What is read from a run folder is what stands there, and a damaged file is named."""

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nas_cifar10.errors import BadDataError
from nas_cifar10.report.gather import gather
from nas_cifar10.runs.files import read_csv, read_json, write_csv, write_json
from nas_cifar10.runs.folder import RunFolder

Make = Callable[..., RunFolder]

FILES = {
    "config": "config.yaml",
    "environment": "environment.json",
    "data": "data.json",
    "samples": "pictures.npz",
    "search": "search.json",
    "trials": "trials.csv",
    "curves": "curves.csv",
    "history": "retrain/history.csv",
    "metrics": "retrain/metrics.json",
}


def change(path: Path, row: int, **cells: str) -> None:
    rows = read_csv(path)
    rows[row] |= cells
    write_csv(path, list(rows[0]), rows)


def test_a_finished_run_is_read_whole(run: RunFolder) -> None:
    facts = gather(run)
    assert all(getattr(facts, part) is not None for part in FILES)
    assert facts.name == "default"
    assert facts.num_requested == 10
    assert len(facts.complete) == 4


def test_trials_are_typed_and_a_blank_is_none(run: RunFolder) -> None:
    change(run.trials, 0, state="failed", reason="loss is nan", validation_accuracy="")
    trials = gather(run).trials
    assert trials is not None
    failed, second = trials[:2]
    assert (failed.state, failed.reason, failed.validation_accuracy) == (
        "failed",
        "loss is nan",
        None,
    )
    assert (second.number, second.kind, second.parameters) == (1, "random", 154_506)
    assert isinstance(second.objective, float)


def test_values_of_unused_blocks_are_absent(run: RunFolder) -> None:
    facts = gather(run)
    for trial in facts.trials or ():
        depth = int(trial.values["depth"])
        assert {f"block{n}.channels" in trial.values for n in range(1, depth + 1)} == {True}
        assert f"block{depth + 1}.channels" not in trial.values
        assert trial.values.keys() <= facts.dimensions.keys()


def test_clock_and_worker_columns_are_no_searched_values(run: RunFolder) -> None:
    trials = gather(run).trials
    assert trials is not None
    names = {name for trial in trials for name in trial.values}
    assert not names & {"worker", "train_seconds", "started_at", "fingerprint", "reason"}


def test_best_so_far_is_a_running_maximum_over_complete_trials(make_run: Make) -> None:
    facts = gather(make_run(states=("complete", "pruned") * 50))
    steps = dict(facts.best_so_far())
    values = [trial.objective or 0 for trial in facts.complete]
    running = itertools.accumulate(values, max)
    found = 0.0
    for trial, expected in zip(facts.complete, running, strict=True):
        found = steps.get(trial.number, found)
        assert found == expected


def test_of_equal_trials_the_first_is_the_best(run: RunFolder) -> None:
    for row in (1, 3, 6, 8):
        change(run.trials, row, validation_accuracy="0.7")
    best = gather(run).best
    assert best is not None
    assert best.number == 1


def test_the_best_is_the_one_search_json_names(run: RunFolder) -> None:
    facts = gather(run)
    assert facts.search is not None
    assert facts.search.best is not None
    assert facts.best is not None
    assert facts.best.number == facts.search.best.trial


def test_with_macro_f1_that_is_what_is_compared(make_run: Make) -> None:
    run = make_run(objective="macro_f1")
    change(run.trials, 8, validation_macro_f1="0.99", validation_accuracy="0.1")
    facts = gather(run)
    assert facts.objective == "macro F1"
    assert facts.best is not None
    assert (facts.best.number, facts.best.objective) == (8, 0.99)
    assert facts.best.validation_accuracy == 0.1
    assert facts.curves is not None
    rows = [float(row["validation_macro_f1"]) for row in read_csv(run.curves)]
    assert [v for curve in facts.curves.values() for v in curve.values] == rows


def test_curves_stand_by_trial_and_epoch(run: RunFolder) -> None:
    curves, trials = gather(run).curves, gather(run).trials
    assert curves is not None
    assert trials is not None
    for trial in trials:
        curve = curves[trial.number]
        assert curve.epochs.tolist() == list(range(1, trial.epochs + 1))
        assert curve.values[-1] == trial.objective


def test_an_infinite_loss_becomes_a_gap(run: RunFolder) -> None:
    change(run.retrain.history, 2, train_loss="inf", test_auc="")
    history = gather(run).history
    assert history is not None
    assert np.flatnonzero(np.isnan(history.series["train_loss"])).tolist() == [2]
    assert np.flatnonzero(np.isnan(history.series["test_auc"])).tolist() == [2]


@pytest.mark.parametrize("monitor", ["test", "validation", None])
def test_the_history_knows_what_was_watched(make_run: Make, monitor: str | None) -> None:
    history = gather(make_run(monitor=monitor or "none")).history
    assert history is not None
    assert history.monitor == monitor
    assert {name.partition("_")[0] for name in history.series} == {"train", monitor or "train"}


@pytest.mark.parametrize(
    ("test", "monitor", "part"),
    [
        (True, "test", "test"),
        (True, "none", "test"),
        (False, "validation", "validation"),
        (False, "none", None),
    ],
)
def test_metrics_know_which_part_was_measured(
    make_run: Make, test: bool, monitor: str, part: str | None
) -> None:
    metrics = gather(make_run(test=test, monitor=monitor)).metrics
    assert metrics is not None
    assert (metrics.measured is None) == (part is None)
    assert metrics.measured is None or metrics.measured.part == part


@pytest.mark.parametrize("part", FILES)
def test_a_missing_file_is_a_missing_part_and_no_more(run: RunFolder, part: str) -> None:
    (run.root / FILES[part]).unlink()
    facts = gather(run)
    assert [name for name in FILES if getattr(facts, name) is None] == [part]


def test_an_absent_folder_holds_nothing(tmp_path: Path) -> None:
    facts = gather(RunFolder(tmp_path / "absent"))
    assert all(getattr(facts, part) is None for part in FILES)
    assert (facts.name, facts.best, facts.best_so_far(), facts.complete) == (
        "absent",
        None,
        [],
        (),
    )


def test_while_the_search_runs_the_config_says_how_many_trials(run: RunFolder) -> None:
    run.search.unlink()
    assert gather(run).num_requested == 10


def damage(run: RunFolder, file: str, kind: str) -> None:
    path = run.root / file
    content = path.read_bytes()
    damages = {
        # Not one half: a config's second half may hold nothing that must be there.
        "half": content[: len(content) // 3].rstrip(b"0123456789."),
        "noise": b"\xff\x00\xfe" * 40,
        "list": b"[1, 2]\n",
        "keys": b'{"a": 1}\n',
        "deep": b"[" * 100_000,
    }
    path.write_bytes(damages[kind])


DAMAGES = [
    (file, kind)
    for file in FILES.values()
    for kind in ("half", "noise", "list", "keys", "deep")
    if not file.endswith("csv") and (file, kind) != ("environment.json", "keys")
]


@pytest.mark.parametrize(("file", "kind"), DAMAGES)
def test_a_damaged_file_is_named_in_one_line(run: RunFolder, file: str, kind: str) -> None:
    damage(run, file, kind)
    with pytest.raises(BadDataError) as caught:
        gather(run)
    assert str(run.root / file) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 65


@pytest.mark.parametrize(
    ("file", "cells", "why"),
    [
        ("trials.csv", {"state": "sleeping"}, "state"),
        ("trials.csv", {"kind": "guess"}, "kind"),
        ("trials.csv", {"validation_accuracy": "inf"}, "validation_accuracy"),
        ("trials.csv", {"validation_accuracy": "1.2"}, "validation_accuracy"),
        ("trials.csv", {"parameters": "many"}, "parameters"),
        ("trials.csv", {"depth": "deep"}, "depth"),
        ("trials.csv", {"depth": "1e300"}, "depth 1e+300 is not in the space"),
        ("trials.csv", {"training.learning_rate": "0"}, "learning_rate 0 is not in the space"),
        ("curves.csv", {"epoch": "1.5"}, "1.5"),
        ("curves.csv", {"epoch": "0"}, "epoch is below 1"),
        ("curves.csv", {"validation_accuracy": "1e300"}, "is no share"),
        ("curves.csv", {"validation_accuracy": "high"}, "high"),
        ("retrain/history.csv", {"test_accuracy": "?"}, "?"),
        ("retrain/history.csv", {"train_auc": "-1"}, "train_auc is no share"),
    ],
)
def test_a_damaged_cell_is_named(
    run: RunFolder, file: str, cells: dict[str, str], why: str
) -> None:
    change(run.root / file, 1, **cells)
    with pytest.raises(BadDataError) as caught:
        gather(run)
    assert file in str(caught.value)
    assert why in str(caught.value)


def test_a_row_of_the_wrong_length_names_its_line(run: RunFolder) -> None:
    with run.trials.open("a", encoding="utf-8") as file:
        file.write("10,complete\n")
    with pytest.raises(BadDataError, match="line 12"):
        gather(run)


def test_a_missing_column_is_named(run: RunFolder) -> None:
    rows = read_csv(run.curves)
    write_csv(run.curves, ["trial", "epoch"], [{k: r[k] for k in ("trial", "epoch")} for r in rows])
    with pytest.raises(BadDataError, match="validation_accuracy"):
        gather(run)


@pytest.mark.parametrize(
    ("file", "keys", "value", "why"),
    [
        ("data.json", ("pictures", "train"), {}, "pictures.train"),
        ("data.json", ("totals", "test"), -1, "totals.test"),
        ("search.json", ("trials", "complete"), "four", "trials.complete"),
        ("search.json", ("best", "candidate"), {}, "candidate"),
        ("search.json", ("importances", "depth"), None, "importances.depth"),
        ("search.json", ("network", 0, "shape"), [0, 2, 2], "a side below 1"),
        ("search.json", ("network", 0, "parameters"), "many", "network.0.parameters"),
        ("retrain/metrics.json", ("test", "accuracy"), 1.5, "accuracy"),
        ("retrain/metrics.json", ("confusion_matrix",), [[1, 2]], "same classes"),
        ("retrain/metrics.json", ("per_class",), None, "same classes"),
    ],
)
def test_a_value_that_cannot_be_is_named(
    run: RunFolder, file: str, keys: tuple[str | int, ...], value: object, why: str
) -> None:
    whole = read_json(run.root / file)
    place = whole
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    write_json(run.root / file, whole)
    with pytest.raises(BadDataError) as caught:
        gather(run)
    assert why in str(caught.value)


@pytest.mark.parametrize(
    "arrays",
    [
        {"sample_images": np.zeros((2, 8, 8, 1), np.uint8)},
        {
            "sample_images": np.zeros((2, 8, 8, 1), np.uint8),
            "sample_labels": np.zeros(3, np.int64),
        },
        {"sample_images": np.zeros((2, 8, 8, 4), np.uint8), "sample_labels": np.zeros(2, np.int64)},
        {"sample_images": np.zeros((2, 8, 8, 1)), "sample_labels": np.zeros(2, np.int64)},
        {"sample_images": np.array([{"pickled": 1}]), "sample_labels": np.zeros(1, np.int64)},
        {"sample_images": np.zeros((2, 0, 8, 1), np.uint8), "sample_labels": np.zeros(2, np.int64)},
        {"sample_images": np.zeros((2, 8, 8, 1), np.uint8), "sample_labels": np.array([1, -11])},
        {
            "sample_images": np.zeros((2, 8, 8, 1), np.uint8),
            "sample_labels": np.zeros(2, np.int64),
            "shown_images": np.zeros((2, 8, 9, 1), np.uint8),
            "shown_rows": np.zeros(2, np.int64),
        },
    ],
    ids=[
        *("no labels", "too many labels", "four channels", "floats", "pickled"),
        *("no side", "below the first class", "of two sizes"),
    ],
)
def test_pictures_of_another_kind_are_refused(
    run: RunFolder, arrays: dict[str, "np.ndarray[tuple[int, ...], np.dtype[np.generic]]"]
) -> None:
    np.savez(run.pictures, **arrays)  # type: ignore[arg-type] # numpy's stub wants allow_pickle
    with pytest.raises(BadDataError, match=r"pictures\.npz: is damaged"):
        gather(run)
