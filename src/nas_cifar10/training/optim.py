"""Optimizers by name; knows no schedule of trials and no network."""

from collections.abc import Callable, Iterable

import torch
from torch.nn import Parameter
from torch.optim import Optimizer


def _adam(parameters: Iterable[Parameter], learning_rate: float) -> Optimizer:
    """Adam (arXiv 1412.6980) with its published defaults, all parameters in one fused step."""
    return torch.optim.Adam(parameters, lr=learning_rate, fused=True)


OPTIMIZERS: dict[str, Callable[[Iterable[Parameter], float], Optimizer]] = {"adam": _adam}
