"""Where one driver saturates: a real search with up to 1,000 workers that only pretend to train.

    python benchmarks/scale.py --workers 1 10 100 1000 --repeats 3

Driver, sampler, study (SQLite), tables and checkpoints on disk are the real ones, at the real speed
of this machine. Only workers are virtual. A virtual worker that has a segment is busy for as long
as one of the five recorded networks nearest in MACs took for an epoch (`results/curves.csv`, scaled
to a mean of 30 s), and gives back made-up epochs and a checkpoint of the size that Adam's would
have.

The clock is that of a discrete-event simulation. While the driver computes or waits for its disk,
the clock runs on by the real time that takes; when nothing is left for it to do, the clock jumps to
the moment when the next worker is done. So 1,000 workers with segments of 30 s are measured in
minutes, and the driver's speed counts in full: while it is slow, workers that are done stay idle.
What is left out: carrying checkpoints between driver and workers, and the time that the driver was
ready to run while other work on this machine had its core.

Workers are idle for two reasons, told apart: a cohort ends when its last trial does (`at_best`, the
utilisation that the same segments would have with a driver that takes no time), and the driver.
"""

import argparse
import bisect
import csv
import functools
import heapq
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from driver_cost import CLASSES, SHAPE, facts, made_epochs
from measuring import core_waits, describe_machine, spread, write_result
from nas_cifar10.config.load import load_config
from nas_cifar10.config.schema import Config
from nas_cifar10.networks.cost import cost
from nas_cifar10.runs.database import Database
from nas_cifar10.runs.folder import RunFolder
from nas_cifar10.search.driver import run_search
from nas_cifar10.segment import Segment, Trained
from nas_cifar10.space.candidate import Architecture
from nas_cifar10.study.rows import Trial
from nas_cifar10.study.storage import create_study
from nas_cifar10.study.study import Study

CURVES = Path("benchmarks/results/curves.csv")
NEIGHBOURS = 5
ADAM = 3 * 4  # bytes a parameter: the weight and two moments
STEP = 64_000  # checkpoints of about one size share their bytes: no worker here has its own memory
HISTORY = (0, 100, 300, 1000, 2000, 3000, 4000, 6000, 8000)  # ask latency is told between these


class Clock:
    """The time of the simulation: the driver's own, and what it would have waited."""

    def __init__(self) -> None:
        """Start at 0."""
        self._skipped = core_waits() - time.perf_counter()
        self.waited = 0.0

    def now(self) -> float:
        """Return seconds; it runs on while the driver works, on a core to itself."""
        return time.perf_counter() - core_waits() + self._skipped

    def stop(self) -> tuple[float, float]:
        """Remember a moment, from which on no work is the driver's."""
        return self.now(), time.process_time()

    def go_on(self, moment: float) -> None:
        """Let it be this moment, wherever the clock has run to."""
        self._skipped += moment - self.now()


