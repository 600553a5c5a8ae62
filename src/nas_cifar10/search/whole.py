"""The best network timed whole, beside what the table of its parts says; knows no limit."""

import logging
from collections.abc import Sequence

import torch

from nas_cifar10.networks.build import build
from nas_cifar10.networks.latency import latency_ms, measure
from nas_cifar10.study.ranking import best_of
from nas_cifar10.study.rows import Trial, WholeLatency
from nas_cifar10.study.study import Study
from nas_cifar10.training.precision import hardware, stored_device

log = logging.getLogger(__name__)


def time_best(study: Study, trials: Sequence[Trial]) -> None:
    """Time the best network as the table's parts were, and store it; only once a network.

    It is called when all trials have ended, so that the device is as idle as it was for the table.
    Nothing is decided by it. Where the study has no table, or one that was timed on something else,
    nothing is timed.
    """
    resolved, best = study.facts.resolved, best_of(trials, study.config.search)
    timed, known = resolved.get("latency"), study.whole_latency
    if timed is None or best is None or (known is not None and known.trial == best.number):
        return
    device = stored_device(resolved["device"])
    if (device.type, hardware(device)) != (timed.get("device"), timed.get("hardware")):
        log.warning("%s is not what the table of latencies was timed on", hardware(device))
        return
    facts, architecture = study.facts, best.candidate.architecture
    torch.set_num_threads(resolved["threads"])
    network = build(architecture, facts.shape, facts.num_classes)
    measured = measure(network, facts.shape, device)
    table = latency_ms(timed["parts_ms"], architecture, facts.shape)
    study.whole_latency = WholeLatency(best.number, round(table, 6), round(measured, 6))
