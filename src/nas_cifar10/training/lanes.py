"""A batch in two halves, each learned from in a thread of its own; knows no optimizer, no epoch.

Two threads with half a batch each wait for each other once a step; two threads that share every
layer of one batch do so several times a layer, which costs cores when something else runs on them
and leaves both idle whenever a layer has too little work for two (docs/log.md).
"""

import copy
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_cifar10.training.precision import autocast

MAX_LANES = 2


class Lanes(AbstractContextManager["Lanes"]):
    """A network and, where several CPU threads may be used, a twin of it.

    Twins share the network's weights; their gradients and statistics of normalisation are their
    own until the end of a step. What is learned depends on how many lanes there are, and not on
    whether they run at once.
    """

    def __init__(self, network: nn.Module, seed: int = 0) -> None:
        """Make the twins, with torch's threads shared among them.

        Args:
            seed: Of whatever draws inside the network, as dropout does: modules that have an
                attribute `generator`. Each lane has its own.
        """
        device = next(network.parameters()).device
        self._threads = torch.get_num_threads()
        count = min(MAX_LANES, self._threads) if device.type == "cpu" else 1
        self._networks = [network, *(_twin(network) for _ in range(1, count))]
        for lane, each in enumerate(self._networks):
            _seed(each, torch.Generator(device).manual_seed(seed + lane))
        self._pool = ThreadPoolExecutor(max(1, count - 1), initializer=self._share_threads)

    def _share_threads(self) -> None:
        torch.set_num_threads(self._threads // len(self._networks))

    def __enter__(self) -> "Lanes":
        """Take no more threads than one lane's in the caller, who is the first lane."""
        if len(self._networks) > 1:
            self._share_threads()
        return self

    def __exit__(self, *error: object) -> None:
        """End the other lanes, and give the caller its threads back."""
        self._pool.shutdown()
        if len(self._networks) > 1:
            torch.set_num_threads(self._threads)

    @property
    def network(self) -> nn.Module:
        """The network that learns."""
        return self._networks[0]

    def train(self) -> None:
        """Prepare every lane for learning."""
        for network in self._networks:
            network.train()

    def learn(
        self, images: Tensor, labels: Tensor, precision: str, label_smoothing: float
    ) -> tuple[Tensor, Tensor]:
        """Leave the gradients of the batch's mean loss with the network's weights.

        Args:
            images: (B, C, H, W); labels as `train_epochs` takes them.

        Returns:
            The logits (B, classes) and the loss, neither with a way back.
        """

        def learn_part(network: nn.Module, some: Tensor, of_these: Tensor) -> tuple[Tensor, Tensor]:
            with autocast(some.device, precision):
                logits: Tensor = network(some)
                loss = F.cross_entropy(logits, of_these, label_smoothing=label_smoothing)
            share = loss * (len(some) / len(images))
            network.zero_grad(set_to_none=True)
            torch.autograd.backward(share)
            return logits.detach(), share.detach()

        count = len(self._networks)
        cut = zip(self._networks, images.chunk(count), labels.chunk(count), strict=False)
        parts = list(cut)  # fewer than lanes where the batch is a single picture
        others = [self._pool.submit(learn_part, *part) for part in parts[1:]]
        logits, losses = zip(learn_part(*parts[0]), *(o.result() for o in others), strict=True)
        if count > 1:
            self._unite(self._networks[: len(parts)])
        return torch.cat(logits), torch.stack(losses).sum()

    @torch.no_grad()
    def _unite(self, learned: Sequence[nn.Module]) -> None:
        """Add the gradients up, and give all lanes the mean of what each kept of its pictures."""
        first, *others = learned
        for other in others:
            torch._foreach_add_(_gradients(first), _gradients(other))
        mean = [torch.stack(each).mean(0) for each in zip(*map(_statistics, learned), strict=True)]
        for network in self._networks if mean else ():
            torch._foreach_copy_(_statistics(network), mean)


def _twin(network: nn.Module) -> nn.Module:
    """Return a copy whose weights are the network's own memory."""
    shared = {id(p): nn.Parameter(p.detach(), p.requires_grad) for p in network.parameters()}
    return copy.deepcopy(network, shared)


def _seed(network: nn.Module, generator: torch.Generator) -> None:
    for module in network.modules():
        if hasattr(module, "generator"):
            module.generator = generator  # type: ignore[assignment] # no parameter, no module


def _gradients(network: nn.Module) -> list[Tensor]:
    return [p.grad for p in network.parameters() if p.grad is not None]


def _statistics(network: nn.Module) -> list[Tensor]:
    return [buffer for buffer in network.buffers() if buffer.is_floating_point()]
