"""A moving average of a network's weights; knows neither how they change nor what they are for."""

import copy

import torch
from torch import nn


class Average:
    """A second network that follows the first: what is measured and kept is this one.

    Weights and the statistics of normalisation are averaged alike; counters are copied.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        """Begin with a copy.

        Args:
            network: What is followed. Its weights must stay where they are: they are found once.
            decay: How much of the average stays at a step, below 1. In the first steps less does,
                (1 + step) / (10 + step) at most, lest the first random weights count for long.
        """
        self.network = copy.deepcopy(network)
        self._decay = decay
        mine, theirs = self.network.state_dict().values(), network.state_dict().values()
        pairs = list(zip(mine, theirs, strict=True))
        self._averaged = [pair for pair in pairs if pair[0].is_floating_point()]
        self._copied = [pair for pair in pairs if not pair[0].is_floating_point()]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Follow the network's step number `step`, counted from 0."""
        decay = min(self._decay, (1 + step) / (10 + step))
        for mine, theirs in self._averaged:
            mine.lerp_(theirs, 1 - decay)
        for mine, theirs in self._copied:
            mine.copy_(theirs)
