"""A run's folder: the only file that knows file names; knows not what is in the files."""

import contextlib
import re
import shutil
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from nas_cifar10.errors import CannotCreateError, MissingInputError, NasError
from nas_cifar10.runs.files import read_json, remove_unfinished

OUTPUTS = Path("outputs")


def slug(name: str) -> str:
    """Return `name` as a folder name: lower-case letters, digits and hyphens.

    A name without a Latin letter or digit becomes its code points in hexadecimal.
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    short = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:80].strip("-")
    return short or "u" + "-".join(f"{ord(character):x}" for character in name[:16])


class RunFolder:
    """Where everything about one run lies."""

    def __init__(self, root: Path) -> None:
        """Name the files of the folder `root`, which need not exist."""
        self.root = root
        self.config = root / "config.yaml"
        self.environment = root / "environment.json"
        self.study = root / "study.db"
        self.data = root / "data.json"
        self.latency = root / "latency.json"
        self.pictures = root / "pictures.npz"
        self.search = root / "search.json"
        self.best = root / "best.json"
        self.trials = root / "trials.csv"
        self.curves = root / "curves.csv"
        self.checkpoints = root / "trials"
        self.retrain = RetrainFolder(root / "retrain")
        self.asked = self.retrain.root / "asked.json"
        self.figures = root / "figures"
        self.page = root / "report.html"
        self.log = root / "run.log"
        self.lock = root / ".lock"

    @property
    def searched_here(self) -> bool:
        """Whether it can be seen here that the search ran here, and not that it did not."""
        return self.study.exists() or self.checkpoints.exists()

    def checkpoint(self, trial: int) -> Path:
        """Return the checkpoint file of an unfinished trial."""
        return self.checkpoints / str(trial) / "checkpoint.pt"

    def drop_checkpoint(self, trial: int) -> None:
        """Remove what an ended trial left behind."""
        shutil.rmtree(self.checkpoint(trial).parent, ignore_errors=True)
        with contextlib.suppress(OSError):  # not empty: other trials still run
            self.checkpoints.rmdir()

    def refuse_links(self) -> None:
        """Check that what is written under this run's names stays in its folder.

        Raises:
            CannotCreateError: a folder, the log or the lock is a link.
        """
        folders = (self.checkpoints, self.figures, *self.checkpoints.glob("*"))
        for path in (self.lock, self.log, *folders, *self.retrain.folders()):
            if path.is_symlink():
                raise CannotCreateError(
                    f"{path}: is a link, and what is written there would leave the run's folder; "
                    f"remove it"
                )

    def clear(self) -> None:
        """Remove all that this run wrote but its study and config; files of other origin stay."""
        shutil.rmtree(self.checkpoints, ignore_errors=True)
        self.sweep()
        kept = {self.study, self.lock, self.environment, self.config}
        for path in (*self.figures.glob("*.png"), *self._files()):
            if path not in kept:
                path.unlink(missing_ok=True)
        self.environment.unlink(missing_ok=True)  # last: without it the folder passes as free
        for folder in (self.figures, *(f.root for f in self.retrain.nested()), self.retrain.root):
            with contextlib.suppress(OSError):  # not there, or not empty
                folder.rmdir()

    def sweep(self) -> None:
        """Remove what a killed process left of writing a file."""
        names = [*self._files(), self.figures / "*.png"]
        for path in names:
            remove_unfinished(path)

    def _files(self) -> list[Path]:
        retrained = (self.retrain, *self.retrain.nested())
        named = (*vars(self).values(), *(path for f in retrained for path in vars(f).values()))
        return [path for path in named if isinstance(path, Path) and not path.is_dir()]


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

    def measurement(self) -> tuple[Path, ...]:
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


def latest(outputs: Path = OUTPUTS) -> RunFolder:
    """Return the run whose environment.json started last.

    Raises:
        MissingInputError: there is none.
    """
    started = {}
    for path in outputs.glob("*/environment.json"):
        with contextlib.suppress(NasError, KeyError, TypeError):
            started[str(read_json(path)["started_at"]), path.parent] = path
    if not started:
        raise MissingInputError(
            f"{outputs}: no run here; name one with --run, or start one with nas run --config FILE"
        )
    return RunFolder(max(started)[1])
