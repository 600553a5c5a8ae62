"""Retrains for tests: of trial 0 of a made-up study."""

from collections.abc import Sequence
from pathlib import Path

from made_search import digits
from made_study import ask, finish, made_config, made_study, no_waiting
from nas_cifar10.data.split import DataSet
from nas_cifar10.epochs import Epoch
from nas_cifar10.retrain.job import Job
from nas_cifar10.retrain.train import prepare, resume_points, run_retrain
from nas_cifar10.runs.folder import RunFolder


def made_job(
    folder: Path, *overrides: str, data: DataSet | None = None, space: Sequence[str] = ()
) -> Job:
    """Return a retrain of trial 0 of a made-up study.

    Args:
        space: Overrides of the study's own config, which the others are not.
    """
    config = made_config(*overrides)
    folder.mkdir(parents=True, exist_ok=True)
    study = made_study(folder / "study.db", made_config(*space))
    trial = finish(study, ask(study))
    return prepare(study, trial, config, data or digits(), RunFolder(folder))


def go(job: Job, *, resume: bool = False, epochs: int | None = None) -> list[Epoch]:
    """Retrain to the end, or stop after so many epochs."""
    seen: list[Epoch] = []
    with no_waiting():
        for _, epoch in run_retrain(job, resume_points(job) if resume else ()):
            seen.append(epoch)
            if len(seen) == epochs:
                break
    return seen