class Recorded:
    """How long epochs of recorded networks took, by MACs."""

    def __init__(self, path: Path, mean_seconds: float) -> None:
        """Scale them to this mean."""
        with path.open(encoding="utf-8", newline="") as file:
            rows = [(int(r["macs"]), float(r["seconds"])) for r in csv.DictReader(file)]
        scale = mean_seconds / statistics.mean(seconds for _, seconds in rows)
        self._rows = sorted((macs, seconds * scale) for macs, seconds in rows)

    def draw(self, macs: int, generator: random.Random) -> float:
        """Return what one of the nearest took."""
        place = bisect.bisect(self._rows, (macs, 0.0))
        first = min(max(place - NEIGHBOURS // 2, 0), len(self._rows) - NEIGHBOURS)
        return generator.choice(self._rows[first : first + NEIGHBOURS])[1]


@dataclass(frozen=True, order=True)
class _Task:
    done_at: float
    number: int
    segment: Segment


class VirtualWorkers:
    """An executor whose workers are busy for as long as recorded ones were, and compute nothing."""

    def __init__(self, workers: int, recorded: Recorded, clock: Clock, seed: int) -> None:
        """Start with all of them idle."""
        self._recorded, self._clock = recorded, clock
        self._seed, self._workers = seed, workers
        self._tasks: list[_Task] = []
        self.seconds: dict[tuple[int, int], float] = {}  # by trial and epoch
        self.cpu = 0.0  # spent here, which is no driver's

    @property
    def free(self) -> int:
        """One for each worker whose result has been taken."""
        return self._workers - len(self._tasks)

    @property
    def busy(self) -> list[Segment | None]:
        """What each worker is at."""
        working: list[Segment | None] = [task.segment for task in self._tasks]
        return working + [None] * self.free

    def submit(self, segment: Segment, checkpoint: bytes | None) -> None:
        """Let an idle worker be busy from now on."""
        now, cpu = self._clock.stop()
        macs, _ = counted(segment.candidate.architecture)
        generator = random.Random(f"{self._seed} {segment.trial} {segment.stop}")
        seconds = self._recorded.draw(macs, generator)
        heapq.heappush(self._tasks, _Task(now + seconds, len(self.seconds), segment))
        self.seconds[segment.trial, segment.stop] = seconds
        self._end(now, cpu)

    def result(self) -> tuple[int, Trained]:
        """Return what was done first; where nothing is yet, the clock jumps to when it is."""
        now, cpu = self._clock.stop()
        task = heapq.heappop(self._tasks)
        self._clock.waited += max(task.done_at - now, 0.0)
        segment = task.segment
        _, size = counted(segment.candidate.architecture)
        trained = Trained(made_epochs(segment.candidate, segment.stop), content(size))
        self._end(max(now, task.done_at), cpu)
        return segment.trial, trained

    def _end(self, moment: float, cpu: float) -> None:
        self.cpu += time.process_time() - cpu
        self._clock.go_on(moment)


@functools.cache
def counted(architecture: Architecture) -> tuple[int, int]:
    """Return a network's MACs, and the bytes of its checkpoint."""
    price = cost(architecture, SHAPE, CLASSES)
    return price.macs, (price.parameters * ADAM // STEP + 1) * STEP


@functools.cache
def content(size: int) -> bytes:
    """Return bytes that no file system makes smaller."""
    return random.Random(size).randbytes(size)


def at_best(
    trials: Sequence[Trial], seconds: dict[tuple[int, int], float], workers: int, cohort: int
) -> float:
    """Return the utilisation with a driver that takes no time, cohort by cohort, most work first.

    Without a schedule a cohort is one round.
    """
    now = 0.0
    for first in range(0, len(trials), cohort):
        waiting = [(-t.macs * len(t.epochs), t.number, 1) for t in trials[first : first + cohort]]
        heapq.heapify(waiting)
        free, running = workers, list[tuple[float, int, int]]()
        while waiting or running:
            while waiting and free:
                _, trial, epoch = heapq.heappop(waiting)
                heapq.heappush(running, (now + seconds[trial, epoch], trial, epoch))
                free -= 1
            now, trial, epoch = heapq.heappop(running)
            free += 1
            left = len(trials[trial].epochs) - epoch
            if left:
                heapq.heappush(waiting, (-trials[trial].macs * left, trial, epoch + 1))
    return sum(seconds.values()) / (workers * now)


def measure(workers: int, config: Config, mean_seconds: float, seed: int) -> dict[str, Any]:
    """Run one search."""
    asks: list[tuple[int, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder(Path(folder))
        study = create_study(Database(path=run.study), config.name, facts(config))
        empty = run.study.stat().st_size
        clock, started = Clock(), time.perf_counter()
        executor = VirtualWorkers(workers, Recorded(CURVES, mean_seconds), clock, seed)
        cpu = time.process_time()
        with patch("time.monotonic", clock.now), timed_draws(asks):
            for _ in run_search(study, run, executor):
                pass
        passed, cpu = clock.now(), time.process_time() - cpu - executor.cpu
        real = time.perf_counter() - started
        stored = run.study.stat().st_size - empty
        trials = study.trials()
    assert {trial.state for trial in trials} <= {"complete", "repeated"}
    assert len(executor.seconds) == sum(len(trial.epochs) for trial in trials)
    busy, driving = sum(executor.seconds.values()), passed - clock.waited
    return {
        "utilisation": busy / (workers * passed),
        "at_best": at_best(trials, executor.seconds, workers, config.search.cohort),
        "driver_busy": driving / passed,
        "driver_cpu": cpu / passed,
        "driver_ms_a_segment": 1e3 * driving / len(executor.seconds),
        "driver_cpu_ms_a_segment": 1e3 * cpu / len(executor.seconds),
        "segment_seconds": busy / len(executor.seconds),
        "bytes_a_trial": stored / len(trials),
        "searched_seconds": passed,
        "measured_seconds": real,
        "draw_ms_by_history": by_history(asks),
    }


class timed_draws:
    """Note the trials there were, and the seconds, of every draw."""

    def __init__(self, noted: list[tuple[int, float]]) -> None:
        """Note it here."""
        plain = Study.propose

        def propose(study: Study, number: int, *rest: Any) -> Any:
            started = time.perf_counter()
            proposal = plain(study, number, *rest)
            noted.append((number, time.perf_counter() - started))
            return proposal

        self._patch = patch.object(Study, "propose", propose)

    def __enter__(self) -> None:
        """Begin."""
        self._patch.__enter__()

    def __exit__(self, *error: Any) -> None:
        """End."""
        self._patch.__exit__(*error)


def by_history(asks: Sequence[tuple[int, float]]) -> dict[str, float]:
    """Return the median milliseconds of a draw, by how many trials there were."""
    found = {}
    for first, end in zip(HISTORY, (*HISTORY[1:], 10**9), strict=True):
        here = [seconds for number, seconds in asks if first <= number < end]
        if here:
            found[f"from {first}"] = round(1e3 * statistics.median(here), 2)
    return found


def searched(workers: int, given: argparse.Namespace) -> Config:
    """Return the config of a search for so many workers."""
    cohort = max(given.cohort * workers, 5)
    overrides = [
        "name=scale",
        f"search.trials={given.cohorts * cohort}",
        f"search.cohort={cohort}",
        "search.schedule.name=none",
        f"training.epochs={given.epochs}",
    ]
    return load_config(Path("configs/default.yaml"), overrides)


def main() -> None:
    """Measure every number of workers, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 10, 100, 1000])
    parser.add_argument("--cohort", type=int, default=4, help="trials a worker in a cohort")
    parser.add_argument("--cohorts", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=5, help="segments a trial")
    parser.add_argument("--seconds", type=float, default=30.0, help="a segment's mean")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--note", default="", help="kept with the result")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/scale.json"))
    given = parser.parse_args()
    rows = []
    for workers in given.workers:
        config = searched(workers, given)
        runs = [measure(workers, config, given.seconds, seed) for seed in range(given.repeats)]
        rows.append(summed_up(workers, config, runs))
        print("  ".join(f"{name} {value}" for name, value in rows[-1].items()), flush=True)
    command = (
        f"benchmarks/scale.py --workers {' '.join(map(str, given.workers))} --cohort {given.cohort}"
        f" --cohorts {given.cohorts} --epochs {given.epochs} --seconds {given.seconds:g}"
        f" --repeats {given.repeats}"
    )
    result = {"command": command, "note": given.note, "rows": rows, **describe_machine()}
    write_result(given.out, result)


def summed_up(workers: int, config: Config, runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return one row of the result: the spread of every number over the repeats."""
    row: dict[str, Any] = {
        "workers": workers,
        "trials": config.search.trials,
        "cohort": config.search.cohort,
        "repeats": len(runs),
    }
    for name, value in runs[0].items():
        if isinstance(value, float):
            found = spread([run[name] for run in runs])
            row[name] = {key: round(number, 4) for key, number in found.items()}
        else:
            row[name] = value  # of the first
    return row


if __name__ == "__main__":
    main()
