"""Search a network for your own pictures, trial by trial, from Python.

Shows a config as a plain mapping and the search as a loop whose body is yours:

    python examples/search_your_own_folder.py FOLDER OUT [KEY=VALUE...]

FOLDER holds train/<class>/*.jpg; OUT becomes a run, which `nas retrain --run OUT` goes on with.
"""

import sys
from pathlib import Path
from typing import Any

from nas_cifar10.config.load import config_from_plain
from nas_cifar10.runs.database import Database
from nas_cifar10.runs.folder import RunFolder
from nas_cifar10.runs.lock import locked
from nas_cifar10.runs.place import Place
from nas_cifar10.search.driver import run_search
from nas_cifar10.search.setup import start


def search(pictures: Path, out: Path, *overrides: str) -> None:
    """Search, and print every trial as it ends."""
    plain: dict[str, Any] = {
        "name": "own pictures",
        "data": {"source": "image_folder", "root": str(pictures), "on_bad_image": "skip"},
        "space": {
            "depth": [2, 3],
            "channels": [16, 32],
            "kernel_size": 3,
            "training": {"learning_rate": {"low": 1e-3, "high": 1e-2, "log": True}},
        },
        "search": {"trials": 8, "cohort": 4},
    }
    config = config_from_plain(plain, overrides)  # the same check as of a YAML file
    run = RunFolder(out)
    place = Place(run, Database(path=run.study), config.name)
    with locked(run, run.study):
        ready = start(config, place, "auto", overwrite=False)
        with ready.executor as executor:
            for trial in run_search(ready.study, run, executor):
                if trial.state != "running":
                    reached = f"{trial.epochs[-1].measured.accuracy:.3f}" if trial.epochs else ""
                    told = reached or f"{trial.state}, {trial.reason}"
                    print(f"{trial.number}: {told}  {trial.candidate.architecture}")
    print(f"nas retrain --run {out}")


if __name__ == "__main__":
    search(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
