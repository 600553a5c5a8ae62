"""The chosen candidate on train + validation, for long; then measured once on test.

Knows no search: it meets it in the study. An epoch is a segment, so a stop loses one at most.
"""

import io
import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nas_cifar10 import environment
from nas_cifar10.card import card
from nas_cifar10.config import Config
from nas_cifar10.crash import crash_point
from nas_cifar10.data import album
from nas_cifar10.data.loader import Part, normalisation
from nas_cifar10.data.split import DataSet
from nas_cifar10.epochs import Epoch, Scores
from nas_cifar10.errors import BadDataError, NasError, StateError
from nas_cifar10.model import network_with, probabilities, read_model
from nas_cifar10.reading import read_bytes
from nas_cifar10.runs import (
    RetrainFolder,
    RunFolder,
    cannot_write,
    read_json,
    write_atomic,
    write_csv,
    write_json,
    write_text,
)
from nas_cifar10.segment import (
    RETRAIN,
    RETRAIN_TRAIN_ONLY,
    Failed,
    Pictures,
    Segment,
    belongs,
    epochs_before,
    train_segment,
)
from nas_cifar10.study import Study
from nas_cifar10.study_rows import Trial
from nas_cifar10.training import metrics
from nas_cifar10.training.checkpoint import load_state, weights
from nas_cifar10.training.memory import keep_freed_memory
from nas_cifar10.training.precision import stored_device

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """What is retrained, how, and where it goes.

    Args:
        config: The study's, with `retrain.*` as asked for now.
        data: Its pictures and labels are on the device that trains.
        number: Which of `retrain.seeds`, from 0; each draws its own random numbers.
    """

    study: Study
    trial: Trial
    config: Config
    data: DataSet
    run: RunFolder
    number: int = 0

    @property
    def folder(self) -> RetrainFolder:
        """Where the model and its measurement go."""
        return self.run.retrain.seed(self.number)


def prepare(study: Study, trial: Trial, config: Config, data: DataSet, run: RunFolder) -> Job:
    """Put the study's pictures on its device, and take its number of threads."""
    resolved = study.facts.resolved
    keep_freed_memory()
    torch.set_num_threads(resolved["retrain_threads"])
    device = stored_device(resolved["device"])
    on_device = replace(data, images=data.images.to(device), labels=data.labels.to(device))
    return Job(study, trial, config, on_device, run)


def run_retrain(job: Job, *, resume: bool) -> Iterator[Epoch]:
    """Do as `_run_once` for each of `retrain.seeds`, then say how they differ."""
    _remove(job.run.retrain.summary)
    for folder in () if resume else job.run.retrain.seeds():
        _empty(folder)
    jobs = [replace(job, number=number) for number in range(job.config.retrain.seeds)]
    for each in jobs:
        yield from _run_once(each, resume=resume)
    if len(jobs) > 1:
        tables = [read_json(each.folder.metrics) for each in jobs]
        write_json(job.run.retrain.summary, metrics.over_seeds(tables, _measured_name(job.config)))


def _run_once(job: Job, *, resume: bool) -> Iterator[Epoch]:
    """Train, and after the last epoch write the model and its measurement.

    Yields:
        Each epoch trained now; those before a resume are in the history only.

    Raises:
        StateError: what is to be resumed is another trial, or was trained on other pictures.
        NasError: training failed, or the model read back from disk measures differently.
    """
    pictures = _pictures(job)
    checkpoint, epochs = _resume_point(job) if resume else _start_over(job)
    while len(epochs) < job.config.retrain.epochs:
        result = train_segment(_segment(job, len(epochs) + 1), pictures, checkpoint)
        if isinstance(result, Failed):
            raise NasError(f"retrain of trial {job.trial.number} failed: {result.reason}")
        checkpoint, epochs = result.checkpoint, result.epochs
        write_atomic(job.folder.checkpoint, checkpoint)
        crash_point("retrain.checkpoint")
        _write_history(job, epochs)
        yield epochs[-1]
    assert checkpoint is not None
    _write_history(job, epochs)  # a kill may have come between the last checkpoint and it
    _finish(job, pictures, checkpoint, epochs)


