"""One network to retrain: which trial and seed, on what, into which folder; trains nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

from nas_cifar10.config.schema import Config
from nas_cifar10.data.split import DataSet
from nas_cifar10.epochs import Epoch
from nas_cifar10.retrain.source import Source
from nas_cifar10.runs.folder import RetrainFolder, RunFolder
from nas_cifar10.study.rows import Trial
from nas_cifar10.study.study import Study


@dataclass(frozen=True)
class Job:
    """What is retrained, how, and where it goes.

    Args:
        config: The study's, with `retrain.*` as asked for now.
        data: Its pictures and labels are on the device that trains.
        number: Which of `retrain.seeds`, from 0; each draws its own random numbers.
        rank: Which of `--top-k`, from 0; the first is the run's model.
        source: The model whose weights it begins with; None: with drawn ones.
    """

    study: Study
    trial: Trial
    config: Config
    data: DataSet
    run: RunFolder
    number: int = 0
    rank: int = 0
    source: Source | None = None

    @property
    def which(self) -> str:
        """Name the network: its trial, and its seed where that is not the first."""
        return f"trial {self.trial.number}" + (f", seed {self.number}" if self.number else "")

    @property
    def folder(self) -> RetrainFolder:
        """Where the model and its measurement go."""
        root = self.run.retrain.trial(self.trial.number) if self.rank else self.run.retrain
        return root.seed(self.number)

    @property
    def is_first(self) -> bool:
        """Say whether its model is the run's."""
        return not self.number and not self.rank

    def watched(self, epochs: Sequence[Epoch]) -> str | None:
        """Name the part that was measured beside training, whatever is asked for by now."""
        if all(epoch.held_out is None for epoch in epochs):
            return None
        return "validation" if self.config.retrain.monitor == "validation" else "test"

    @property
    def measured_part(self) -> str | None:
        """Name the part that decides metrics.json: test, unless it is to stay unread."""
        return self.config.retrain.measured_part
