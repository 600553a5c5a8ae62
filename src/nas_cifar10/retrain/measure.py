"""What a retrain leaves behind: the model, read back from disk, and what it is worth.

Knows not how it was trained.
"""

import io
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nas_cifar10.card import card
from nas_cifar10.crash import crash_point
from nas_cifar10.data import album
from nas_cifar10.data.loader import normalisation
from nas_cifar10.data.multiview import VIEWS
from nas_cifar10.data.parts import Part
from nas_cifar10.epochs import Epoch
from nas_cifar10.errors import NasError, TrainingFailedError
from nas_cifar10.model import network_with, over_views, probabilities, read_model
from nas_cifar10.retrain.job import Job
from nas_cifar10.runs import environment
from nas_cifar10.runs.files import remove, write_atomic, write_json, write_text
from nas_cifar10.runs.reading import read_bytes
from nas_cifar10.training import metrics

# What model.json has said of a retrain from the start; other settings are named where they differ.
_ALWAYS = {"epochs", "monitor", "test"}


def finish(job: Job, train: Part, state: dict[str, Tensor], epochs: tuple[Epoch, ...]) -> None:
    """Write the model, read it back, and measure what was read.

    Args:
        train: What was learnt from.
        state: The network's weights.

    Raises:
        TrainingFailedError: it answers with what is no number; nothing was written.
        NasError: the model read back from disk is not the one that was trained.
    """
    part = _part_measured(job, train)
    expected = _answers(job, state, part or train)
    content = io.BytesIO()
    torch.save(state, content)
    new = not _is_there(job, content.getvalue())
    # First, so that what the old model was worth never stands beside the new one.
    for path in [*job.folder.measurement(), *(job.folder.exported() if new else ())]:
        remove(path)
    if new:
        write_atomic(job.folder.model, content.getvalue())
    description = _description(job)
    write_json(job.folder.description, description)
    crash_point("retrain.model")
    network = _read_back(job, state, part or train, expected)
    measured = {} if part is None else _measure(job, part, train, network, expected)
    table = measured | _fitted(job, epochs, network, train)
    write_json(job.folder.metrics, table)
    told = description, table, job.config, job.study.facts.data
    write_text(job.folder.card, card(*told, job.watched(epochs)))


def _is_there(job: Job, model: bytes) -> bool:
    """Say whether this very model is on disk: what was exported from it may stay."""
    return job.folder.model.exists() and read_bytes(job.folder.model) == model


def _part_measured(job: Job, train: Part) -> Part | None:
    if job.measured_part is None:
        return None
    rows = getattr(job.data.split, job.measured_part).to(train.images.device)
    return Part(train.images, train.labels, rows)


def _answers(job: Job, state: dict[str, Tensor], part: Part) -> metrics.Probabilities:
    """Return what the network says of a part, as it came out of training."""
    facts, architecture = job.study.facts, job.trial.candidate.architecture
    network = network_with(state, architecture, facts.shape, facts.num_classes)
    found = probabilities(network, part)
    if not np.isfinite(found).all():
        told = "diverged: not a finite number when measured at its end"
        raise TrainingFailedError(f"retrain of {job.which} failed: {told}")
    return found


def _read_back(
    job: Job, state: dict[str, Tensor], part: Part, expected: metrics.Probabilities
) -> nn.Module:
    """Return the network on disk.

    Raises:
        NasError: it is not the one that was trained, or does not say the same of a part.
    """
    reread, architecture = read_model(job.folder), job.trial.candidate.architecture
    if reread.architecture != architecture or not _same(state, reread.network.state_dict()):
        raise NasError(f"{job.folder.model}: read back, it is not what was trained")
    if not np.array_equal(expected, probabilities(reread.network, part)):
        raise NasError(f"{job.folder.model}: read back, it predicts something else than before")
    return reread.network


def _same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def _measure(
    job: Job, part: Part, train: Part, network: nn.Module, found: metrics.Probabilities
) -> dict[str, Any]:
    """Keep the predictions and the pictures that a page shows; return what they are worth."""
    labels, names = _labels(part), job.data.class_names
    if job.is_first:
        _show(job, part, found, labels)  # first: pictures are shown only beside predictions
    content = io.BytesIO()
    np.savez_compressed(content, probabilities=found, labels=labels, class_names=np.array(names))
    write_atomic(job.folder.predictions, content.getvalue())
    majority = int(np.bincount(_labels(train)).argmax())
    return {
        str(job.measured_part): metrics.summary(found, labels, majority),
        "per_class": metrics.per_class(found, labels, names),
        "confusion_matrix": metrics.confusion(found, labels),
        **_over_views(job, part, network),
    }


def _over_views(job: Job, part: Part, network: nn.Module) -> dict[str, Any]:
    """Return what the mean over several views is worth, beside the plain numbers."""
    name = job.config.retrain.views
    if name == "none":
        return {}
    found = over_views(network, part, VIEWS[name])
    worth = metrics.summary(found, _labels(part), 0)
    del worth["majority_accuracy"]
    told = {"views": name, "number": len(VIEWS[name]), "part": job.measured_part}
    return {"test_views": told | worth}


def _fitted(job: Job, epochs: tuple[Epoch, ...], network: nn.Module, train: Part) -> dict[str, Any]:
    """Return how well it knows what it learnt from, and what it cost."""
    labels, fitted = _labels(train), probabilities(network, train)
    right = float((fitted.argmax(axis=1) == labels).mean())
    return {
        "train": {"accuracy": right, "loss": metrics.loss(fitted, labels)},
        "trial": job.trial.number,
        "epochs": len(epochs),
        "parameters": job.trial.parameters,
        "macs": job.trial.macs,
        "seconds": round(sum(epoch.seconds for epoch in epochs), 1),
    }


def _labels(part: Part) -> metrics.Labels:
    return np.asarray(part.labels[part.rows].cpu().numpy())


def _show(
    job: Job, part: Part, probabilities: metrics.Probabilities, labels: metrics.Labels
) -> None:
    """Keep the pictures that a page shows; rows count the measured pictures."""
    rows = album.choose(probabilities, labels)
    images = part.images[part.rows[torch.from_numpy(rows).to(part.rows.device)]].permute(0, 2, 3, 1)
    shown = album.reduced(images.cpu().numpy())
    album.keep(job.run.pictures, shown_images=shown, shown_rows=rows)


def _description(job: Job) -> dict[str, Any]:
    found = environment.describe()
    return {
        "architecture": job.trial.candidate.to_json()["architecture"],
        "layers": [layer.to_json() for layer in job.trial.layers],
        "picture_shape": list(job.data.shape),
        "normalisation": normalisation(job.data.shape[0]),
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
            "training": _recipe(job),
            "retrain": _settings(job),
            **({"start": job.source.describe()} if job.source else {}),
            "precision": job.study.facts.resolved["precision"],
            "versions": found["versions"],
            "commit": found["commit"],
        },
    }


def _recipe(job: Job) -> dict[str, Any]:
    """Return how it was trained: what the config says, and what the candidate says instead."""
    fixed = job.config.training.model_dump(exclude={"epochs", "precision", "threads"})
    return fixed | dict(job.trial.candidate.training)


def _settings(job: Job) -> dict[str, Any]:
    settings = job.config.retrain
    plain = type(settings)().model_dump()
    return {
        key: value
        for key, value in settings.model_dump(exclude={"seeds"}).items()
        if key in _ALWAYS or value != plain[key]
    }
