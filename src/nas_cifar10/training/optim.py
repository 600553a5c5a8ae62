"""Optimizers by name, and which rate and decay each weight gets; knows no network by its layers."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.optimizer import Optimizer, ParamsT

from nas_cifar10.config.schema import WITH_MOMENTUM, TrainingConfig
from nas_cifar10.training.muon import Muon

# Torch's own take all parameters in one fused step.
OPTIMIZERS: dict[str, Callable[[ParamsT, float], Optimizer]] = {
    "adam": partial(torch.optim.Adam, fused=True),  # arXiv 1412.6980, its published defaults
    "adamw": partial(torch.optim.AdamW, weight_decay=0.0, fused=True),  # arXiv 1711.05101
    "sgd": partial(torch.optim.SGD, momentum=0.9, nesterov=True, fused=True),
    "muon": Muon,
}


def make_optimizer(network: nn.Module, training: TrainingConfig) -> Optimizer:
    """Return the optimizer a config names, over everything in the network that is learnt.

    Biases get `bias_factor` learning rates; weights of one dimension, which shift or scale, are
    not decayed.
    """
    groups = list(_groups(network, training))
    optimizer = OPTIMIZERS[training.optimizer](groups, training.learning_rate)
    scale_rates(optimizer, 1.0)  # so that it knows what it was made with
    return optimizer


def _groups(network: nn.Module, training: TrainingConfig) -> Iterator[dict[str, Any]]:
    """Yield weights that share all their settings, in the network's order."""
    groups: dict[tuple[tuple[str, float], ...], list[nn.Parameter]] = {}
    for name, weight in network.named_parameters():
        if weight.requires_grad:
            groups.setdefault(tuple(_settings(name, weight, training)), []).append(weight)
    for settings, weights in groups.items():
        yield {"params": weights, **dict(settings)}


def _settings(
    name: str, weight: nn.Parameter, training: TrainingConfig
) -> Iterator[tuple[str, float]]:
    """Yield what is not the optimizer's default for this weight."""
    if training.optimizer in WITH_MOMENTUM:
        yield "momentum", training.momentum
    if training.weight_decay and weight.ndim > 1:
        yield "weight_decay", training.weight_decay
    if training.bias_factor != 1 and name.endswith("bias"):
        yield "lr", training.learning_rate * training.bias_factor


def scale_rates(optimizer: Optimizer, factor: float) -> None:
    """Set every learning rate to so much of what the optimizer was made with."""
    for group in optimizer.param_groups:
        group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor


def check_groups(optimizer: Optimizer, stored: dict[str, Any]) -> None:
    """Check what torch takes as it comes: the optimizer's settings."""
    groups = [group.keys() for group in optimizer.state_dict()["param_groups"]]
    if [group.keys() for group in stored["param_groups"]] != groups:
        raise ValueError("other settings")


def check_moments(optimizer: Optimizer) -> None:
    """Check what torch takes as it comes: what the optimizer remembers, and its settings' values.

    Raises:
        ValueError, TypeError or another that torch raises: it could not take a step with these.
    """
    for group in optimizer.param_groups:
        for weight in group["params"]:
            forms = _forms_after_step(optimizer, group, weight)  # which tries the settings, too
            moments = optimizer.state.get(weight)
            if moments and _forms(moments, weight) != forms:
                raise ValueError("other moments")


def _forms_after_step(
    optimizer: Optimizer, group: dict[str, Any], weight: Tensor
) -> dict[str, object]:
    """Return the forms of what such an optimizer remembers, of a weight of a single number."""
    number = nn.Parameter(torch.zeros([1] * weight.ndim, device=weight.device))
    number.grad = torch.zeros_like(number)
    other = type(optimizer)([group | {"params": [number]}], group["lr"])  # ours all take a rate
    scale_rates(other, 1.0)
    other.step()
    return _forms(other.state[number], number)


def _forms(moments: dict[str, Any], weight: Tensor) -> dict[str, object]:
    return {name: _form(value, weight) for name, value in moments.items()}


def _form(value: object, weight: Tensor) -> object:
    if not isinstance(value, Tensor):
        return type(value)
    if value.ndim == 0:
        return "a number"
    return "of the weight's shape" if value.shape == weight.shape else "of another shape"
