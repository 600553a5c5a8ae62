"""The best trials, each retrained: the best is the run's model, the others stand beside it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from made_trained import nas, refused, trained_run
from nas_cifar10.report.gather import gather
from nas_cifar10.report.summary import summary
from nas_cifar10.retrain import train
from nas_cifar10.runs.files import read_csv, read_json
from nas_cifar10.runs.folder import RunFolder
from nas_cifar10.segment import Failed, Segment, Trained, train_segment

FEW = (
    "search.trials=3",
    "search.cohort=3",
    "search.schedule.name=none",
    "retrain.epochs=2",
    "space.channels=[4, 6, 8]",
    "space.training.learning_rate=0.01",
)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Return a run of three complete trials, all of them retrained."""
    run = trained_run(tmp_path_factory.mktemp("done"), *FEW)
    result = nas("retrain", "--run", run.root, "--top-k", 3)
    assert result.exit_code == 0, result.output
    return run


def order(run: RunFolder) -> list[int]:
    """Return the complete trials by validation accuracy, of equals the first."""
    rows = [row for row in read_csv(run.trials) if row["state"] == "complete"]
    ranked = sorted(rows, key=lambda row: (-float(row["validation_accuracy"]), int(row["trial"])))
    return [int(row["trial"]) for row in ranked]


def test_the_best_stays_the_runs_model_and_the_others_have_folders(done: RunFolder) -> None:
    best, *others = order(done)
    assert len(others) == 2
    assert read_json(done.retrain.metrics)["trial"] == best
    assert {path.name for path in done.retrain.root.iterdir() if path.is_dir()} == {
        f"trial-{number}" for number in (best, *others)
    }
    copied = list(done.retrain.trial(best).root.iterdir())
    assert {path.name for path in copied} >= {"model.pt", "model.json", "metrics.json"}
    for path in copied:
        assert path.read_bytes() == (done.retrain.root / path.name).read_bytes()
    names = {path.name for path in vars(done.retrain).values()} - {"retrain", "top.json"}
    names -= {"summary.json", "model.onnx", "model.pt2"}
    for number in others:
        folder = done.retrain.trial(number)
        assert {path.name for path in folder.root.iterdir()} == names
        assert read_json(folder.metrics)["trial"] == number


def test_the_summary_of_them_is_in_the_order_of_the_search(done: RunFolder) -> None:
    found = read_json(done.retrain.top)
    assert (found["objective"], found["part"]) == ("accuracy", "test")
    assert [row["trial"] for row in found["trials"]] == order(done)
    searched = {row["trial"]: row for row in read_csv(done.trials)}
    for row in found["trials"]:
        metrics = read_json(done.root / row["folder"] / "metrics.json")
        trial = searched[str(row["trial"])]
        assert row["accuracy"] == metrics["test"]["accuracy"]
        assert row["accuracy_ci95"] == metrics["test"]["accuracy_ci95"]
        assert row["validation_accuracy"] == row["reached"] == float(trial["validation_accuracy"])
        assert (row["parameters"], row["macs"]) == (metrics["parameters"], metrics["macs"])
        assert row["seeds"] is None


def test_a_trial_beside_the_best_is_the_one_that_trial_n_retrains(
    done: RunFolder, tmp_path: Path
) -> None:
    run = trained_run(tmp_path, *FEW)
    for number in order(done)[1:]:
        assert nas("retrain", "--run", run.root, "--trial", number).exit_code == 0
        alone, beside = run.retrain, done.retrain.trial(number)
        assert alone.model.read_bytes() == beside.model.read_bytes()
        assert read_json(alone.metrics)["test"] == read_json(beside.metrics)["test"]


def test_page_and_table_show_them_and_say_what_chose(done: RunFolder) -> None:
    assert nas("report", "--run", done.root).exit_code == 0
    rows = read_json(done.retrain.top)["trials"]
    text = done.page.read_text(encoding="utf-8")
    body = text[text.index('<table id="top"') :].partition("</table>")[0]
    assert re.findall(r'<th scope="row">(\d+)</th>', body) == [str(row["trial"]) for row in rows]
    for row in rows:
        assert f"<td>{100 * row['accuracy']:.1f} %</td>" in body
    assert "the highest test accuracy of several flatters itself" in text
    told = dict(summary(gather(done)))["best 3, test accuracy"]
    said = ", ".join(f"trial {row['trial']} {row['accuracy']:.3f}" for row in rows)
    assert told == f"{said}; best on validation first"


def timeless(run: RunFolder) -> list[Any]:
    """Return what the retrains of a run came to."""
    folders = [run.retrain, *run.retrain.nested()]
    tables = [read_json(folder.metrics) | {"seconds": 0} for folder in folders]
    models = [folder.model.read_bytes() for folder in folders]
    return [*models, *tables, read_json(run.retrain.top)]


def test_a_stopped_one_goes_on_and_gives_the_same(done: RunFolder, tmp_path: Path) -> None:
    run = trained_run(tmp_path, *FEW)
    words = ("retrain", "--run", run.root, "--top-k", 3)
    assert nas(*words, "--set", "retrain.epochs=1").exit_code == 0
    third = run.retrain.trial(order(run)[2])
    third.checkpoint.unlink()
    assert nas(*words, "--resume").exit_code == 0
    assert timeless(run) == timeless(done)


