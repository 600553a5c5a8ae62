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
            decay: How much of the average stays at a step, below 1. In the first steps less does,
                (1 + step) / (10 + step) at most, lest the first random weights count for long.
        """
        self.network = copy.deepcopy(network)
        self._decay = decay

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Follow the network's step number `step`, counted from 0."""
        decay = min(self._decay, (1 + step) / (10 + step))
        followed = network.state_dict()
        for name, mine in self.network.state_dict().items():
            if mine.is_floating_point():
                mine.lerp_(followed[name], 1 - decay)
            else:
                mine.copy_(followed[name])
