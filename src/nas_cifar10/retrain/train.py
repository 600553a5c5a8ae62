"""Each trial and seed in turn, epoch by epoch, from where it stopped; then `measure` has it.

Knows no search: it meets it in the study. An epoch is a segment, so a stop loses one at most.
"""

import itertools
import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeAlias

import torch

from nas_cifar10.config.schema import Config
from nas_cifar10.crash import crash_point
from nas_cifar10.data.parts import Parts
from nas_cifar10.data.split import DataSet
from nas_cifar10.epochs import Epoch, Scores
from nas_cifar10.errors import BadDataError, StateError, TrainingFailedError, UnreadableError
from nas_cifar10.retrain.job import Job
from nas_cifar10.retrain.measure import finish
from nas_cifar10.retrain.source import check, source_of
from nas_cifar10.runs.asked import Asked, read_asked, write_asked
from nas_cifar10.runs.files import read_json, remove, write_atomic, write_csv, write_json
from nas_cifar10.runs.folder import RetrainFolder, RunFolder
from nas_cifar10.runs.reading import read_bytes
from nas_cifar10.segment import (
    RETRAIN,
    RETRAIN_TRAIN_ONLY,
    Failed,
    OtherTrainingError,
    Segment,
    epochs_before,
    train_segment,
)
from nas_cifar10.study.rows import Trial
from nas_cifar10.study.study import Study
from nas_cifar10.training import metrics
from nas_cifar10.training.checkpoint import weights
from nas_cifar10.training.memory import keep_freed_memory
from nas_cifar10.training.precision import stored_device

log = logging.getLogger(__name__)


def prepare(
    study: Study,
    trial: Trial,
    config: Config,
    data: DataSet,
    run: RunFolder,
    requested_device: str | None = None,
) -> Job:
    """Put the study's pictures on a device, and take the study's number of threads.

    Args:
        requested_device: None: the one the study was made on.

    Raises:
        ConfigError: the weights of `retrain.start_from` do not fit the trial.
    """
    source = source_of(config.retrain)
    resolved = study.facts.resolved
    keep_freed_memory()
    torch.set_num_threads(resolved["retrain_threads"])
    device = stored_device(resolved["device"], requested_device)
    on_device = replace(data, images=data.images.to(device), labels=data.labels.to(device))
    return _checked(Job(study, trial, config, on_device, run, source=source))


def _checked(job: Job) -> Job:
    if job.source is not None:
        channels, freeze = job.data.shape[0], job.config.retrain.freeze
        check(job.source, job.run, job.trial, channels, freeze)
    return job


def beside(job: Job, others: Sequence[Trial]) -> list[Job]:
    """Return the job and those of other trials, which go into folders of their own.

    Raises:
        ConfigError: as `prepare`.
    """
    further = enumerate(others, start=1)
    return [job, *(_checked(replace(job, trial=trial, rank=rank)) for rank, trial in further)]


def retrain_all(
    jobs: Sequence[Job], asked: Asked, *, resume: bool, or_anew: bool = False
) -> Iterator[tuple[Trial, int, Epoch | None]]:
    """Retrain one trial after the other, then say how they came out; the first is the run's model.

    Args:
        asked: Is kept, so that a resume knows.
        or_anew: Start over where what is there cannot be gone on with, in place of refusing to.

    Raises:
        StateError: what is to be resumed is another trial, or was trained on other pictures; all
            that is there stays.
        TrainingFailedError: one failed; unless it was the very first, all others are done.

    Yields:
        The trial, which of its seeds, from 0, and each epoch that is trained now; None: it begins.
    """
    failed, path = [], jobs[0].run.asked
    resume = resume and not read_asked(path).anew  # or else the rest of the old one is in the way
    for job in jobs:
        yield job.trial, 0, None
        begun = resume_points(job, or_anew=or_anew) if resume else []
        if job.is_first:
            write_asked(path, asked, anew=not begun)
            if not begun or begun[0] is None:
                _give_up(job, jobs if begun else ())
                write_asked(path, asked)
        try:
            for number, epoch in run_retrain(job, begun):
                yield job.trial, number, epoch
        except TrainingFailedError as error:
            if not _is_done(jobs[0]):
                raise
            failed.append(error)
    if len(jobs) > 1:
        _compare([job for job in jobs if _is_done(job)])
    write_asked(path, asked, complete=not failed)
    if failed:
        raise failed[0]


