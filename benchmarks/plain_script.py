"""The peer: the search a competent user writes in an afternoon. Uses nothing of nas-cifar10.

    python benchmarks/plain_script.py --root data/cifar --seed 0

A data set with PIL pictures, ToTensor and Normalize, a DataLoader with two workers, Adam in fp32,
and `study.optimize` with TPE and HyperbandPruner as they come. With --retrain the best network is
then trained for so many epochs on all the pictures and measured on test, with its last weights.
Prints one line of JSON at its end.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch
import torch.nn as nn
import torch.nn.functional as F
from PIL import Image
from torch.utils.data import DataLoader, Dataset, random_split
from torchvision import transforms

EPOCHS = 5


class Pictures(Dataset[tuple[torch.Tensor, int]]):
    """All pictures of a part, decoded once, as torchvision's own CIFAR-10 holds them."""

    def __init__(self, part: Path, limit: int | None = None) -> None:
        """Read `limit` pictures, the same number of each class."""
        folders = sorted(path for path in part.iterdir() if path.is_dir())
        per_class = None if limit is None else limit // len(folders)
        files = [
            (path, label)
            for label, folder in enumerate(folders)
            for path in sorted(folder.iterdir())[:per_class]
        ]
        self.images = [np.asarray(Image.open(path).convert("RGB")) for path, _ in files]
        self.labels = [label for _, label in files]
        self.transform = transforms.Compose(
            [transforms.ToTensor(), transforms.Normalize((0.5,) * 3, (0.5,) * 3)]
        )

    def __len__(self) -> int:
        """Count the pictures."""
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        """Return one picture, normalised, and its label."""
        return self.transform(Image.fromarray(self.images[index])), self.labels[index]


class Net(nn.Module):
    """Two to four blocks of convolution, ReLU and max-pooling, as the trial says."""

    def __init__(self, trial: optuna.trial.BaseTrial) -> None:
        """Ask the trial for every layer."""
        super().__init__()
        layers: list[nn.Module] = []
        channels, size = 3, 32
        for i in range(trial.suggest_int("num_layers", 2, 4)):
            width = trial.suggest_categorical(f"channels_{i}", [16, 32, 64])
            kernel = trial.suggest_categorical(f"kernel_{i}", [3, 5])
            layers += [nn.Conv2d(channels, width, kernel, padding=kernel // 2)]
            layers += [nn.ReLU(), nn.MaxPool2d(2)]
            channels, size = width, size // 2
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(channels * size * size, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits (N, 10)."""
        logits: torch.Tensor = self.classifier(self.features(x).flatten(1))
        return logits


def train_epoch(
    model: nn.Module, optimizer: torch.optim.Optimizer, loader: DataLoader[Any]
) -> None:
    """Take one step a batch."""
    model.train()
    for images, labels in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def accuracy(model: nn.Module, loader: DataLoader[Any]) -> float:
    """Measure the share of right answers."""
    model.eval()
    right = num = 0
    with torch.no_grad():
        for images, labels in loader:
            right += int((model(images).argmax(1) == labels).sum())
            num += len(labels)
    return right / num


def main() -> None:
    """Search, retrain where that is asked for, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=Path("data/cifar"))
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--minutes", type=float, default=None, help="start no trial after these")
    parser.add_argument("--retrain", type=int, default=0, metavar="EPOCHS")
    parser.add_argument("--limit", type=int, default=None)
    parser.add_argument("--validation", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()

    torch.manual_seed(given.seed)
    begun = time.monotonic()
    pictures = Pictures(given.root / "train", given.limit)
    train, validation = random_split(pictures, [len(pictures) - given.validation, given.validation])
    trained = 0

    def objective(trial: optuna.Trial) -> float:
        nonlocal trained
        model = Net(trial)
        rate = trial.suggest_float("lr", 1e-4, 1e-2, log=True)
        optimizer = torch.optim.Adam(model.parameters(), lr=rate)
        train_loader = DataLoader(train, batch_size=128, shuffle=True, num_workers=2)
        validation_loader = DataLoader(validation, batch_size=128, num_workers=2)
        for epoch in range(EPOCHS):
            train_epoch(model, optimizer, train_loader)
            trained += 1
            value = accuracy(model, validation_loader)
            trial.report(value, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return value

    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=given.seed),
        pruner=optuna.pruners.HyperbandPruner(),
    )
    seconds = None if given.minutes is None else 60 * given.minutes
    study.optimize(objective, n_trials=given.trials, timeout=seconds)
    found = {"best": study.best_value, "epochs": trained, **study.best_params}
    if given.retrain:
        found |= {"trials": len(study.trials), "search_seconds": round(time.monotonic() - begun)}
        model = Net(optuna.trial.FixedTrial(study.best_params))
        optimizer = torch.optim.Adam(model.parameters(), lr=study.best_params["lr"])
        loader = DataLoader(pictures, batch_size=128, shuffle=True, num_workers=2)
        for _ in range(given.retrain):
            train_epoch(model, optimizer, loader)
        test = DataLoader(Pictures(given.root / "test"), batch_size=128, num_workers=2)
        found |= {"test": accuracy(model, test), "seconds": round(time.monotonic() - begun)}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
