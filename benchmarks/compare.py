"""The whole search against the plain script: in turns, side by side, on one data set.

Each draws its own validation part of it and, with --limit, its own pictures.

    python benchmarks/compare.py --pairs 3 --out FILE              all of CIFAR-10 (JPEG)
    python benchmarks/compare.py --pairs 5 --limit 12000 --validation 4000 --out FILE

What a Ray cluster costs on one machine, against local processes: its seconds over theirs.

    two=hyperband,search.workers=2,training.threads=1,training.precision=fp32
    python benchmarks/compare.py --pairs 5 --limit 8000 --validation 800 \\
        --contestants $two,search.executor=ray $two --out FILE

Each turn runs every contestant once with the same seed; the clock runs from the start of the
process to its end. Ratios are taken within a turn, since a shared machine changes its pace.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measuring import describe_machine, mean_and_error, nas, spread, write_result

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Turn:
    """What one contestant did in one turn."""

    seconds: float
    best: float
    epochs: int


def main() -> None:
    """Run all turns, print and keep the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", default="data/cifar")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--limit", type=int, default=None)
    parser.add_argument("--validation", type=int, default=5000)
    parser.add_argument("--contestants", nargs="+", default=["plain", "hyperband", "halving"])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--runs", type=Path, help="keep our run folders here")
    given = parser.parse_args()
    seeds = range(given.first_seed, given.first_seed + given.pairs)
    turns: dict[str, list[Turn]] = {name: [] for name in given.contestants}
    for seed in seeds:
        for name in given.contestants:
            run = plain if name == "plain" else ours
            turns[name].append(run(name, seed, given))
            print(f"seed {seed}  {name:20} {turns[name][-1]}", flush=True)
            keep(given, list(seeds), turns)
    for name in given.contestants[1:]:
        print(f"{name}: {compared(turns, name)}")


def plain(name: str, seed: int, given: argparse.Namespace) -> Turn:
    """Run the plain script."""
    command = [sys.executable, str(HERE / "plain_script.py"), "--root", given.root]
    command += ["--seed", str(seed), "--validation", str(given.validation)]
    command += [] if given.limit is None else ["--limit", str(given.limit)]
    started = time.monotonic()
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    seconds = time.monotonic() - started
    found = json.loads(said.splitlines()[-1])
    return Turn(round(seconds, 1), found["best"], found["epochs"])


def ours(name: str, seed: int, given: argparse.Namespace) -> Turn:
    """Run a search; a contestant's name is its schedule, then overrides, joined by commas."""
    schedule, *overrides = name.split(",")
    overrides += ["data.source=image_folder", f"data.root={given.root}", f"seed={seed}"]
    overrides += [f"data.validation_images={given.validation}"]
    overrides += [f"search.schedule.name={schedule}"]
    overrides += [] if given.limit is None else [f"data.limit={given.limit}"]
    if not any(word.startswith("search.workers=") for word in overrides):
        overrides.append("search.workers=auto")
    with tempfile.TemporaryDirectory() as folder:
        run = f"{given.runs or folder}/{name}-{seed}"
        words = ["--config", "configs/default.yaml", "--run", run, "-q", "--json"]
        words += [word for override in overrides for word in ("--set", override)]
        started = time.monotonic()
        said = nas("search", *words)
        seconds = time.monotonic() - started
    found = json.loads(said)
    best = found["best"]["validation_accuracy"]
    return Turn(round(seconds, 1), best, found["epochs"]["trained"])


def compared(turns: dict[str, list[Turn]], name: str) -> dict[str, Any]:
    """Return how a contestant stands to the first one, pair by pair."""
    pairs = list(zip(next(iter(turns.values())), turns[name], strict=False))
    if not pairs:
        return {}
    difference = mean_and_error([other.best - first.best for first, other in pairs])
    return {
        "times_faster": [round(first.seconds / other.seconds, 2) for first, other in pairs],
        "times_faster_spread": spread([first.seconds / other.seconds for first, other in pairs]),
        "accuracy_difference": difference["mean"],
        "standard_error": difference["standard_error"],
    }


def keep(given: argparse.Namespace, seeds: list[int], turns: dict[str, list[Turn]]) -> None:
    """Write all that is known so far: a turn takes minutes, and none should be lost."""
    names = list(turns)
    result = {
        "command": " ".join(["benchmarks/compare.py", *sys.argv[1:]]),
        "pictures": "CIFAR-10 (JPEG)",
        "limit": given.limit,
        "seeds": seeds,
        "turns": {name: [vars(turn) for turn in turns[name]] for name in names},
        "against_" + names[0]: {name: compared(turns, name) for name in names[1:]},
        **describe_machine(),
    }
    write_result(given.out, result)


if __name__ == "__main__":
    main()