def _is_done(job: Job) -> bool:
    """Say whether what is measured is a network of as many epochs as are asked for."""
    path, epochs = job.folder.metrics, job.config.retrain.epochs
    return path.exists() and bool(read_json(path)["epochs"] == epochs)


def _compare(jobs: Sequence[Job]) -> None:
    """Write how the retrained trials came out, whose order is the search's."""
    job, rows = jobs[0], [_compared(each) for each in jobs]
    found = {"objective": job.config.search.score, "part": job.measured_part, "trials": rows}
    write_json(job.run.retrain.top, found)
    own = job.run.retrain.trial(job.trial.number)
    _empty(own)
    for path in job.folder.results():  # so that the trials' folders are all of them
        write_atomic(own.root / path.name, read_bytes(path))


def _compared(job: Job) -> dict[str, Any]:
    table, searched = read_json(job.folder.metrics), job.trial.epochs[-1].measured
    summary, part = job.folder.summary, job.measured_part
    scores = table[part] if part else {"accuracy": None, "accuracy_ci95": None}
    seeds = read_json(summary) if summary.exists() else None
    return {
        "trial": job.trial.number,
        "folder": job.folder.root.relative_to(job.run.root).as_posix(),
        "reached": getattr(searched, job.config.search.score),
        "validation_accuracy": searched.accuracy,
        "accuracy": scores["accuracy"],
        "accuracy_ci95": scores["accuracy_ci95"],
        "seeds": seeds and part and {"n": seeds["n"], **seeds[f"{part}_accuracy"]},
        "parameters": job.trial.parameters,
        "macs": job.trial.macs,
    }


Point: TypeAlias = tuple[bytes, tuple[Epoch, ...]] | None


def resume_points(job: Job, *, or_anew: bool = False) -> list[Point]:
    """Return what each of the seeds goes on from, and the epochs before; None: it starts over.

    Raises:
        StateError: as `retrain_all`.
    """
    return [_resume_point(each, or_anew=or_anew) for each in _seeds(job)]


def _seeds(job: Job) -> list[Job]:
    return [replace(job, number=number) for number in range(job.config.retrain.seeds)]


def run_retrain(job: Job, begun: Sequence[Point] = ()) -> Iterator[tuple[int, Epoch]]:
    """Do as `_run_once` for each of `retrain.seeds`, then say how they differ.

    Args:
        begun: As `resume_points` returns it; empty: all that was there is given up.

    Raises:
        TrainingFailedError: one of the seeds failed; unless it was the first, all others are done.

    Yields:
        Which of the seeds, from 0, and each epoch of it that is trained now.
    """
    for folder in () if begun else job.folder.nested():
        _empty(folder)
    for path in (job.folder.summary, job.folder.top):
        remove(path)
    tables, failed = [], []
    for each, point in itertools.zip_longest(_seeds(job), begun):
        if point is None:
            _empty(each.folder)
        try:
            for epoch in _run_once(each, *(point or (None, ()))):
                yield each.number, epoch
            tables.append(read_json(each.folder.metrics))
        except TrainingFailedError as error:
            if not each.number:
                raise
            failed.append(error)
    if len(tables) > 1:
        write_json(job.folder.summary, metrics.over_seeds(tables, job.measured_part))
    if failed:
        raise failed[0]


