"""What produced a number (versions, commit, machine), and a run's record of it."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from nas_cifar10.runs.records import read_record

_PACKAGES = ("nas-cifar10", "torch", "torchvision", "optuna", "scikit-learn", "numpy", "pillow")


def describe() -> dict[str, Any]:
    """Return versions, the commit of this tool and the machine's kind, without importing torch."""
    return {
        "versions": {"python": platform.python_version()} | {p: _version(p) for p in _PACKAGES},
        "commit": _commit(),
        "machine": {"system": platform.system(), "processor": platform.machine()},
    }


class Recorded(BaseModel):
    """What has to be known again of a run's environment.json; the rest is for people."""

    study: str
    database: str
    started_at: str
    resumed_at: list[str]
    versions: dict[str, str | None]
    machine: dict[str, str]
    processor: str | None = None


def read(path: Path) -> Recorded:
    """Read a run's environment.json.

    Raises:
        MissingInputError: there is none.
        BadDataError: it is damaged.
    """
    return read_record(path, Recorded, "remove it, and name the study with --study-db")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """Return the commit of a git checkout of this tool, marked where files were changed since."""
    if _git("ls-files", "--error-unmatch", Path(__file__).name) is None:
        return None  # installed inside somebody else's checkout
    return _git("describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")


def _git(*words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *words], cwd=Path(__file__).parent, capture_output=True, text=True, timeout=5
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
