"""The retrain: what it learns from, what it never looks at, and numbers that can be recomputed."""

import json
import math
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import (
    accuracy_score,
    classification_report,
    confusion_matrix,
    log_loss,
    roc_auc_score,
)

from made_retrain import go, made_job
from made_search import digits
from nas_cifar10.data.loader import batches
from nas_cifar10.data.parts import Part
from nas_cifar10.data.split import DataSet
from nas_cifar10.errors import BadDataError, NasError, TrainingFailedError
from nas_cifar10.model import probabilities, read_model
from nas_cifar10.networks.build import build
from nas_cifar10.retrain import measure, train
from nas_cifar10.retrain.job import Job
from nas_cifar10.runs.files import read_csv, read_json, write_atomic
from nas_cifar10.runs.folder import RetrainFolder
from nas_cifar10.segment import Failed
from nas_cifar10.space.candidate import Candidate
from nas_cifar10.training.checkpoint import weights


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """Return a retrain that ran to its end."""
    job = made_job(tmp_path_factory.mktemp("done"))
    go(job)
    return job


def predictions(job: Job) -> dict[str, Any]:
    with np.load(job.folder.predictions) as stored:
        return {name: stored[name] for name in stored.files}


def test_scikit_learn_finds_the_same_metrics_in_the_predictions(done: Job) -> None:
    found, stored = read_json(done.folder.metrics), predictions(done)
    labels, names = stored["labels"], list(stored["class_names"])
    doubles = stored["probabilities"].astype(np.float64)
    doubles /= doubles.sum(axis=1, keepdims=True)
    predicted = doubles.argmax(axis=1)
    report = classification_report(
        labels, predicted, target_names=names, output_dict=True, zero_division=0
    )
    test = found["test"]
    assert test["accuracy"] == accuracy_score(labels, predicted)
    assert test["loss"] == pytest.approx(log_loss(labels, doubles), abs=1e-12)
    area = roc_auc_score(labels, doubles, multi_class="ovr", average="macro")
    assert test["auc_ovr_macro"] == pytest.approx(area, abs=1e-12)
    for key, theirs in (("precision", "precision"), ("recall", "recall"), ("f1", "f1-score")):
        assert test[f"macro_{key}"] == pytest.approx(report["macro avg"][theirs], abs=1e-12)
        for name in names:
            assert found["per_class"][name][key] == pytest.approx(report[name][theirs], abs=1e-12)
    assert found["confusion_matrix"] == confusion_matrix(labels, predicted).tolist()
    assert sum(row["support"] for row in found["per_class"].values()) == len(labels)
    low, high = test["accuracy_ci95"]
    assert low < test["accuracy"] < high


def test_metrics_hold_what_the_design_names(done: Job) -> None:
    found = read_json(done.folder.metrics)
    assert list(found) == [
        "test",
        "per_class",
        "confusion_matrix",
        "train",
        "trial",
        "epochs",
        "parameters",
        "macs",
        "seconds",
    ]
    assert list(found["test"]) == [
        "accuracy",
        "accuracy_ci95",
        "majority_accuracy",
        "loss",
        "macro_precision",
        "macro_recall",
        "macro_f1",
        "auc_ovr_macro",
    ]
    assert list(found["train"]) == ["accuracy", "loss"]
    assert (found["trial"], found["epochs"]) == (0, 3)


def test_predictions_are_those_of_the_test_set(done: Job) -> None:
    stored = predictions(done)
    assert set(stored) == {"probabilities", "labels", "class_names"}
    assert stored["probabilities"].dtype == np.float32
    assert stored["labels"].dtype == np.int64
    expected = done.data.labels[done.data.split.test].numpy()
    assert np.array_equal(stored["labels"], expected)
    assert list(stored["class_names"]) == list("0123456789")


