"""Play studies on real learning curves: what a schedule costs, and what it loses.

    python benchmarks/replay.py --curves benchmarks/results/curves.csv

A study draws some networks of the table of `curves.py` at random and lets a schedule decide, on
the curves as they were measured. Its regret is how far the network it ends with, at the last
epoch, stays behind the best of those drawn: what training all of them to the end would have found.
"""

import argparse
import csv
import math
import random
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from measuring import describe_machine, write_result
from nas_cifar10.search.schedules import Halving, Hyperband, NoSchedule, Schedule

COHORT = 5
FACTOR = 3
Curve = list[float]
Played = tuple[int, float]  # epochs trained, the last value of the network it ends with


def main() -> None:
    """Play, print and keep a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--curves", type=Path, default=Path("benchmarks/results/curves.csv"))
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--trials", type=int, nargs="+", default=[10, 50])
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/replay.json"))
    given = parser.parse_args()
    curves = read(given.curves)
    rows = [row for trials in given.trials for row in table(curves, trials, given.studies)]
    for row in rows:
        print(
            f"{row['trials']:3} trials  {row['schedule']:28} {row['epochs_share']:6.1%} of epochs  "
            f"regret {100 * row['regret']:.2f} ± {100 * row['standard_error']:.2f} points"
        )
    write_result(
        given.out,
        {
            "command": f"benchmarks/replay.py --curves {given.curves} --studies {given.studies}",
            "networks": len(curves),
            "studies": given.studies,
            "rows": rows,
            **describe_machine(),
        },
    )


def read(path: Path) -> list[Curve]:
    """Return every curve of the table, epoch 1 first."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    epochs = [name for name in rows[0] if name.startswith("epoch_")]
    return [[float(row[name]) for name in epochs] for row in rows]


def table(curves: list[Curve], trials: int, studies: int) -> list[dict[str, Any]]:
    """Play the same studies under every schedule."""
    epochs = len(curves[0])
    drawn = [random.Random(seed).sample(curves, trials) for seed in range(studies)]
    # As many as halving can afford: all for one epoch, then this many to the end.
    kept = max(1, round((halving_epochs(epochs, trials) - trials) / (epochs - 1)))
    players: dict[str, Callable[[int, list[Curve]], Played]] = {
        "none": lambda seed, own: play(own, NoSchedule(epochs)),
        "hyperband": lambda seed, own: play(own, Hyperband(f"study {seed}", epochs, FACTOR)),
        "halving": lambda seed, own: play(own, Halving(epochs, FACTOR, COHORT)),
        f"one epoch, then the top {kept}": lambda seed, own: one_epoch(own, kept),
    }
    rows = []
    for name, player in players.items():
        played = [player(seed, own) for seed, own in enumerate(drawn)]
        regrets = [
            max(curve[-1] for curve in own) - found
            for own, (_, found) in zip(drawn, played, strict=True)
        ]
        rows.append(
            {
                "trials": trials,
                "schedule": name,
                "epochs_share": statistics.mean(n for n, _ in played) / (trials * epochs),
                "regret": statistics.mean(regrets),
                "standard_error": statistics.stdev(regrets) / math.sqrt(studies),
            }
        )
    return rows


def halving_epochs(epochs: int, trials: int) -> int:
    """Return what halving trains when no two values are equal."""
    rising = [[float(number)] * epochs for number in range(trials)]
    return play(rising, Halving(epochs, FACTOR, COHORT))[0]


def play(curves: list[Curve], schedule: Schedule) -> Played:
    """Let a schedule decide as the driver does: a cohort at a time, round by round."""
    reports: dict[int, Curve] = {}
    for first in range(0, len(curves), COHORT):
        alive = list(range(first, min(first + COHORT, len(curves))))
        stop = 0
        while alive:
            for number in alive:
                reports[number] = curves[number][: schedule.decision_epochs(number)[stop]]
            alive = [
                number
                for number in alive
                if (epoch := len(reports[number])) < len(curves[number])
                and schedule.goes_on(number, epoch, reports)
            ]
            stop += 1
    complete = [seen[-1] for seen in reports.values() if len(seen) == len(curves[0])]
    return sum(len(seen) for seen in reports.values()), max(complete)


def one_epoch(curves: list[Curve], kept: int) -> Played:
    """Train all for one epoch and the best few to the end (the baseline of arXiv 2404.04111)."""
    best = sorted(curves, key=lambda curve: -curve[0])[:kept]
    return len(curves) + kept * (len(curves[0]) - 1), max(curve[-1] for curve in best)


if __name__ == "__main__":
    main()