def _pictures(job: Job) -> Pictures:
    split, monitor = job.data.split, job.config.retrain.monitor
    train = split.train
    if monitor != "validation":
        train = torch.cat([split.train, split.validation]).sort().values
    held_out = None if monitor == "none" else getattr(split, monitor)
    images, labels = job.data.images, job.data.labels
    pictures = Pictures(images, labels, train, held_out, len(job.data.class_names))
    return pictures.to(images.device)


def _segment(job: Job, stop: int) -> Segment:
    validation = job.config.retrain.monitor == "validation"
    return Segment(
        candidate=job.trial.candidate,
        training=job.config.training.model_copy(update={"epochs": job.config.retrain.epochs}),
        data=job.study.facts.data["fingerprint"],
        seed=job.config.seed,
        stream=(RETRAIN_TRAIN_ONLY if validation else RETRAIN) + 2 * job.number,
        trial=job.trial.number,
        stop=stop,
        precision=job.study.facts.resolved["precision"],
        measure_precision="fp32",  # so that the last epoch and metrics.json agree
        with_auc=True,
    )


def _start_over(job: Job) -> tuple[None, tuple[Epoch, ...]]:
    _empty(job.folder)
    return None, ()


def _empty(folder: RetrainFolder) -> None:
    for path in vars(folder).values():
        if path != folder.root:
            _remove(path)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error


def _resume_point(job: Job) -> tuple[bytes | None, tuple[Epoch, ...]]:
    if not job.folder.checkpoint.exists():
        return _start_over(job)
    try:
        checkpoint = read_bytes(job.folder.checkpoint)
        epochs = _epochs_before(job, checkpoint)
    except BadDataError as error:
        log.warning("the retrain starts over: %s", error)
        return _start_over(job)
    if len(epochs) > job.config.retrain.epochs:
        raise StateError(
            f"{job.folder.root}: has {len(epochs)} epochs already, more than retrain.epochs = "
            f"{job.config.retrain.epochs}; leave out --resume to start over"
        )
    return checkpoint, epochs


def _epochs_before(job: Job, checkpoint: bytes) -> tuple[Epoch, ...]:
    if not belongs(_segment(job, 0), load_state(checkpoint)):
        raise StateError(
            f"{job.folder.root}: holds the retrain of another trial, or of other pictures "
            f"(retrain.monitor decides whether validation is trained on), or one whose learning "
            f"rate runs over another number of epochs; leave out --resume to start over"
        )
    pictures = _pictures(job)
    return epochs_before(_segment(job, 0), checkpoint, pictures.shape, pictures.num_classes)


def _write_history(job: Job, epochs: tuple[Epoch, ...]) -> None:
    monitor = job.config.retrain.monitor
    parts = ["train"] if monitor == "none" else ["train", monitor]
    columns = [f"{part}_{score}" for part in parts for score in ("loss", "accuracy", "auc")]
    rows = [
        {"epoch": epoch.number, "epoch_seconds": round(epoch.seconds, 3)}
        | _columns("train", epoch.train)
        | _columns(monitor, epoch.held_out)
        for epoch in epochs
    ]
    write_csv(job.folder.history, ["epoch", *columns, "epoch_seconds"], rows)


def _columns(part: str, scores: Scores | None) -> dict[str, float | None]:
    if scores is None:
        return {}
    return {f"{part}_{name}": getattr(scores, name) for name in ("loss", "accuracy", "auc")}


def _finish(job: Job, pictures: Pictures, checkpoint: bytes, epochs: tuple[Epoch, ...]) -> None:
    """Write the model, read it back, and measure what was read."""
    state, name = weights(checkpoint), _measured_name(job.config)
    part = None
    if name is not None:
        rows = getattr(job.data.split, name).to(pictures.images.device)
        part = replace(pictures.train, rows=rows)
    content = io.BytesIO()
    torch.save(state, content)
    write_atomic(job.folder.model, content.getvalue())
    description = _description(job)
    write_json(job.folder.description, description)
    crash_point("retrain.model")
    for path in job.folder.made_from_model():
        path.unlink(missing_ok=True)  # an earlier model's
    measured, fitted = _read_back(job, state, part or pictures.train, pictures.train)
    table = _write_metrics(job, epochs, part, measured, pictures.train, fitted)
    found = card(description, table, job.config, job.study.facts.data)
    write_text(job.folder.card, found)