def test_the_model_rebuilt_from_its_files_alone_predicts_the_same_bits(done: Job) -> None:
    described = json.loads(done.folder.description.read_text())
    state = torch.load(done.folder.model, weights_only=True)
    candidate = Candidate.from_json({"architecture": described["architecture"]})
    channels, height, width = described["picture_shape"]
    network = build(candidate.architecture, (channels, height, width), 10)
    network.load_state_dict(state)
    network.eval()
    normal = described["normalisation"]
    mean, std = (torch.tensor(normal[key]).view(1, -1, 1, 1) for key in ("mean", "std"))
    images = done.data.images[done.data.split.test]
    scaled = (images.float() * normal["scale"] - mean) / std
    with torch.no_grad():
        close = network(scaled).softmax(1)
    assert np.abs(close.numpy() - predictions(done)["probabilities"]).max() < 1e-5
    part = Part(done.data.images, done.data.labels, done.data.split.test)
    exact = probabilities(read_model(done.folder).network, part)
    assert np.array_equal(exact, predictions(done)["probabilities"])


def test_the_model_file_is_a_bare_state_dict(done: Job) -> None:
    state = torch.load(done.folder.model, weights_only=True)
    assert all(isinstance(tensor, torch.Tensor) for tensor in state.values())
    assert list(state) == list(weights(done.folder.checkpoint.read_bytes()))


def test_the_description_says_where_the_model_came_from(done: Job) -> None:
    found = json.loads(done.folder.description.read_text())
    assert found["class_names"] == list("0123456789")
    assert found["normalisation"] == {"scale": 1 / 255, "mean": [0.5], "std": [0.5]}
    origin = found["provenance"]
    assert (origin["study"], origin["trial"], origin["seed"]) == ("made", 0, 0)
    assert origin["candidate"]["architecture"] == found["architecture"]
    assert origin["data"] == {"source": "digits", "fingerprint": "made up"}
    assert origin["retrain"] == {"epochs": 3, "monitor": "test", "test": True}
    assert origin["versions"]["torch"]


def test_history_has_a_row_an_epoch_and_the_monitors_name(done: Job) -> None:
    rows = read_csv(done.folder.history)
    assert list(rows[0]) == [
        "epoch",
        "train_loss",
        "train_accuracy",
        "train_auc",
        "test_loss",
        "test_accuracy",
        "test_auc",
        "epoch_seconds",
    ]
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert all(float(value) >= 0 for row in rows for value in row.values())


def test_the_last_row_of_the_history_is_what_metrics_say(done: Job) -> None:
    last, test = read_csv(done.folder.history)[-1], read_json(done.folder.metrics)["test"]
    assert float(last["test_accuracy"]) == test["accuracy"]
    assert float(last["test_auc"]) == test["auc_ovr_macro"]
    assert float(last["test_loss"]) == pytest.approx(test["loss"], abs=1e-6)


def poisoned(part: str) -> DataSet:
    """Return the pictures, with those of a part replaced by noise and their labels by 0."""
    data = digits()
    rows = getattr(data.split, part)
    images, labels = data.images.clone(), data.labels.clone()
    generator = torch.Generator().manual_seed(0)
    noise = torch.randint(0, 256, images[rows].shape, generator=generator)
    images[rows], labels[rows] = noise.to(torch.uint8), 0
    return replace(data, images=images, labels=labels)


def model_of(folder: Path, *overrides: str, data: DataSet) -> bytes:
    job = made_job(folder, *overrides, data=data)
    go(job)
    return job.folder.model.read_bytes()


@pytest.mark.parametrize("monitor", ["test", "none", "validation"])
def test_only_the_parts_it_may_learn_from_change_the_model(tmp_path: Path, monitor: str) -> None:
    setting = f"retrain.monitor={monitor}"
    model = model_of(tmp_path / "clean", setting, data=digits())
    for part in ("train", "validation", "test"):
        spoilt = model_of(tmp_path / part, setting, data=poisoned(part))
        learns = part == "train" or (part == "validation" and monitor != "validation")
        assert (spoilt != model) == learns, part


def test_monitoring_changes_no_weight(done: Job, tmp_path: Path) -> None:
    model = model_of(tmp_path, "retrain.monitor=none", data=digits())
    assert model == done.folder.model.read_bytes()


