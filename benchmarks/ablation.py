"""What each ingredient of a config's first network is worth: one taken out, the rest as it is.

    python benchmarks/ablation.py --config configs/strong.yaml --width 0.33 --out FILE

Only `search.baseline` is trained, on some of the pictures, as wide as --width says, and measured on
validation; test is not looked at. In each turn everything is trained once with the same seed, so
differences are taken within it: the same split, the same batches, and the same first weights where
the shapes allow. One training runs on each core, which takes less time than one on all of them.
It takes hours; stopped, the same command of the same code goes on from what FILE holds.
"""

import argparse
import copy
import json
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from measuring import describe_machine, mean_and_error, nas, write_result
from nas_cifar10.config.schema import Config
from nas_cifar10.training.precision import num_cores

IN_NETWORK = {"stem", "head", "initialisation"}
IN_BLOCKS = {"norm", "activation", "skip", "convolutions"}
SGD = {"optimizer": "sgd", "momentum": 0.9, "learning_rate": 0.02, "weight_decay": 5e-4}
WHOLE = "nothing"
COMMAND = " ".join(["benchmarks/ablation.py", *sys.argv[1:]])
LEFT_OUT: dict[str, dict[str, Any]] = {
    WHOLE: {},
    "whitening (a plain first convolution)": {"stem": "conv"},
    "maximum over the picture (the mean)": {"head": "average"},
    "Dirac initialisation (torch's)": {"initialisation": "default"},
    "batch normalisation": {"norm": "none"},
    "GELU (ReLU)": {"activation": "relu"},
    "second convolutions": {"convolutions": 1},
    "Muon (Nesterov's SGD)": SGD,
    "falling rate (constant)": {"schedule": "constant"},
    "weight decay": {"weight_decay": 0.0},
    "label smoothing": {"label_smoothing": 0.0},
    "flips": {"flip": "none"},
    "alternating flips (random)": {"flip": "random"},
    "shifts": {"translate": 0},
    "cutout": {"cutout": 0},
}


def main() -> None:
    """Train everything in turns, print and keep the differences."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, default=Path("configs/strong.yaml"))
    parser.add_argument("--root", type=Path, default=Path("data/cifar"))
    parser.add_argument("--limit", type=int, default=15_000)
    parser.add_argument("--validation", type=int, default=5_000)
    parser.add_argument("--width", type=float, default=1.0, help="of the network's channels")
    parser.add_argument("--epochs", type=int, default=11)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    config = yaml.safe_load(given.config.read_text("utf-8"))
    if not config.get("search", {}).get("baseline"):
        parser.error(f"{given.config} names no search.baseline, the network to train")
    whole = reduced(config, given)
    configs = {name: without(whole, change) for name, change in LEFT_OUT.items()}
    plain = Config.model_validate(whole)
    names = [WHOLE, *(n for n in configs if Config.model_validate(configs[n]) != plain)]
    reached: dict[str, list[float]] = {name: [] for name in names} | known(given.out)
    for seed in range(1, given.turns + 1):
        missing = [name for name in names if len(reached[name]) < seed]
        with ThreadPoolExecutor(num_cores()) as cores:
            accuracies = cores.map(partial(accuracy, seed=seed), [configs[n] for n in missing])
            for name, value in zip(missing, accuracies, strict=True):
                reached[name].append(value)
                print(f"seed {seed}  {value:.4f}  without {name}", flush=True)
                keep(given, reached)
    for name in names[1:]:
        print(f"{name:40} {lost(reached, name)}")


def reduced(config: dict[str, Any], given: argparse.Namespace) -> dict[str, Any]:
    """Return a config that is one full trial of its baseline, as wide as said, on some pictures."""
    config["data"] = {
        "source": "image_folder",
        "root": str(given.root.resolve()),
        "limit": given.limit,
        "validation_images": given.validation,
    }
    baseline = config["search"]["baseline"]
    config["search"] = {"trials": 1, "cohort": 1, "schedule": {"name": "none"}}
    config["search"]["baseline"] = {"architecture": baseline["architecture"]}
    for block in baseline["architecture"]["blocks"]:
        block["channels"] = round(block["channels"] * given.width / 16) * 16
    blocks = baseline["architecture"]["blocks"]
    config["space"]["channels"] = sorted({block["channels"] for block in blocks})
    config["training"] |= baseline["training"] | {"epochs": given.epochs, "threads": 1}
    del config["space"]["training"]
    return config


def without(whole: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """Return a config with other values, in the space and in the network where they are there."""
    config = copy.deepcopy(whole)
    network = config["search"]["baseline"]["architecture"]
    for key, value in change.items():
        if key in IN_NETWORK:
            config["space"][key] = network[key] = value
        elif key in IN_BLOCKS:
            config["space"][key] = value
            for block in network["blocks"]:
                block[key] = value
        else:
            config["training"][key] = value
    return config


def accuracy(config: dict[str, Any], seed: int) -> float:
    """Train the config's one network; return its last validation accuracy."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.yaml"
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        words = ["--config", path, "--run", f"{folder}/run", "-q", "--json"]
        said = nas("search", *words, "--set", f"seed={seed}")
    return float(json.loads(said)["best"]["validation_accuracy"])


def lost(reached: dict[str, list[float]], name: str) -> dict[str, float | None]:
    """Return how much accuracy is lost without an ingredient, with its standard error."""
    pairs = zip(reached[WHOLE], reached[name], strict=False)
    return mean_and_error([whole - other for whole, other in pairs])


def known(path: Path) -> dict[str, list[float]]:
    """Return what this very command has reached so far."""
    if not path.exists():
        return {}
    result = json.loads(path.read_text("utf-8"))
    if result["command"] != COMMAND:
        sys.exit(f"{path} is of another command: {result['command']}; name another --out")
    reached: dict[str, list[float]] = result["validation_accuracy"]
    return reached


def keep(given: argparse.Namespace, reached: dict[str, list[float]]) -> None:
    """Write all that is known so far."""
    result = {
        "command": COMMAND,
        "pictures": "CIFAR-10 (JPEG)",
        "validation_accuracy": reached,
        "lost_without": {n: lost(reached, n) for n in reached if n != WHOLE and reached[n]},
    }
    write_result(given.out, result | describe_machine())


if __name__ == "__main__":
    main()
