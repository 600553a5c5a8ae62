"""Test-time views stand beside the plain numbers and change none of them."""

from pathlib import Path
from typing import Any

import pytest
from sklearn.metrics import accuracy_score, log_loss

from made_retrain import go, made_job
from made_trained import nas, trained_run
from nas_cifar10.data.multiview import VIEWS
from nas_cifar10.data.parts import Part
from nas_cifar10.model import over_views, read_model
from nas_cifar10.report.gather import gather
from nas_cifar10.report.summary import summary
from nas_cifar10.runs.files import read_json
from nas_cifar10.runs.folder import RetrainFolder


def plain(folder: RetrainFolder) -> dict[str, Any]:
    """Return all that views must not change."""
    metrics = read_json(folder.metrics) | {"seconds": 0}
    metrics.pop("test_views", None)
    files = (folder.model, folder.predictions, folder.checkpoint)
    return {path.name: path.read_bytes() for path in files[:2]} | {"metrics": metrics}


@pytest.mark.parametrize("views", VIEWS)
@pytest.mark.parametrize("part", ["test", "validation"])
def test_views_are_measured_on_the_measured_part_and_change_nothing_else(
    tmp_path: Path, views: str, part: str
) -> None:
    unread = ("retrain.monitor=validation", "retrain.test=false") if part == "validation" else ()
    without = made_job(tmp_path / "without", *unread)
    job = made_job(tmp_path / "with", f"retrain.views={views}", *unread)
    go(without)
    go(job)
    assert plain(job.folder) == plain(without.folder)
    assert "test_views" not in read_json(without.folder.metrics)
    found = read_json(job.folder.metrics)["test_views"]
    rows = getattr(job.data.split, part)
    network = read_model(job.folder).network
    said = over_views(network, Part(job.data.images, job.data.labels, rows), VIEWS[views])
    labels = job.data.labels[rows].numpy()
    assert (found["views"], found["number"], found["part"]) == (views, len(VIEWS[views]), part)
    assert found["accuracy"] == accuracy_score(labels, said.argmax(axis=1))
    doubles = said.astype(float) / said.astype(float).sum(axis=1, keepdims=True)
    assert found["loss"] == pytest.approx(log_loss(labels, doubles, labels=range(10)), abs=1e-9)
    low, high = found["accuracy_ci95"]
    assert low <= found["accuracy"] <= high


def test_nothing_is_measured_over_views_where_nothing_is_measured(tmp_path: Path) -> None:
    job = made_job(tmp_path, "retrain.views=flip", "retrain.test=false", "retrain.monitor=none")
    go(job)
    assert "test_views" not in read_json(job.folder.metrics)


def test_views_are_said_by_name_wherever_the_accuracy_is(tmp_path: Path) -> None:
    run = trained_run(tmp_path, "retrain.views=flip_translate", "retrain.seeds=2", drawn=True)
    metrics = read_json(run.retrain.metrics)
    found, name = metrics["test_views"], "mean of 6 views (flip translate)"
    assert f"| accuracy, {name} | {100 * found['accuracy']:.2f} %" in run.retrain.card.read_text()
    rows = dict(summary(gather(run)))
    assert rows[f"test accuracy, {name}"].startswith(f"{found['accuracy']:.3f} [")
    assert rows["test accuracy"].startswith(f"{metrics['test']['accuracy']:.3f} [")
    page = run.page.read_text(encoding="utf-8")
    told = f'accuracy, {name}</dt><dd data-fact="metrics.test_views.accuracy">'
    assert f"{told}{100 * found['accuracy']:.1f} %" in page
    spread = read_json(run.retrain.summary)["test_views_accuracy"]
    assert spread["values"][0] == found["accuracy"]


def test_views_may_be_asked_for_after_the_training(tmp_path: Path) -> None:
    run = trained_run(tmp_path)
    model = run.retrain.model.read_bytes()
    words = ("retrain", "--run", run.root, "--resume", "--set", "retrain.views=flip")
    assert nas(*words).exit_code == 0
    assert run.retrain.model.read_bytes() == model
    assert read_json(run.retrain.metrics)["test_views"]["views"] == "flip"
    assert read_json(run.retrain.description)["provenance"]["retrain"]["views"] == "flip"