@pytest.mark.parametrize("monitor", ["none", "validation"])
def test_the_test_set_stays_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, monitor: str
) -> None:
    shown: list[int] = []

    def noting(*args: Any) -> Iterator[Any]:
        part = args[0]
        shown.extend(part.rows.tolist())
        yield from batches(*args)

    monkeypatch.setattr("nas_cifar10.model.batches", noting)
    monkeypatch.setattr("nas_cifar10.segment.batches", noting)
    settings = (f"retrain.monitor={monitor}", "retrain.test=false")
    clean, spoilt = (
        made_job(tmp_path / "a", *settings),
        made_job(tmp_path / "b", *settings, data=poisoned("test")),
    )
    go(clean)
    go(spoilt)
    assert shown
    assert not set(shown) & set(digits().split.test.tolist())
    found, same = read_json(clean.folder.metrics), read_json(spoilt.folder.metrics)
    assert found | {"seconds": 0} == same | {"seconds": 0}
    assert "test" not in found
    assert clean.folder.predictions.exists() == (monitor == "validation")
    assert ("validation" in found) == (monitor == "validation")


def test_without_a_monitor_the_history_is_of_training_alone(tmp_path: Path) -> None:
    job = made_job(tmp_path, "retrain.monitor=none")
    go(job)
    assert list(read_csv(job.folder.history)[0]) == [
        "epoch",
        "train_loss",
        "train_accuracy",
        "train_auc",
        "epoch_seconds",
    ]
    assert "test" in read_json(job.folder.metrics)


def test_monitoring_validation_names_its_columns_and_measures_on_test(tmp_path: Path) -> None:
    job = made_job(tmp_path, "retrain.monitor=validation")
    go(job)
    assert "validation_accuracy" in read_csv(job.folder.history)[0]
    assert len(predictions(job)["labels"]) == len(digits().split.test)


def test_predictions_of_an_earlier_model_do_not_stay(tmp_path: Path) -> None:
    job = made_job(tmp_path, "retrain.monitor=none")
    go(job)
    assert job.folder.predictions.exists()
    go(made_job(tmp_path, "retrain.monitor=none", "retrain.test=false"), resume=True)
    assert not job.folder.predictions.exists()


def test_a_retrain_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "train_segment", lambda *args: Failed("out of memory"))
    with pytest.raises(NasError, match="retrain of trial 0 failed: out of memory"):
        go(made_job(tmp_path))


def test_a_network_that_says_no_numbers_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody looked while it was trained: there was nothing to measure on."""

    def broken(checkpoint: bytes) -> dict[str, torch.Tensor]:
        return {name: weight * math.nan for name, weight in weights(checkpoint).items()}

    monkeypatch.setattr(train, "weights", broken)
    job = made_job(tmp_path, "retrain.monitor=none")
    with pytest.raises(TrainingFailedError, match="retrain of trial 0 failed: diverged: not a "):
        go(job)
    assert not any(path.exists() for path in (job.folder.model, job.folder.metrics))


@pytest.mark.parametrize("length", [0, 10, 1000])
def test_a_model_file_that_cannot_be_read_back_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    job = made_job(tmp_path)

    def spoiling(path: Path, content: bytes) -> None:
        write_atomic(path, content[:length] if path == job.folder.model else content)

    monkeypatch.setattr(measure, "write_atomic", spoiling)
    with pytest.raises(BadDataError, match=r"model\.pt: damaged"):
        go(job)
    assert not job.folder.metrics.exists()


def test_a_damaged_model_file_never_raises_anything_else(done: Job, tmp_path: Path) -> None:
    copy = RetrainFolder(tmp_path)
    copy.description.write_bytes(done.folder.description.read_bytes())
    content, draw = done.folder.model.read_bytes(), random.Random(0)
    refused = 0
    for _ in range(200):
        damaged = bytearray(content)
        damaged[draw.randrange(len(damaged))] ^= 1 << draw.randrange(8)
        copy.model.write_bytes(damaged)
        try:
            read_model(copy)
        except BadDataError:
            refused += 1
    assert refused > 5


def test_a_model_file_with_other_weights_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = made_job(tmp_path)
    save = torch.save

    def spoiling(state: Any, file: Any) -> None:
        if "head.bias" in state:
            state = state | {"head.bias": state["head.bias"] + 1e-3 * torch.arange(10)}
        save(state, file)

    monkeypatch.setattr(torch, "save", spoiling)
    with pytest.raises(NasError, match=r"model\.pt: read back, it is not what was"):
        go(job)
    assert not job.folder.metrics.exists()
