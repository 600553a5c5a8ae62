"""A run folder as search and retrain write it, made up in milliseconds: nothing is trained."""

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from nas_cifar10.config.load import config_from_plain
from nas_cifar10.config.schema import Config
from nas_cifar10.data import album
from nas_cifar10.networks.cost import cost
from nas_cifar10.runs.asked import Asked, write_asked
from nas_cifar10.runs.files import read_json, write_atomic, write_csv, write_json, write_text
from nas_cifar10.runs.folder import RunFolder
from nas_cifar10.space.candidate import Candidate
from nas_cifar10.space.search_space import Choice, Dimension, IntegerRange, SearchSpace, Value
from nas_cifar10.training import metrics

OBJECTS = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
TRIALS = ("pruned", "complete", "pruned", "complete", "pruned") * 2
COLUMNS = [
    "trial",
    "state",
    "reason",
    "kind",
    "validation_accuracy",
    "epochs",
    "parameters",
    "macs",
    "fingerprint",
]
STATES = ["complete", "pruned", "failed", "infeasible", "repeated"]


@dataclass(frozen=True)
class MadeRun:
    """What a made-up run is like; the defaults are CIFAR-10's."""

    name: str = "default"
    source: str = "cifar10"
    class_names: Sequence[str] = tuple(OBJECTS)
    num_pictures: int = 60_000
    size: tuple[int, int] = (32, 3)
    states: Sequence[str] = TRIALS
    num_epochs: int = 5
    startup_trials: int = 4
    objective: str = "accuracy"
    monitor: str = "test"
    retrain_epochs: int = 30
    retrained: int = 1
    num_samples: int = 25
    test: bool = True
    predicted: bool = False
    space: dict[str, Any] = field(default_factory=dict)

    def config(self) -> Config:
        return config_from_plain(
            {
                "name": self.name,
                "data": {"source": self.source, "image_size": self.size[0]},
                "space": {
                    "depth": [2, 3] if self.source == "digits" else [2, 3, 4],
                    "training": {"learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}},
                }
                | self.space,
                "training": {"epochs": self.num_epochs, "precision": "fp32", "threads": 1},
                "search": {
                    "trials": max(1, len(self.states)),
                    "objective": self.objective,
                    "sampler": {"startup_trials": self.startup_trials},
                },
                "retrain": {
                    "epochs": self.retrain_epochs,
                    "monitor": self.monitor,
                    "test": self.test,
                },
            }
        )

    def write(self, root: Path) -> RunFolder:
        """Write all files of the run."""
        run = RunFolder(root)
        write_text(run.config, yaml.safe_dump(self.config().plain(), allow_unicode=True))
        environment: dict[str, Any] = {
            "versions": {},
            "commit": None,
            "device": "cpu",
            "precision": "fp32",
        }
        write_json(run.environment, environment | {"threads": 1, "started_at": "2026-11-23"})
        write_json(run.data, self.data())
        self.write_samples(run)
        self.write_search(run)
        self.write_retrain(run)
        if self.predicted:
            self.write_predictions(run)
        return run

    def counts(self) -> dict[str, dict[str, int]]:
        shares = {"all": 1.0, "train": 0.75, "validation": 1 / 12, "test": 1 / 6}
        each = self.num_pictures / len(self.class_names)
        return {
            part: {name: round(each * share) for name in self.class_names}
            for part, share in shares.items()
        }

    def data(self) -> dict[str, Any]:
        counts, (side, channels) = self.counts(), self.size
        majority = 1 / len(self.class_names)
        pairs = ("train_validation", "train_test", "validation_test", "within_train")
        return {
            "class_names": list(self.class_names),
            "pictures": counts,
            "totals": {part: sum(counts[part].values()) for part in counts},
            "majority_accuracy": {"validation": majority, "test": majority},
            "shape": [channels, side, side],
            "fingerprint": "0" * 64,
            "duplicates": dict.fromkeys(pairs, 0),
            "skipped": 0,
            "ignored": 0,
        }

    def write_samples(self, run: RunFolder) -> None:
        side, channels = self.size
        shape = self.num_samples, side, side, channels
        images = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
        save(run, images, np.arange(self.num_samples) % len(self.class_names))

    def write_search(self, run: RunFolder) -> None:
        config, random = self.config(), np.random.default_rng(0)
        space = SearchSpace.from_config(config.space)
        trials, curves, found = [], [], {}
        for number, state in enumerate(self.states):
            candidate = space.sample(lambda _, dimension: drawn(random, dimension))
            num_epochs = {"complete": self.num_epochs, "pruned": 1 + number % 2}.get(state, 0)
            values = learned(candidate, num_epochs, random)
            trials.append(self.trial(number, state, candidate, values, space))
            curves += [curve_row(number, e, value) for e, value in enumerate(values, start=1)]
            found[number] = described(trials[-1], candidate)
        f1 = ["validation_macro_f1"] if self.objective == "macro_f1" else []
        clock = ["train_seconds", "started_at", "worker"]
        write_csv(run.trials, [*COLUMNS, *space.dimensions, *f1, *clock], trials)
        columns = ["trial", "epoch", "train_loss", "train_accuracy", "validation_loss"]
        write_csv(run.curves, [*columns, "validation_accuracy", *f1, "epoch_seconds"], curves)
        complete = [t for t in trials if t["state"] == "complete"]
        best = max(complete, key=lambda t: t["validation_accuracy"], default=None)
        write_json(run.search, self.totals(trials, best and found[best["trial"]], space))

    def trial(
        self,
        number: int,
        state: str,
        candidate: Candidate,
        values: list[float],
        space: SearchSpace,
    ) -> dict[str, Any]:
        return {
            "trial": number,
            "state": state,
            "reason": "loss is nan" if state == "failed" else "",
            "kind": "random" if number < self.startup_trials else "model_based",
            "validation_accuracy": values[-1] if values else None,
            "validation_macro_f1": values[-1] - 0.02 if values else None,
            "epochs": len(values),
            "parameters": 154_506,
            "macs": 19_400_000,
            "fingerprint": candidate.fingerprint(),
            **space.used_values(candidate),
            "train_seconds": 12.5,
            "started_at": "2026-11-23T10:00:00+00:00",
            "worker": 0,
        }

    def totals(
        self, trials: list[dict[str, Any]], best: dict[str, Any] | None, space: SearchSpace
    ) -> dict[str, Any]:
        states, kinds = Counter(self.states), Counter(trial["kind"] for trial in trials)
        share = 1 / (2 ** len(space.dimensions) - 1)
        return {
            "trials": {"requested": max(1, len(self.states))}
            | {state: states[state] for state in STATES}
            | {kind: kinds[kind] for kind in ("random", "model_based", "local", "baseline")},
            "epochs": {
                "trained": sum(trial["epochs"] for trial in trials),
                "full_budget": max(1, len(self.states)) * self.num_epochs,
            },
            "seconds": 312.4,
            "stopped": None,
            "network": self.layers(best["candidate"]) if best else [],
            "importances": {n: share * 2**i for i, n in enumerate(space.dimensions)},
            "best": best,
            "baseline": None,
        }

    def layers(self, candidate: dict[str, Any]) -> list[dict[str, Any]]:
        side, channels = self.size
        architecture = Candidate.from_json(candidate).architecture
        found = cost(architecture, (channels, side, side), len(self.class_names))
        return [layer.to_json() for layer in found.layers]

    def write_predictions(self, run: RunFolder) -> None:
        """Write what a network might have said, pictures to it, and what it is worth."""
        stored, random = read_json(run.retrain.metrics), np.random.default_rng(3)
        part = "test" if "test" in stored else "validation"
        matrix, num = np.array(stored["confusion_matrix"]), len(self.class_names)
        labels = np.repeat(np.arange(num), matrix.sum(axis=1))
        said = np.concatenate([np.repeat(np.arange(num), row) for row in matrix])
        probabilities = random.dirichlet(np.full(num, 0.4), len(said))
        surest = probabilities.argmax(axis=1)
        rows = np.arange(len(said))
        highest = probabilities[rows, surest].copy()
        probabilities[rows, surest] = probabilities[rows, said]
        probabilities[rows, said] = highest
        found = probabilities.astype(np.float32)
        content, names = io.BytesIO(), np.array(self.class_names)
        np.savez_compressed(content, probabilities=found, labels=labels, class_names=names)
        write_atomic(run.retrain.predictions, content.getvalue())
        stored[part] = metrics.summary(found, labels, 0)
        stored["per_class"] = metrics.per_class(found, labels, self.class_names)
        stored["confusion_matrix"] = metrics.confusion(found, labels)
        write_json(run.retrain.metrics, stored)
        self.write_model(run)
        side, channels = self.size
        shown = album.choose(found, labels)
        images = random.integers(0, 256, (len(shown), side, side, channels), np.uint8)
        album.keep(run.pictures, shown_images=album.reduced(images), shown_rows=shown)

    def write_model(self, run: RunFolder) -> None:
        best = read_json(run.search)["best"]["candidate"]
        provenance = {"fingerprint": Candidate.from_json(best).fingerprint()}
        described = {"architecture": best["architecture"], "provenance": provenance}
        write_json(run.retrain.description, described | {"layers": self.layers(best)})

    def write_retrain(self, run: RunFolder) -> None:
        epochs = np.arange(1, self.retrain_epochs + 1)
        train = 0.985 - 0.55 * np.exp(-epochs / 8)
        watched = 0.735 - 0.25 * np.exp(-epochs / 3)
        rows = [row_of("train", accuracy, 3.2) for accuracy in train]
        if self.monitor != "none":
            pairs = zip(rows, watched, strict=True)
            rows = [row | row_of(self.monitor, accuracy, 3.8) for row, accuracy in pairs]
        rows = [{"epoch": e} | row for e, row in enumerate(rows, start=1)]
        write_csv(run.retrain.history, [*rows[0], "epoch_seconds"], rows)
        write_json(run.retrain.metrics, self.metrics())
        write_asked(run.asked, Asked(), complete=True)

    def metrics(self) -> dict[str, Any]:
        table = {"train": {"accuracy": 0.97, "loss": 0.1}, "epochs": self.retrain_epochs}
        table |= {"parameters": 154_506, "macs": 19_400_000, "seconds": 184.0}
        table["trial"] = self.retrained
        part = "test" if self.test else "validation" if self.monitor == "validation" else None
        if part is None:
            return table
        matrix = self.confusion(sum(self.counts()[part].values()) // len(self.class_names))
        right, support = np.diag(matrix), matrix.sum(axis=1)
        precision, recall = right / np.maximum(matrix.sum(axis=0), 1), right / support
        f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-9)
        per_class = {
            name: {"precision": p, "recall": r, "f1": f, "support": int(s)}
            for name, p, r, f, s in zip(
                self.class_names, precision, recall, f1, support, strict=True
            )
        }
        accuracy = float(right.sum() / matrix.sum())
        scores = {
            "accuracy": accuracy,
            "accuracy_ci95": [max(0, accuracy - 0.009), min(1, accuracy + 0.009)],
            "majority_accuracy": 1 / len(self.class_names),
            "loss": 0.9,
            "macro_precision": float(precision.mean()),
            "macro_recall": float(recall.mean()),
            "macro_f1": float(f1.mean()),
            "auc_ovr_macro": 0.961,
        }
        return {
            part: scores,
            "per_class": per_class,
            "confusion_matrix": matrix.tolist(),
            **table,
        }

    def confusion(self, each: int) -> Any:
        random, num = np.random.default_rng(2), len(self.class_names)
        recall = random.uniform(0.55, 0.88, num)
        chances = random.dirichlet(np.full(num, 0.6), num) * (1 - recall)[:, None]
        chances[np.arange(num), np.arange(num)] += recall
        return np.stack([random.multinomial(max(each, 1), row) for row in chances])


def drawn(random: np.random.Generator, dimension: Dimension) -> Value:
    if isinstance(dimension, Choice):
        return dimension.values[int(random.integers(len(dimension.values)))]
    if isinstance(dimension, IntegerRange):
        return int(random.choice(np.arange(dimension.low, dimension.high + 1, dimension.step)))
    low, high = np.log(dimension.low), np.log(dimension.high)
    return float(np.exp(random.uniform(low, high)))


def learned(candidate: Candidate, num_epochs: int, random: np.random.Generator) -> list[float]:
    rate = dict(candidate.training).get("learning_rate", 1e-3)
    width = candidate.architecture.blocks[0].channels
    top = 0.74 - 0.08 * abs(np.log10(rate) + 2.95) - 0.6 / width + random.normal(0, 0.008)
    return [float(np.clip(top - 0.35 * 0.55**e, 0, 1)) for e in range(1, num_epochs + 1)]


def curve_row(trial: int, epoch: int, value: float) -> dict[str, Any]:
    return {
        "trial": trial,
        "epoch": epoch,
        "train_loss": 1.9 / epoch,
        "train_accuracy": value,
        "validation_loss": 2 / epoch,
        "validation_accuracy": value,
        "validation_macro_f1": value - 0.02,
        "epoch_seconds": 2.5,
    }


def described(trial: dict[str, Any], candidate: Candidate) -> dict[str, Any]:
    kept = {key: trial[key] for key in ("trial", "validation_accuracy", "parameters", "macs")}
    return kept | {"candidate": candidate.to_json()}


def row_of(part: str, accuracy: float, steepness: float) -> dict[str, float]:
    auc = 1 - (1 - accuracy) ** 2 / 2
    loss = steepness * (1 - accuracy)
    return {f"{part}_loss": loss, f"{part}_accuracy": accuracy, f"{part}_auc": auc}


def save(run: RunFolder, images: Any, labels: Any) -> None:
    content = io.BytesIO()
    np.savez_compressed(content, sample_images=images, sample_labels=labels)
    write_atomic(run.pictures, content.getvalue())
