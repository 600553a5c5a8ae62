"""Train random candidates of the plain space and keep their learning curves as one table.

    python benchmarks/curves.py --root data/cifar --out benchmarks/results/curves.csv

Draws distinct architectures, each with its own learning rate from the space's range, and trains
all of them for all epochs, without pruning. `replay.py` plays studies on the table.
"""

import argparse
import csv
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from measuring import describe_machine, write_result
from nas_cifar10.config.load import load_config
from nas_cifar10.config.schema import Config
from nas_cifar10.data.dataset import read
from nas_cifar10.data.describe import describe
from nas_cifar10.data.parts import search_parts
from nas_cifar10.networks.cost import cost
from nas_cifar10.search.executors import open_executor
from nas_cifar10.segment import SEARCH, Segment, Trained
from nas_cifar10.space.candidate import Architecture, Candidate
from nas_cifar10.space.search_space import Choice, Dimension, RealRange, SearchSpace, Value

PRECISION = "bf16"


def main() -> None:
    """Draw, train, write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", default="data/cifar")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/curves.csv"))
    parser.add_argument("--networks", type=int, default=150)
    parser.add_argument("--limit", type=int, default=12_000, help="train + validation pictures")
    parser.add_argument("--validation", type=int, default=4_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=2026)
    given = parser.parse_args()
    overrides = [
        "data.source=image_folder",
        f"data.root={given.root}",
        f"data.limit={given.limit}",
        f"data.validation_images={given.validation}",
        f"seed={given.seed}",
    ]
    config = load_config(Path("configs/default.yaml"), overrides)
    candidates = draw(config, given.networks)
    started = time.monotonic()
    rows = train(config, candidates, given.workers)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    with given.out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    write_result(
        given.out.with_suffix(".json"),
        {
            "command": f"benchmarks/curves.py --networks {given.networks} --limit {given.limit} "
            f"--validation {given.validation} --seed {given.seed} --workers {given.workers}",
            "pictures": "CIFAR-10 (JPEG)",
            "precision": PRECISION,
            "threads": 1,
            "epochs": config.training.epochs,
            "seconds": round(time.monotonic() - started, 1),
            **describe_machine(),
        },
    )


def draw(config: Config, number: int) -> list[Candidate]:
    """Draw as a random search does, leaving out architectures that were drawn before."""
    space = SearchSpace.from_config(config.space)
    generator = np.random.default_rng(config.seed)

    def suggest(name: str, dimension: Dimension) -> Value:
        place = generator.random()
        if isinstance(dimension, Choice):
            return dimension.values[int(place * len(dimension.values))]
        assert isinstance(dimension, RealRange)
        return float(dimension.low * (dimension.high / dimension.low) ** place)

    found: dict[Architecture, Candidate] = {}
    while len(found) < number:
        candidate = space.sample(suggest)
        found.setdefault(candidate.architecture, candidate)
    return list(found.values())


def train(config: Config, candidates: list[Candidate], workers: int) -> list[dict[str, Any]]:
    """Train every candidate for all epochs; one row each, in the order drawn."""
    data = read(config.data, config.seed)
    fingerprint = describe(data)["fingerprint"]
    pictures = search_parts(data)
    rows: dict[int, dict[str, Any]] = {}
    waiting = list(range(len(candidates)))[::-1]
    with open_executor(pictures, 1, torch.device("cpu"), workers) as executor:
        while len(rows) < len(candidates):
            while waiting and executor.free:
                number = waiting.pop()
                segment = Segment(
                    candidate=candidates[number],
                    training=config.training,
                    data=fingerprint,
                    seed=config.seed,
                    stream=SEARCH,
                    trial=number,
                    stop=config.training.epochs,
                    precision=PRECISION,
                    measure_precision=PRECISION,
                )
                executor.submit(segment, None)
            number, result = executor.result()
            assert isinstance(result, Trained), result
            price = cost(candidates[number].architecture, pictures.shape, pictures.num_classes)
            rows[number] = row(number, candidates[number], price.macs, result)
            print(len(rows), "of", len(candidates), file=sys.stderr)
    return [rows[number] for number in range(len(candidates))]


def row(number: int, candidate: Candidate, macs: int, result: Trained) -> dict[str, Any]:
    """Return one line of the table."""
    blocks = candidate.architecture.blocks
    return {
        "network": number,
        "channels": "-".join(str(block.channels) for block in blocks),
        "kernels": "-".join(str(block.kernel_size) for block in blocks),
        "learning_rate": f"{dict(candidate.training)['learning_rate']:.6g}",
        "macs": macs,
        **{f"epoch_{epoch.number}": epoch.measured.accuracy for epoch in result.epochs},
        "seconds": round(sum(epoch.seconds for epoch in result.epochs), 2),
    }


if __name__ == "__main__":
    main()
