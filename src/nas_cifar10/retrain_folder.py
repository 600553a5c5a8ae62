"""The names of a retrain's files; knows not what is in them."""

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

    def made_from_model(self) -> tuple[Path, ...]:
        """Return the files that another model makes obsolete."""
        return self.predictions, self.card, self.onnx, self.pt2

    def seed(self, number: int) -> "RetrainFolder":
        """Return where the same candidate lies that was retrained once more, from 1 up."""
        return RetrainFolder(self.root / f"seed-{number}") if number else self

    def seeds(self) -> list["RetrainFolder"]:
        """Return every folder of that kind that is there."""
        return [RetrainFolder(path) for path in sorted(self.root.glob("seed-[0-9]*"))]
