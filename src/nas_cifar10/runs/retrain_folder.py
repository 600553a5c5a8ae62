"""The names of a retrain's files; knows not what is in them."""

from collections.abc import Iterator
from pathlib import Path


class RetrainFolder:
    """Where a retrained model and its measurement lie."""

    def __init__(self, root: Path) -> None:
        """Name the files of the folder `root`, which need not exist."""
        self.root = root
        self.checkpoint = root / "checkpoint.pt"
        self.model = root / "model.pt"
        self.description = root / "model.json"
        self.history = root / "history.csv"
        self.metrics = root / "metrics.json"
        self.predictions = root / "predictions.npz"
        self.card = root / "README.md"
        self.onnx = root / "model.onnx"
        self.pt2 = root / "model.pt2"
        self.summary = root / "summary.json"
        self.top = root / "top.json"

    def exported(self) -> tuple[Path, ...]:
        """Return the files that another model makes obsolete."""
        return self.onnx, self.pt2

    def measured(self) -> tuple[Path, ...]:
        """Return the files that another measurement makes obsolete, and may not write again."""
        return self.metrics, self.predictions, self.card

    def results(self) -> list[Path]:
        """Return what a retrain leaves for others, as far as it is there."""
        made = self.model, self.description, self.history, self.metrics, self.predictions, self.card
        return [path for path in made if path.exists()]

    def seed(self, number: int) -> "RetrainFolder":
        """Return where the same candidate lies that was retrained once more, from 1 up."""
        return RetrainFolder(self.root / f"seed-{number}") if number else self

    def trial(self, number: int) -> "RetrainFolder":
        """Return where another candidate lies that was retrained beside the best."""
        return RetrainFolder(self.root / f"trial-{number}")

    def seeds(self) -> list["RetrainFolder"]:
        """Return every folder of further seeds that is there."""
        return self._below("seed")

    def nested(self) -> list["RetrainFolder"]:
        """Return every such folder below this one, the innermost first."""
        trials = self._below("trial")
        return [*(seed for trial in trials for seed in trial.seeds()), *trials, *self.seeds()]

    def _below(self, kind: str) -> list["RetrainFolder"]:
        return [RetrainFolder(path) for path in sorted(self.root.glob(f"{kind}-[0-9]*"))]

    def folders(self) -> Iterator[Path]:
        """Yield this folder and, below it, whatever is called as its own folders are."""
        yield self.root
        for pattern in ("seed-*", "trial-*", "trial-*/seed-*"):
            yield from self.root.glob(pattern)
