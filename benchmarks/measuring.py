"""What every measurement shares: the machine, the command, and how a result is kept."""

import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from nas_cifar10.runs import environment
from nas_cifar10.training.precision import num_cores, processor

NAS = str(Path(sys.executable).parent / "nas")


def nas(*words: object) -> str:
    """Run a command and return what it printed; where it fails, end with what it said."""
    done = subprocess.run([NAS, *map(str, words)], check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"nas {' '.join(map(str, words))}: {done.stderr}")
    return done.stdout


def core_waits() -> float:
    """Return for how many seconds in all this thread was ready to run and other work had its core.

    Linux counts them. What passed less these is the time on a core to itself, disk included.
    """
    return int(os.pread(_scheduler(), 100, 0).split()[1]) / 1e9


@cache
def _scheduler() -> int:
    return os.open("/proc/thread-self/schedstat", os.O_RDONLY)


def describe_machine() -> dict[str, Any]:
    """Return date, processor, memory and versions."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": {
            "processor": processor(),
            "cores": num_cores(),
            "memory_gb": round(memory / 1e9, 1),
            "system": platform.system(),
        },
        "versions": environment.describe()["versions"],
        "commit": environment.describe()["commit"],
    }


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return median, smallest and largest."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def mean_and_error(values: Sequence[float]) -> dict[str, float | None]:
    """Return the mean and its standard error, which one value does not have."""
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else None
    return {
        "mean": round(statistics.mean(values), 4),
        "standard_error": error and round(error, 4),
    }


def write_result(path: Path, result: dict[str, Any]) -> None:
    """Keep a result as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
