"""Muon: orthogonalised momentum for filters, AdamW for the rest; knows no network.

"Muon: An optimizer for hidden layers in neural networks" (Keller Jordan, 2024); its step is scaled
as in arXiv 2502.16982, to the size of Adam's, so that one learning rate serves both.
"""

import math
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import Optimizer, ParamsT

NUM_ITERATIONS = 5
# x → ax + bx³ + cx⁵, five times, takes every singular value from 0.003 to 1 into 0.68 … 1.20.
_COEFFICIENTS = 3.4445, -4.7750, 2.0315
_ADAM_SIZE = 0.2  # the usual root mean square of Adam's update, in learning rates
_BETAS, _EPS = (0.9, 0.999), 1e-8


def orthogonalised(matrix: Tensor) -> Tensor:
    """Return about the nearest matrix whose rows or columns are orthonormal (Newton–Schulz).

    Args:
        matrix: (m, n). Its singular vectors stay, its singular values come close to 1.
    """
    wide: Tensor = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    wide = wide / (torch.linalg.vector_norm(wide) + 1e-7)
    a, b, c = _COEFFICIENTS
    for _ in range(NUM_ITERATIONS):
        square = wide @ wide.T
        wide = a * wide + (b * square + c * square @ square) @ wide
    return wide if matrix.shape[0] <= matrix.shape[1] else wide.T


class Muon(Optimizer):
    """Each filter bank, (out, in, k, k), is taken as a matrix of `out` rows."""

    def __init__(
        self,
        parameters: ParamsT,
        learning_rate: float,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
    ) -> None:
        """Take what is to be learnt; weight decay is decoupled, as in AdamW."""
        defaults = {"lr": learning_rate, "momentum": momentum, "weight_decay": weight_decay}
        super().__init__(parameters, defaults)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override] # nobody gives one
        """Update every weight that has a gradient."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                update = _filter_update if weight.ndim == 4 else _adam_update
                weight.sub_(update(weight.grad, self.state[weight], group), alpha=group["lr"])


def _filter_update(gradient: Tensor, state: dict[str, Any], group: dict[str, Any]) -> Tensor:
    """Return the orthogonalised Nesterov momentum, as large as Adam's update would be."""
    if not state:
        state["momentum"] = torch.zeros_like(gradient)
    average = state["momentum"].mul_(group["momentum"]).add_(gradient)
    ahead = gradient.add(average, alpha=group["momentum"]).flatten(1)
    size = _ADAM_SIZE * math.sqrt(max(ahead.shape))
    return size * orthogonalised(ahead).reshape(gradient.shape)


def _adam_update(gradient: Tensor, state: dict[str, Any], group: dict[str, Any]) -> Tensor:
    if not state:
        state |= {"step": 0, "first": torch.zeros_like(gradient)}
        state["second"] = torch.zeros_like(gradient)
    state["step"] += 1
    first = state["first"].lerp_(gradient, 1 - _BETAS[0])
    second = state["second"].lerp_(gradient.square(), 1 - _BETAS[1])
    first_share, second_share = (1 - beta ** state["step"] for beta in _BETAS)
    update: Tensor = (first / first_share) / ((second / second_share).sqrt() + _EPS)
    return update
