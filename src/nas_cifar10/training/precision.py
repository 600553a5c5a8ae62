"""Number format, device and threads, resolved once a study; knows no network.

Nothing here is decided again after a study exists: another format or another number of threads
gives other numbers, so whoever trains reads what was resolved.
"""

import logging
import os
import platform
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import torch

from nas_cifar10.errors import ConfigError

log = logging.getLogger(__name__)

MIN_SPEEDUP = 1.3
PROBE_RUNS = 5


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Return the context in which a network computes in `fp32` or in `bf16`.

    Under bf16 the weights, the optimizer and the loss stay fp32.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def resolve_device(requested: str) -> torch.device:
    """Return the device `auto`, `cpu`, `cuda` or `mps` stands for here.

    Raises:
        ConfigError: it is not one of these, or this machine has none.
    """
    present = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if requested == "auto":
        requested = next(name for name, there in present.items() if there)
    if requested not in present:
        raise ConfigError(f"--device: must be auto, cpu, cuda or mps, got {requested!r}")
    if not present[requested]:
        raise ConfigError(f"--device: this machine has no {requested} that torch can use; use cpu")
    return torch.device(requested)


def stored_device(name: str) -> torch.device:
    """Return the device a study was made on, or with a warning the best one there is here."""
    try:
        return resolve_device(name)
    except ConfigError:
        log.warning("this machine has no %s; numbers will differ from those of the study", name)
        return resolve_device("auto")


def resolve_threads(requested: str | int, workers: int) -> int:
    """Return CPU threads a worker; `auto` shares this process's cores among the workers."""
    if isinstance(requested, int):
        return requested
    return max(1, num_cores() // workers)


def num_cores() -> int:
    """Count the processors this process may run on."""
    if hasattr(os, "sched_getaffinity"):  # Linux; macOS has no such call
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def resolve_precision(
    requested: str, device: torch.device, step: Callable[[str], None]
) -> tuple[str, float | None]:
    """Return `fp32` or `bf16`, and how much faster bf16 was measured where it was.

    `auto` is bf16 only where the device has native bf16 instructions and one training step is at
    least 1.3x as fast: bf16 is no gain everywhere it works.

    Args:
        step: Runs one training step of the space's largest network in the format it is given.
    """
    if requested != "auto":
        return requested, None
    if not has_native_bf16(device):
        return "fp32", None
    speedup = _speedup(step, device)
    return ("bf16" if speedup >= MIN_SPEEDUP else "fp32"), round(speedup, 2)


def has_native_bf16(device: torch.device) -> bool:
    """Say whether the device multiplies bf16 numbers in hardware."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        abilities = torch.cpu.get_capabilities()
        return any(abilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    return False


def _speedup(step: Callable[[str], None], device: torch.device) -> float:
    """Time both formats in turns, so that a busy machine disturbs both alike."""
    seconds: dict[str, list[float]] = {"fp32": [], "bf16": []}
    for run in range(PROBE_RUNS + 1):
        for precision, measured in seconds.items():
            started = time.perf_counter()
            step(precision)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            if run > 0:  # the first step of each format prepares kernels
                measured.append(time.perf_counter() - started)
    return statistics.median(seconds["fp32"]) / statistics.median(seconds["bf16"])


def processor() -> str:
    """Name the processor, for the record."""
    return str(torch.cpu.get_capabilities().get("cpu_name") or platform.processor() or "unknown")
