"""The one epoch loop and the one evaluation; knows no architecture, trial or data set."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from nas_cifar10.training.precision import autocast

Batches = Iterable[tuple[Tensor, Tensor]]


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
) -> Iterator[tuple[int, Outputs]]:
    """Train, and yield after each epoch its number and what the network said while it learned.

    The caller prunes, saves or prints by what it does in the body of its `for`.

    Args:
        batches: From an epoch's number to its batches: images (B, C, H, W), labels (B,).
        seed: From an epoch's number to the seed of whatever draws inside the network, as dropout
            does; the global generator is set for the epoch and put back afterwards.

    Raises:
        DivergedError: a batch's loss, or a weight at the end of an epoch, is not finite.
    """
    for epoch in epochs:
        with torch.random.fork_rng():
            torch.manual_seed(seed(epoch))
            outputs = _train_epoch(network, optimizer, batches(epoch), precision, epoch)
        weights_finite = all(bool(p.isfinite().all()) for p in network.parameters())
        if not weights_finite or not bool(outputs.logits.isfinite().all()):
            raise DivergedError(f"not a finite number in epoch {epoch}")
        yield epoch, outputs


def _train_epoch(
    network: nn.Module, optimizer: Optimizer, batches: Batches, precision: str, epoch: int
) -> Outputs:
    started = time.perf_counter()
    network.train()
    logits, labels = [], []
    for number, (images, truth) in enumerate(batches, start=1):
        said, loss = train_step(network, optimizer, images, truth, precision)
        # Reading stalls a device that runs ahead of us; there, the end of the epoch tells.
        if loss.device.type == "cpu" and not loss.isfinite():
            raise DivergedError(f"not a finite number in epoch {epoch}, batch {number}")
        logits.append(said)
        labels.append(truth)
    return _outputs(logits, labels, started)


def train_step(
    network: nn.Module, optimizer: Optimizer, images: Tensor, labels: Tensor, precision: str
) -> tuple[Tensor, Tensor]:
    """Learn from one batch, images (B, C, H, W); return its logits (B, classes) and its loss."""
    with autocast(images.device, precision):
        logits: Tensor = network(images)
        loss = F.cross_entropy(logits, labels)
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    optimizer.step()
    return logits.detach(), loss.detach()


@torch.no_grad()
def evaluate(network: nn.Module, batches: Batches, precision: str) -> Outputs:
    """Show every batch to the network without learning from it."""
    started = time.perf_counter()
    network.eval()
    logits, labels = [], []
    for images, truth in batches:
        with autocast(images.device, precision):
            logits.append(network(images))
        labels.append(truth)
    return _outputs(logits, labels, started)


def _outputs(logits: list[Tensor], labels: list[Tensor], started: float) -> Outputs:
    said, truth = torch.cat(logits).float().cpu(), torch.cat(labels).cpu()
    return Outputs(said, truth, time.perf_counter() - started)
