"""What the search itself costs, with nobody training: ask, records, decisions, SQLite.

    python benchmarks/driver_cost.py --sizes 100 1000 10000

A study of so many trials is filled, then 20 more are searched with the real sampler, the real
database and the real driver; the executor returns made-up epochs at once. The time that other work
on this machine had the core is not counted.
"""

import argparse
import math
import shutil
import tempfile
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import torch

from measuring import core_waits, describe_machine, write_result
from nas_cifar10 import views
from nas_cifar10.config.load import load_config
from nas_cifar10.config.schema import Config
from nas_cifar10.epochs import Epoch, Scores
from nas_cifar10.networks.build import build
from nas_cifar10.runs.database import Database
from nas_cifar10.runs.folder import RunFolder
from nas_cifar10.search import driver
from nas_cifar10.segment import Segment, Trained, identity, merged
from nas_cifar10.space.candidate import Candidate
from nas_cifar10.study.book import distributions
from nas_cifar10.study.rows import Facts
from nas_cifar10.study.storage import create_study, open_study
from nas_cifar10.study.study import Study
from nas_cifar10.training.checkpoint import packed
from nas_cifar10.training.optim import make_optimizer

SHAPE, CLASSES = (3, 32, 32), 10
IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # 10,000 trials are stored there
PARTS = {
    "draw": (Study, "propose"),
    "count parameters and MACs": (driver, "cost"),
    "store a trial": (Study, "add"),
    "store epochs": (Study, "set_epochs"),
    "end a trial": (Study, "end"),
    "write checkpoints": (driver, "write_atomic"),
    "tables": (views, "write"),
}

ASKING = ("draw", "count parameters and MACs", "store a trial")


def now() -> float:
    """Return seconds that this thread had a core, or waited for its disk."""
    return time.perf_counter() - core_waits()


class AtOnce:
    """An executor whose results are made up, from the candidate and the epoch alone."""

    def __init__(self) -> None:
        """Start with nothing to do."""
        self.tasks: deque[Segment] = deque()
        self.seconds = 0.0  # spent on what a worker would do

    @property
    def free(self) -> int:
        """One where nothing waits."""
        return 1 - len(self.tasks)

    @property
    def busy(self) -> list[Segment | None]:
        """What waits."""
        return list(self.tasks) or [None]

    def submit(self, segment: Segment, checkpoint: bytes | None) -> None:
        """Take a segment."""
        self.tasks.append(segment)

    def result(self) -> tuple[int, Trained]:
        """Return its epochs."""
        started = now()
        segment = self.tasks.popleft()
        epochs = made_epochs(segment.candidate, segment.stop)
        result = Trained(epochs, checkpoint(segment, epochs))
        self.seconds += now() - started
        return segment.trial, result


def checkpoint(segment: Segment, epochs: tuple[Epoch, ...]) -> bytes:
    """Return what a worker would: an untrained network after one step that moves nothing."""
    network = build(segment.candidate.architecture, SHAPE, CLASSES)
    optimizer = make_optimizer(network, merged(segment))
    for weight in network.parameters():
        weight.grad = torch.zeros_like(weight)
    optimizer.step()
    parts = {"network": network.state_dict(), "optimizer": optimizer.state_dict()}
    if merged(segment).weight_averaging:
        parts["average"] = network.state_dict()
    return packed(identity(segment), epochs, **parts)


def made_epochs(candidate: Candidate, count: int) -> tuple[Epoch, ...]:
    """Return curves that wide networks at a learning rate of 0.001 have the best of."""
    rate = math.log10(dict(candidate.training)["learning_rate"]) + 3
    size = sum(math.log2(block.channels) for block in candidate.architecture.blocks) / 24
    found = []
    for number in range(1, count + 1):
        accuracy = 0.5 + 0.2 * size - 0.1 * rate**2 + 0.03 * number
        scores = Scores(loss=1 - accuracy, accuracy=accuracy, macro_f1=accuracy, auc=None)
        found.append(Epoch(number, scores, scores, 0.0))
    return tuple(found)