def _read_back(
    job: Job, state: dict[str, Tensor], part: Part, train: Part
) -> tuple[metrics.Probabilities, metrics.Probabilities]:
    """Return what the model on disk says of a part and of the training pictures.

    Raises:
        NasError: it is not the model that was trained.
    """
    reread, architecture = read_model(job.folder), job.trial.candidate.architecture
    if reread.architecture != architecture or not _same(state, reread.network.state_dict()):
        raise NasError(f"{job.folder.model}: read back, it is not what was trained")
    trained = network_with(state, architecture, reread.shape, len(job.data.class_names))
    expected, measured = (probabilities(n, part) for n in (trained, reread.network))
    if not np.array_equal(expected, measured):
        raise NasError(f"{job.folder.model}: read back, it predicts something else than before")
    return measured, probabilities(reread.network, train)


def _same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def _measured_name(config: Config) -> str | None:
    """Name the part that decides metrics.json: test, unless it is to stay unread."""
    if config.retrain.test:
        return "test"
    return "validation" if config.retrain.monitor == "validation" else None


def _write_metrics(
    job: Job,
    epochs: tuple[Epoch, ...],
    part: Part | None,
    probabilities: metrics.Probabilities,
    train: Part,
    fitted: metrics.Probabilities,
) -> dict[str, Any]:
    train_labels = train.labels[train.rows].cpu().numpy()
    table: dict[str, Any] = {}
    name, names = _measured_name(job.config), job.data.class_names
    if part is not None and name is not None:
        labels = part.labels[part.rows].cpu().numpy()
        majority = int(np.bincount(train_labels).argmax())
        table[name] = metrics.summary(probabilities, labels, majority)
        table["per_class"] = metrics.per_class(probabilities, labels, names)
        table["confusion_matrix"] = metrics.confusion(probabilities, labels)
        if not job.number:
            _show(job, part, probabilities, labels)
        content = io.BytesIO()
        np.savez_compressed(
            content, probabilities=probabilities, labels=labels, class_names=np.array(names)
        )
        write_atomic(job.folder.predictions, content.getvalue())
    right = float((fitted.argmax(axis=1) == train_labels).mean())
    table |= {
        "train": {"accuracy": right, "loss": metrics.loss(fitted, train_labels)},
        "trial": job.trial.number,
        "epochs": len(epochs),
        "parameters": job.trial.parameters,
        "macs": job.trial.macs,
        "seconds": round(sum(epoch.seconds for epoch in epochs), 1),
    }
    write_json(job.folder.metrics, table)
    return table


def _show(
    job: Job, part: Part, probabilities: metrics.Probabilities, labels: metrics.Labels
) -> None:
    """Keep the pictures that a page shows; rows count the measured pictures."""
    rows = album.choose(probabilities, labels)
    images = part.images[part.rows[torch.from_numpy(rows).to(part.rows.device)]].permute(0, 2, 3, 1)
    shown = album.reduced(images.cpu().numpy())
    album.keep(job.run.pictures, shown_images=shown, shown_rows=rows)


def _description(job: Job) -> dict[str, Any]:
    channels, height, width = (int(size) for size in job.data.images.shape[1:])
    found = environment.describe()
    return {
        "architecture": job.trial.candidate.to_json()["architecture"],
        "layers": [layer.to_json() for layer in job.trial.layers],
        "picture_shape": [channels, height, width],
        "normalisation": normalisation(channels),
        "class_names": list(job.data.class_names),
        "provenance": {
            "study": job.study.name,
            "trial": job.trial.number,
            "candidate": job.trial.candidate.to_json(),
            "fingerprint": job.trial.candidate.fingerprint(),
            "seed": job.config.seed,
            **({"number": job.number} if job.number else {}),
            "data": {
                "source": job.config.data.source,
                "fingerprint": job.study.facts.data["fingerprint"],
            },
            "retrain": job.config.retrain.model_dump(exclude={"seeds"}),
            "precision": job.study.facts.resolved["precision"],
            "versions": found["versions"],
            "commit": found["commit"],
        },
    }
