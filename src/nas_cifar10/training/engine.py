"""The one epoch loop and the one evaluation; knows no architecture, trial or data set."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from nas_cifar10.training.average import Average
from nas_cifar10.training.lanes import Lanes
from nas_cifar10.training.optim import scale_rates
from nas_cifar10.training.precision import autocast

Batches = Iterable[tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Recipe:
    """What a training does at each step beside learning from a batch.

    Args:
        label_smoothing: Share of the target that is spread over all classes.
        steps_an_epoch: How far the first step of an epoch is from that of the one before.
        factor: From a step's number, counted from 0 at the very start, to the factor of every
            learning rate.
        average: Follows the weights.
    """

    label_smoothing: float = 0.0
    steps_an_epoch: int = 0
    factor: Callable[[int], float] = lambda step: 1.0
    average: Average | None = None


PLAIN = Recipe()


class DivergedError(ArithmeticError):
    """A loss or a weight is no longer a finite number."""


@dataclass(frozen=True)
class Outputs:
    """What a network said about every picture it was shown, in that order.

    Args:
        logits: (N, classes) float32, on the CPU.
        labels: (N,) int64, on the CPU.
        seconds: How long it took.
    """

    logits: Tensor
    labels: Tensor
    seconds: float

    @property
    def loss(self) -> float:
        """Mean cross-entropy."""
        return float(F.cross_entropy(self.logits.double(), self.labels))

    @property
    def probabilities(self) -> Tensor:
        """(N, classes) float32; every verdict is taken from these, as they are what is stored."""
        return self.logits.softmax(1)

    @property
    def predicted(self) -> Tensor:
        """(N,): the most likely class, of equally likely ones the first."""
        return self.probabilities.argmax(1)

    @property
    def accuracy(self) -> float:
        """Share of pictures whose most likely class is right."""
        return float((self.predicted == self.labels).double().mean())


def train_epochs(
    network: nn.Module,
    optimizer: Optimizer,
    batches: Callable[[int], Batches],
    epochs: Iterable[int],
    seed: Callable[[int], int],
    precision: str,
    recipe: Recipe = PLAIN,
) -> Iterator[tuple[int, Outputs]]:
    """Train, and yield after each epoch its number and what the network said while it learned.

    The caller prunes, saves or prints by what it does in the body of its `for`.

    Args:
        batches: From an epoch's number to its batches: images (B, C, H, W), labels (B,) or, as
            shares of every class, (B, classes).
        seed: From an epoch's number to the seed of whatever draws inside the network, as dropout
            does.

    Raises:
        DivergedError: a batch's loss, or a weight at the end of an epoch, is not finite.
    """
    for epoch in epochs:
        with Lanes(network, seed(epoch)) as lanes:
            outputs = _train_epoch(lanes, optimizer, batches(epoch), precision, epoch, recipe)
        weights_finite = all(bool(p.isfinite().all()) for p in network.parameters())
        if not weights_finite or not bool(outputs.logits.isfinite().all()):
            raise DivergedError(f"not a finite number in epoch {epoch}")
        yield epoch, outputs


def _train_epoch(
    lanes: Lanes,
    optimizer: Optimizer,
    batches: Batches,
    precision: str,
    epoch: int,
    recipe: Recipe,
) -> Outputs:
    started = time.perf_counter()
    lanes.train()
    logits, labels = _Rows(), _Rows()
    for number, (images, truth) in enumerate(batches, start=1):
        step = (epoch - 1) * recipe.steps_an_epoch + number - 1
        scale_rates(optimizer, recipe.factor(step))
        said, loss = train_step(lanes, optimizer, images, truth, precision, recipe.label_smoothing)
        if recipe.average is not None:
            recipe.average.update(step)
        # Reading stalls a device that runs ahead of us; there, the end of the epoch tells.
        if loss.device.type == "cpu" and not loss.isfinite():
            raise DivergedError(f"not a finite number in epoch {epoch}, batch {number}")
        logits.add(said)
        labels.add(truth if truth.ndim == 1 else truth.argmax(1))
    return _outputs(logits, labels, started)


def train_step(
    lanes: Lanes,
    optimizer: Optimizer,
    images: Tensor,
    labels: Tensor,
    precision: str,
    label_smoothing: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """Learn from one batch, images (B, C, H, W); return its logits (B, classes) and its loss."""
    logits, loss = lanes.learn(images, labels, precision, label_smoothing)
    optimizer.step()
    return logits, loss


@torch.no_grad()
def evaluate(network: nn.Module, batches: Batches, precision: str) -> Outputs:
    """Show every batch to the network without learning from it."""
    started = time.perf_counter()
    network.eval()
    logits, labels = _Rows(), _Rows()
    for images, truth in batches:
        with autocast(images.device, precision):
            logits.add(network(images))
        labels.add(truth)
    return _outputs(logits, labels, started)


class _Rows:
    """What all batches so far gave, in one tensor that grows by doubling.

    A list would leave a small tensor of each step between the large ones that the step frees, which
    then fit there no more: a process that keeps what it frees grew by up to 32 MB a step.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self._room: Tensor | None = None
        self._count = 0

    def add(self, rows: Tensor) -> None:
        """Append those of a batch (B, ...)."""
        end = self._count + len(rows)
        if self._room is None or end > len(self._room):
            roomier = rows.new_empty((2 * end, *rows.shape[1:]))
            if self._room is not None:
                roomier[: self._count] = self._room[: self._count]
            self._room = roomier
        self._room[self._count : end] = rows
        self._count = end

    def all(self) -> Tensor:
        """Return (N, ...), of at least one batch."""
        assert self._room is not None
        return self._room[: self._count]


def _outputs(logits: _Rows, labels: _Rows, started: float) -> Outputs:
    said, truth = logits.all().float().cpu(), labels.all().cpu()
    return Outputs(said, truth, time.perf_counter() - started)