def main() -> None:
    """Measure every size, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[0, 100, 1000, 3000, 10_000])
    parser.add_argument("--more", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/driver_cost.json"))
    given = parser.parse_args()
    rows = []
    for size in given.sizes:
        rows.append(measure(size, given.more))
        print("  ".join(f"{name} {value}" for name, value in rows[-1].items()), flush=True)
    command = f"benchmarks/driver_cost.py --sizes {' '.join(map(str, given.sizes))}"
    write_result(given.out, {"command": command, "rows": rows, **describe_machine()})


def measure(size: int, more: int) -> dict[str, Any]:
    """Return milliseconds a trial from ask to tell, in all and by part; tables stand apart."""
    with tempfile.TemporaryDirectory() as folder, timed_parts() as seconds:
        run = RunFolder(Path(folder))
        overrides = ["name=cost", f"search.trials={size + more}"]
        config = load_config(Path("configs/default.yaml"), overrides)
        study = filled(run, config, size)
        started = now()
        executor = AtOnce()
        search = driver.run_search(study, run, executor)
        next(search)  # reads the study, and mirrors it in memory
        first, seconds_before = now(), dict(seconds)
        for _ in search:
            pass
        passed = now() - first - executor.seconds
    parts = {name: seconds[name] - seconds_before.get(name, 0.0) for name in PARTS}
    tables = parts.pop("tables")
    # All of the new trials end in this time, and all but the first are asked in it.
    asking = sum(parts[name] for name in ASKING)
    whole = asking / (more - 1) + (passed - tables - asking) / more
    shares = {n: spent / (more - 1 if n in ASKING else more) for n, spent in parts.items()}
    return {
        "trials": size,
        "ask_to_tell_ms": round(1e3 * whole, 1),
        **{f"{name}_ms": round(1e3 * share, 1) for name, share in shares.items()},
        "opening_s": round(first - started, 2),
        "tables_s": round(tables, 2),
    }


@contextmanager
def timed_parts() -> Iterator[dict[str, float]]:
    """Time the functions of `PARTS` wherever they are called."""
    seconds: defaultdict[str, float] = defaultdict(float)
    plain = {name: getattr(owner, function) for name, (owner, function) in PARTS.items()}

    def timed(name: str) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            started = now()
            try:
                return plain[name](*args, **kwargs)
            finally:
                seconds[name] += now() - started

        return run

    for name, (owner, function) in PARTS.items():
        setattr(owner, function, timed(name))
    try:
        yield seconds
    finally:
        for name, (owner, function) in PARTS.items():
            setattr(owner, function, plain[name])


def facts(config: Config) -> Facts:
    """Return what is fixed of a study of CIFAR-10."""
    resolved = {"device": "cpu", "precision": "fp32", "threads": 1, "retrain_threads": 1}
    sizes = {"all": 60_000, "train": 45_000, "validation": 5_000, "test": 10_000}
    names = [str(number) for number in range(CLASSES)]
    pairs = ("train_validation", "train_test", "validation_test", "within_train")
    data = {
        "class_names": names,
        "pictures": {part: dict.fromkeys(names, size // CLASSES) for part, size in sizes.items()},
        "totals": sizes,
        "majority_accuracy": {"validation": 0.1, "test": 0.1},
        "duplicates": dict.fromkeys(pairs, 0),
        "skipped": 0,
        "ignored": 0,
        "shape": list(SHAPE),
        "fingerprint": "made up",
    }
    return Facts(config.plain(), resolved, data)


def filled(run: RunFolder, config: Config, size: int) -> Study:
    """Return a study with so many complete trials, each with five epochs."""
    database = Database(path=run.study)
    study = create_study(database, config.name, facts(config))
    drawn = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    trials = []
    for _ in range(size):
        values = drawn.ask(distributions(study.space)).params
        candidate = study.space.candidate(values)
        epochs = made_epochs(candidate, 5)
        attributes = {
            "candidate": candidate.to_json(),
            "kind": "random",
            "parameters": 1,
            "macs": 1,
            "layers": [],
            "repeats": None,
            "epochs": [epoch.to_json() for epoch in epochs],
            "outcome": {"state": "complete", "reason": ""},
        }
        trials.append(
            optuna.trial.create_trial(
                params=values,
                distributions=distributions(study.space),
                value=epochs[-1].measured.accuracy,
                user_attrs=attributes,
                intermediate_values={e.number: e.measured.accuracy for e in epochs},
            )
        )
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as fast:
        path = Path(fast) / "study.db"
        shutil.copyfile(run.study, path)
        optuna.load_study(storage=f"sqlite:///{path}", study_name=config.name).add_trials(trials)
        shutil.copyfile(path, run.study)
    return open_study(database, config.name)


if __name__ == "__main__":
    main()
