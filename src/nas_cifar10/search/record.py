"""What is written of a run before its first trial, and again whenever it goes on."""

import logging
from collections.abc import Mapping
from typing import Any

import torch

from nas_cifar10 import views
from nas_cifar10.crash import crash_point
from nas_cifar10.data import album
from nas_cifar10.data.describe import sample
from nas_cifar10.data.split import DataSet
from nas_cifar10.runs import environment
from nas_cifar10.runs.files import now, write_json
from nas_cifar10.runs.place import Place
from nas_cifar10.search.sharing import num_workers, stored_threads
from nas_cifar10.study.study import Study
from nas_cifar10.training import precision

log = logging.getLogger(__name__)


def describe_run(study: Study, place: Place, data: DataSet, device: torch.device) -> None:
    """Write config, environment and sample pictures.

    Args:
        device: Where it trains from now on.
    """
    run, resolved = place.run, study.facts.resolved
    views.write_config(study, run)
    earlier = environment.read(run.environment) if run.environment.exists() else None
    times: dict[str, Any] = {"started_at": now(), "resumed_at": []}
    if earlier is not None:
        resumed = [*earlier.resumed_at, now()]
        times = {"started_at": earlier.started_at, "resumed_at": resumed}
    this: dict[str, Any] = {"device": device.type, "processor": precision.processor()}
    this["workers"] = num_workers(study.config, device)
    this["threads"] = stored_threads(study.config, resolved, device)
    found = environment.describe() | resolved | this | times
    timed = found.pop("latency", None)
    if timed is not None:
        write_json(run.latency, timed)
    if earlier is not None:
        _warn_of_changes(earlier, found)
    write_json(run.environment, found | {"study": study.name, "database": place.database_for_run()})
    images, labels = sample(data, num=album.NUM_SAMPLES, seed=study.config.seed)
    album.keep(run.pictures, sample_images=images, sample_labels=labels)
    crash_point("run.described")


def _warn_of_changes(earlier: environment.Recorded, found: Mapping[str, Any]) -> None:
    changes = [("processor", earlier.processor, found["processor"])]
    for kind in ("versions", "machine"):
        before = getattr(earlier, kind)
        changes += [(name, before.get(name), value) for name, value in found[kind].items()]
    for name, was, now_is in changes:
        if was != now_is:
            log.warning("%s was %s before, is %s now: numbers may differ", name, was, now_is)
