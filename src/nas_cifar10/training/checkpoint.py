"""All that a training goes on from, as bytes with their checksum; knows not what is trained."""

import hashlib
import io
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from nas_cifar10.epochs import Epoch, in_order
from nas_cifar10.errors import BadDataError
from nas_cifar10.training.saved import load_saved


def packed(belongs_to: str, done: Sequence[Epoch], **state: dict[str, Any]) -> bytes:
    """Return the SHA-256 of the rest, then everything training goes on from.

    Args:
        belongs_to: Says what is trained, and how; only the same may go on from here.
        state: The state_dict of everything that an epoch changes, by its name.
    """
    content = io.BytesIO()
    epochs = [epoch.to_json() for epoch in done]
    torch.save({"belongs_to": belongs_to, "epochs": epochs, **state}, content)
    return hashlib.sha256(content.getvalue()).digest() + content.getvalue()


def load_state(checkpoint: bytes) -> dict[str, Any]:
    """Return what `packed` saved.

    Raises:
        BadDataError: it is damaged.
    """
    digest, content = checkpoint[:32], checkpoint[32:]
    if hashlib.sha256(content).digest() != digest:
        raise BadDataError("checkpoint: damaged, its checksum differs")
    state = load_saved(content, "checkpoint")
    if not isinstance(state, dict) or not state.keys() >= {"belongs_to", "epochs"}:
        raise BadDataError("checkpoint: damaged, it is no checkpoint")
    return state


def epochs_in(state: dict[str, Any]) -> list[Epoch]:
    """Return the epochs a checkpoint's content stands after."""
    return list(in_order(state["epochs"]))


def weights(checkpoint: bytes) -> dict[str, Tensor]:
    """Return the state_dict of the network that is measured, on the CPU, contiguous."""
    state = load_state(checkpoint)
    found: dict[str, Tensor] = state.get("average", state["network"])
    return {name: tensor.contiguous() for name, tensor in found.items()}
