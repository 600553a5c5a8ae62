"""What `retrain.start_from` is worth: one network on few pictures, begun with weights or without.

    python benchmarks/transfer.py --out benchmarks/results/transfer.json

The source learns five classes of CIFAR-10, the target a few pictures of the other five. Each
variant is retrained with the same seeds, that is from the same last layer over the same batches,
and is measured on the same test pictures after every epoch; no epoch is chosen. What is in the
folder already is not made again, and is refused where it was made with other settings.
"""

import argparse
import csv
import json
import statistics
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from measuring import describe_machine, nas, write_result

SOURCE = ("airplane", "automobile", "bird", "cat", "deer")
TARGET = ("dog", "frog", "horse", "ship", "truck")
CONFIG = """\
name: {name}
data: {{source: image_folder, root: {root}}}
space:
  depth: 3
  channels: 64
  kernel_size: 3
  norm: batch
  training: {{learning_rate: 0.001}}
training: {{epochs: 1, flip: random, translate: 2}}
search: {{trials: 1, cohort: 1}}
retrain: {{epochs: {epochs}}}
"""
VARIANTS = {
    "fresh": (),
    "start_from": ("retrain.start_from={source}",),
    "start_from, 1 block frozen": ("retrain.start_from={source}", "retrain.freeze=1"),
    "start_from, 3 blocks frozen": ("retrain.start_from={source}", "retrain.freeze=3"),
}


def main() -> None:
    """Train the source, then every variant, and keep what each reached by its epochs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=Path("data/cifar"))
    parser.add_argument("--folder", type=Path, default=Path("outputs/transfer"))
    parser.add_argument("--source-pictures", type=int, default=2500, help="to learn, a class")
    parser.add_argument("--source-epochs", type=int, default=10)
    parser.add_argument("--pictures", type=int, default=200, help="to learn, a class")
    parser.add_argument("--test-pictures", type=int, default=500, help="a class")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--variants", nargs="*", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    source, target = given.folder / "source", given.folder / "target"
    check_same(given)
    search(given, source, SOURCE, given.source_pictures, given.source_epochs)
    if not (source / "run/retrain/metrics.json").exists():
        nas("retrain", "--run", source / "run", "--set", "retrain.monitor=none")
    search(given, target, TARGET, given.pictures, given.epochs)
    for name in given.variants:
        kept = given.folder / f"{name.replace(' ', '-').replace(',', '')}.json"
        if not kept.exists():
            write_result(kept, retrained(given, target / "run", VARIANTS[name], source / "run"))
        print(f"{name:30} {in_words(json.loads(kept.read_text('utf-8')))}", flush=True)
    keep(given, source / "run")


def settings(given: Any) -> dict[str, str]:
    """Return what decides what is measured."""
    left_out = {"out", "variants", "folder"}
    return {key: str(value) for key, value in vars(given).items() if key not in left_out}


def check_same(given: Any) -> None:
    """Note the settings in the folder, and end where what is there was made with others."""
    noted, asked = given.folder / "settings.json", settings(given)
    if noted.exists() and json.loads(noted.read_text("utf-8")) != asked:
        sys.exit(f"{given.folder}: was made with other settings; name another --folder")
    given.folder.mkdir(parents=True, exist_ok=True)
    noted.write_text(json.dumps(asked), encoding="utf-8")


def search(given: Any, place: Path, classes: Iterable[str], pictures: int, epochs: int) -> None:
    """Lay out some classes as a folder of links, and search a space of one network there."""
    if (place / "run/best.json").exists():
        return
    for part, most in (("train", pictures), ("test", given.test_pictures)):
        for name in classes:
            folder = place / "pictures" / part / name
            folder.mkdir(parents=True, exist_ok=True)
            for path in sorted((given.root / part / name).iterdir())[:most]:
                link = folder / path.name
                if not link.is_symlink():
                    link.symlink_to(path.resolve())
    config = place / "config.yaml"
    text = CONFIG.format(name=place.name, root=place.resolve() / "pictures", epochs=epochs)
    config.write_text(text, encoding="utf-8")
    nas("search", "--config", config, "--run", place / "run", "-q", "--overwrite")


def retrained(given: Any, run: Path, overrides: Iterable[str], source: Path) -> dict[str, Any]:
    """Retrain with every seed; return the test accuracy of each after every epoch."""
    asked = [f"retrain.seeds={given.seeds}", f"retrain.epochs={given.epochs}"]
    asked += [override.format(source=source) for override in overrides]
    nas("retrain", "--run", run, *(word for key in asked for word in ("--set", key)))
    folders = [run / "retrain", *(run / "retrain" / f"seed-{n}" for n in range(1, given.seeds))]
    curves = []
    for folder in folders:
        with (folder / "history.csv").open(encoding="utf-8", newline="") as file:
            curves.append([float(row["test_accuracy"]) for row in csv.DictReader(file)])
    seconds = [json.loads((f / "metrics.json").read_text("utf-8"))["seconds"] for f in folders]
    return {"curves": curves, "seconds": seconds}


def in_words(found: dict[str, Any]) -> str:
    """Return mean and standard deviation over the seeds after some of the epochs."""
    told = []
    last = len(found["curves"][0])
    for epoch in sorted({epoch for epoch in (1, 5, 10, last) if epoch <= last}):
        values = [curve[epoch - 1] for curve in found["curves"]]
        sd = statistics.stdev(values) if len(values) > 1 else 0.0
        told.append(f"{epoch}: {100 * statistics.mean(values):.1f} ± {100 * sd:.1f}")
    return ", ".join(told)


def keep(given: Any, source: Path) -> None:
    """Write what was measured so far."""
    found = {}
    for name in VARIANTS:
        kept = given.folder / f"{name.replace(' ', '-').replace(',', '')}.json"
        if kept.exists():
            found[name] = json.loads(kept.read_text("utf-8"))
    reached = json.loads((source / "retrain/metrics.json").read_text("utf-8"))["test"]["accuracy"]
    result = {"asked": settings(given), "source_test_accuracy": reached, "variants": found}
    write_result(given.out, describe_machine() | result)


if __name__ == "__main__":
    main()