def test_seeds_and_trials_combine(tmp_path: Path) -> None:
    run = trained_run(tmp_path, *FEW, "retrain.epochs=1")
    words = ("--set", "retrain.seeds=2", "--set", "retrain.epochs=1")
    assert nas("retrain", "--run", run.root, "--top-k", 2, *words).exit_code == 0
    second = run.retrain.trial(order(run)[1])
    for folder, row in zip(
        (run.retrain, second), read_json(run.retrain.top)["trials"], strict=True
    ):
        values = [read_json(folder.seed(n).metrics)["test"]["accuracy"] for n in (0, 1)]
        assert (row["seeds"]["n"], row["seeds"]["values"]) == (2, values)
    assert nas("report", "--run", run.root).exit_code == 0
    assert nas("retrain", "--run", run.root, "--set", "retrain.epochs=1").exit_code == 0
    assert not run.retrain.top.exists()
    assert not any(folder.metrics.exists() for folder in run.retrain.nested())
    run.clear()
    assert not run.retrain.root.exists()


def test_fewer_than_asked_for_are_said_in_one_line(tmp_path: Path) -> None:
    run = trained_run(tmp_path, *FEW, "retrain.epochs=1")
    words = ("--top-k", 9, "--json", "--set", "retrain.epochs=1")
    result = nas("retrain", "--run", run.root, *words)
    assert result.exit_code == 0
    notes = [line for line in result.stderr.splitlines() if line.startswith("note:")]
    few = "note: --top-k 9: of the trials of the study, 3 completed; no other is retrained"
    assert notes == [few]
    assert json.loads(result.stdout)["trial"] == order(run)[0]


def test_the_test_set_stays_unread_for_all_of_them(tmp_path: Path) -> None:
    run = trained_run(tmp_path, *FEW, "retrain.epochs=1")
    unread = ("--set", "retrain.test=false", "--set", "retrain.monitor=none")
    assert nas("retrain", "--run", run.root, "--top-k", 2, *unread).exit_code == 0
    found = read_json(run.retrain.top)
    assert found["part"] is None
    assert [row["accuracy"] for row in found["trials"]] == [None, None]
    assert nas("report", "--run", run.root).exit_code == 0


def test_what_contradicts_itself_is_refused(done: RunFolder) -> None:
    both = refused(2, "retrain", "--run", done.root, "--trial", 0, "--top-k", 2)
    assert both == "--trial and --top-k: name one of the two\n"
    for number in (0, -1):
        said = refused(2, "retrain", "--run", done.root, "--top-k", number)
        assert said == f"--top-k: must be at least 1, got {number}\n"


@pytest.mark.parametrize("name", ["seed-1", "trial-0", "trial-1/seed-2"])
def test_a_link_in_place_of_a_folder_is_refused(tmp_path: Path, name: str) -> None:
    outside, run = tmp_path / "outside", trained_run(tmp_path, *FEW, "retrain.epochs=1")
    outside.mkdir()
    link = run.retrain.root / name
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(outside)
    said = refused(73, "retrain", "--run", run.root, "--top-k", 2, "--set", "retrain.seeds=3")
    assert f"{name}: is a link" in said
    assert list(outside.iterdir()) == []


def test_one_that_fails_keeps_none_of_the_others_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained_run(tmp_path, *FEW, "retrain.epochs=1")
    best, second, third = order(run)

    def fails(segment: Segment, *rest: Any) -> Trained | Failed:
        return Failed("diverged") if segment.trial == second else train_segment(segment, *rest)

    monkeypatch.setattr(train, "train_segment", fails)
    said = refused(1, "retrain", "--run", run.root, "--top-k", 3)
    assert f"retrain of trial {second} failed: diverged" in said
    found = read_json(run.retrain.top)["trials"]
    assert [row["trial"] for row in found] == [best, third]
    assert "unfinished" in nas("report", "--run", run.root).stdout
    monkeypatch.undo()
    resumed = nas("retrain", "--run", run.root, "--resume", "--set", "retrain.views=flip")
    assert resumed.exit_code == 0, resumed.output
    found = read_json(run.retrain.top)["trials"]
    assert [row["trial"] for row in found] == [best, second, third]


def test_one_that_fails_when_it_is_trained_on_is_not_compared_by_its_older_measurement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained_run(tmp_path, *FEW, "retrain.epochs=1")
    best, second, third = order(run)
    words = ("retrain", "--run", run.root, "--top-k", 3)
    assert nas(*words).exit_code == 0

    def fails(segment: Segment, *rest: Any) -> Trained | Failed:
        return Failed("diverged") if segment.trial == second else train_segment(segment, *rest)

    monkeypatch.setattr(train, "train_segment", fails)
    refused(1, *words, "--resume", "--set", "retrain.epochs=2")
    assert read_json(run.retrain.trial(second).metrics)["epochs"] == 1
    assert [row["trial"] for row in read_json(run.retrain.top)["trials"]] == [best, third]


def test_what_stood_beside_a_model_that_goes_goes_with_it(tmp_path: Path) -> None:
    run = trained_run(tmp_path, *FEW)
    words = ["retrain", "--run", run.root, "--top-k", 2, "--set", "retrain.epochs=1"]
    assert nas(*words).exit_code == 0
    stale = run.retrain.trial(99)
    stale.root.mkdir()
    stale.metrics.write_text("{}")
    beside = run.retrain.trial(order(run)[1])
    before = beside.checkpoint.stat().st_mtime_ns
    content = run.retrain.checkpoint.read_bytes()
    run.retrain.checkpoint.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    result = nas(*words, "--resume")
    assert "starts over" in result.stderr
    assert not stale.metrics.exists()
    kept = beside.checkpoint.stat().st_mtime_ns
    assert kept == before, "it is one of those that were asked for, and not trained again"
