"""Number format, device and threads, resolved once a study; knows no network.

Nothing here is decided again after a study exists: another format or another number of threads
gives other numbers, so whoever trains reads what was resolved.
"""

import logging
import math
import os
import platform
import re
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import torch

from nas_cifar10 import interrupts
from nas_cifar10.errors import ConfigError

log = logging.getLogger(__name__)

MIN_SPEEDUP = 1.3
PROBE_TURNS = 5
STEPS_A_TURN = 3
CPU_LIMIT = Path("/sys/fs/cgroup/cpu.max")


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Return the context in which a network computes in `fp32` or in `bf16`.

    Under bf16 the weights, the optimizer and the loss stay fp32.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def resolve_device(requested: str) -> torch.device:
    """Return the device `auto`, `cpu`, `cuda` or `mps` stands for here; with `cpu`, hide all GPUs.

    Raises:
        ConfigError: it is not one of these, or this machine has none.
    """
    if requested == "auto":  # an Apple GPU by its name alone: nobody has tried one yet
        requested = "cuda" if torch.cuda.is_available() else "cpu"
    if requested == "cpu":  # torch's Adam takes hold of a GPU it sees, and fails in forked workers
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
        return torch.device(requested)
    present: dict[str, Callable[[], bool]] = {
        "cuda": torch.cuda.is_available,
        "mps": torch.backends.mps.is_available,
    }
    if requested not in present:
        raise ConfigError(f"--device: must be auto, cpu, cuda or mps, got {requested!r}")
    if not present[requested]():
        raise ConfigError(f"--device: this machine has no {requested} that torch can use; use cpu")
    return torch.device(requested)


def stored_device(made_on: str, requested: str | None = None) -> torch.device:
    """Return the device asked for, or else the one a study was made on, or else the best there is.

    Raises:
        ConfigError: as `resolve_device`, of the one asked for.
    """
    try:
        device = resolve_device(requested or made_on)
    except ConfigError:
        if requested is not None:
            raise
        device = resolve_device("auto")
    if device.type != made_on:
        log.warning("the study was made on %s, not on %s: numbers differ", made_on, device.type)
    return device


def resolve_threads(requested: str | int, workers: int) -> int:
    """Return CPU threads a worker; `auto` shares this process's cores among the workers."""
    if isinstance(requested, int):
        return requested
    return max(1, num_cores() // workers)


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread: a process that has computed on several cannot be forked."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def num_cores() -> int:
    """Count the processors this process may run on, or a container's share where that is less."""
    if hasattr(os, "sched_getaffinity"):  # Linux; macOS has no such call
        return min(len(os.sched_getaffinity(0)), _share_of_container())
    return os.cpu_count() or 1


def _share_of_container() -> int:
    """Return how many processors a container may keep busy, rounded up (Linux, cgroup v2)."""
    try:
        quota, period = CPU_LIMIT.read_text("ascii").split()
        return max(1, math.ceil(int(quota) / int(period)))
    except (OSError, ValueError, ZeroDivisionError):  # no container, or `max`: no limit
        return sys.maxsize


def resolve_precision(
    requested: str, device: torch.device, prepare: Callable[[], Callable[[str], None]]
) -> tuple[str, float | None]:
    """Return `fp32` or `bf16`, and how much faster bf16 was measured where it was.

    `auto` is bf16 only where the device has native bf16 instructions and one training step, but
    for its update, is at least 1.3x as fast: bf16 is no gain everywhere it works.

    Args:
        prepare: Builds the space's largest network and returns what runs one training step of it
            in the format it is given. Where that does not fit into memory, the answer is fp32.
    """
    if requested != "auto":
        return requested, None
    if not has_native_bf16(device):
        return "fp32", None
    try:
        speedup = _speedup(prepare(), device)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        return "fp32", None
    return ("bf16" if speedup >= MIN_SPEEDUP else "fp32"), round(speedup, 2)


# The third is what oneDNN says where it has no room for the code or the scratchpad of a layer.
_NO_MEMORY = re.compile(
    "can't allocate memory|out of memory|could not create a primitive|bad_alloc|STATUS_ALLOC_FAILED"
)


def is_out_of_memory(error: BaseException | None) -> bool:
    """Say whether memory ran out, in whichever of its ways torch tells.

    Saving may answer with another error, which came up while it dealt with this one.
    """
    if error is None:
        return False
    known = isinstance(error, MemoryError | torch.OutOfMemoryError)
    told = _NO_MEMORY.search(str(error))
    return known or bool(told) or is_out_of_memory(error.__context__)


def has_native_bf16(device: torch.device) -> bool:
    """Say whether the device multiplies bf16 numbers in hardware."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        abilities = torch.cpu.get_capabilities()
        return any(abilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    return False


def _speedup(step: Callable[[str], None], device: torch.device) -> float:
    """Return the median of how many times faster bf16 was, turn by turn.

    The two formats take turns and are compared within a turn, so that a busy machine, which slows
    some turns down and not others, disturbs both alike.
    """

    def turn(number_format: str) -> float:
        return seconds_of(step, number_format, device, STEPS_A_TURN)

    turn("fp32"), turn("bf16")  # the first steps prepare kernels
    return statistics.median([turn("fp32") / turn("bf16") for _ in range(PROBE_TURNS)])


def seconds_of(
    step: Callable[[str], None], number_format: str, device: torch.device, steps: int = 1
) -> float:
    """Return how long so many steps take in a number format, unless the process is to end."""
    interrupts.check()
    started = time.perf_counter()
    for _ in range(steps):
        step(number_format)
    wait_for(device)
    return time.perf_counter() - started


def wait_for(device: torch.device) -> None:
    """Wait until a device has computed what it was given; a CPU has when it returns."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def hardware(device: torch.device) -> str:
    """Name what computes there: the GPU, or else the processor."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else processor()


def processor() -> str:
    """Name the processor, for the record."""
    return str(torch.cpu.get_capabilities().get("cpu_name") or platform.processor() or "unknown")