def _run_once(job: Job, checkpoint: bytes | None, epochs: tuple[Epoch, ...]) -> Iterator[Epoch]:
    """Train, and after the last epoch write the model and its measurement.

    Args:
        checkpoint: What training goes on from; None: it begins.
        epochs: Those after which the checkpoint stands.

    Yields:
        Each epoch trained now; those before a resume are in the history only.

    Raises:
        TrainingFailedError: it ended without a network.
        NasError: the model read back from disk measures differently.
    """
    pictures = _pictures(job)
    wanted, precision = job.config.retrain.epochs, job.study.facts.resolved["precision"]
    log.info("retrain of %s in %s: %d of %d epochs done", job.which, precision, len(epochs), wanted)
    while len(epochs) < wanted:
        result = train_segment(_segment(job, len(epochs) + 1), pictures, checkpoint)
        if isinstance(result, Failed):
            raise TrainingFailedError(f"retrain of {job.which} failed: {result.reason}")
        checkpoint, epochs = result.checkpoint, result.epochs
        write_atomic(job.folder.checkpoint, checkpoint)
        crash_point("retrain.checkpoint")
        _write_history(job, epochs)
        yield epochs[-1]
    assert checkpoint is not None
    _write_history(job, epochs)  # a kill may have come between the last checkpoint and it
    finish(job, pictures.train, weights(checkpoint), epochs)


def _pictures(job: Job) -> Parts:
    split, monitor = job.data.split, job.config.retrain.monitor
    train = split.train
    if monitor != "validation":
        train = torch.cat([split.train, split.validation]).sort().values
    held_out = None if monitor == "none" else getattr(split, monitor)
    images, labels = job.data.images, job.data.labels
    pictures = Parts(images, labels, train, held_out, job.data.num_classes)
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
        start=job.source.start(job.config.retrain.freeze) if job.source else None,
    )


def _empty(folder: RetrainFolder) -> None:
    for path in vars(folder).values():
        if path != folder.root:
            remove(path)
    with suppress(OSError):  # not there, or not empty
        folder.root.rmdir()


def _give_up(job: Job, going_on: Sequence[Job]) -> None:
    """Remove the run's model and what stands beside it, but for what these jobs go on with."""
    kept = {each.folder.root for other in going_on for each in _seeds(other)} - {job.folder.root}
    for folder in (*job.folder.nested(), job.folder):
        if folder.root not in kept:
            _empty(folder)


def _resume_point(job: Job, *, or_anew: bool) -> Point:
    if not job.folder.checkpoint.exists():
        return None
    try:
        checkpoint = read_bytes(job.folder.checkpoint)
        return checkpoint, _epochs_before(job, checkpoint)
    except StateError as error:
        if not or_anew:
            raise StateError(f"{error}; leave out --resume to start over") from None
        log.warning("the retrain starts over: %s", error)
    except UnreadableError as error:
        raise UnreadableError(f"{error}; the retrain is left as it is, and resumes") from None
    except BadDataError as error:
        log.warning("the retrain starts over: %s", error)
    return None


def _epochs_before(job: Job, checkpoint: bytes) -> tuple[Epoch, ...]:
    pictures, wanted = _pictures(job), job.config.retrain.epochs
    try:
        epochs = epochs_before(_segment(job, 0), checkpoint, pictures.shape, pictures.num_classes)
    except OtherTrainingError:
        raise StateError(
            f"{job.folder.root}: holds the retrain of another trial, or of other pictures "
            f"(retrain.monitor decides whether validation is trained on), one whose learning rate "
            f"runs over another number of epochs, or one that began with other weights"
        ) from None
    if len(epochs) > wanted:
        raise StateError(
            f"{job.folder.root}: has {len(epochs)} epochs already, more than "
            f"retrain.epochs = {wanted}"
        )
    return epochs


def _write_history(job: Job, epochs: tuple[Epoch, ...]) -> None:
    watched = job.watched(epochs)
    parts = ["train", watched] if watched else ["train"]
    columns = [f"{part}_{score}" for part in parts for score in ("loss", "accuracy", "auc")]
    rows = [
        {"epoch": epoch.number, "epoch_seconds": round(epoch.seconds, 3)}
        | _columns("train", epoch.train)
        | _columns(str(watched), epoch.held_out)
        for epoch in epochs
    ]
    write_csv(job.folder.history, ["epoch", *columns, "epoch_seconds"], rows)


def _columns(part: str, scores: Scores | None) -> dict[str, float | None]:
    if scores is None:
        return {}
    return {f"{part}_{name}": getattr(scores, name) for name in ("loss", "accuracy", "auc")}
