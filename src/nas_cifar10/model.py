"""A trained model as its two files hold it: read without running anything in them, and asked.

Knows neither how it was trained nor where the pictures come from that it is shown.
"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nas_cifar10.config.schema import MAX_SIZE
from nas_cifar10.data.loader import batches, normalisation
from nas_cifar10.data.multiview import View, seen
from nas_cifar10.data.parts import Part
from nas_cifar10.errors import BadDataError, MissingInputError
from nas_cifar10.networks.build import build, move
from nas_cifar10.runs.files import read_json
from nas_cifar10.runs.folder import RetrainFolder
from nas_cifar10.runs.reading import read_bytes, why
from nas_cifar10.space.candidate import Architecture, Candidate
from nas_cifar10.training.engine import evaluate
from nas_cifar10.training.metrics import Probabilities
from nas_cifar10.training.saved import load_saved

Shape = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Model:
    """A network with its weights, on the CPU, and what is known of it.

    Args:
        network: From (N, C, H, W) as `normalise` returns it to logits (N, classes).
        shape: C, H, W of one picture; H = W, and C is 1 (grey) or 3 (RGB).
        provenance: Study, trial, seed, pictures, versions and commit, as in model.json.
    """

    architecture: Architecture
    network: nn.Module
    shape: Shape
    class_names: tuple[str, ...]
    provenance: Mapping[str, Any]


def network_with(
    state: Mapping[str, Tensor], architecture: Architecture, shape: Shape, num_classes: int
) -> nn.Module:
    """Build a network that has these weights.

    Raises:
        RuntimeError: they are not the weights of this architecture.
        ValueError: as `build`.
    """
    with torch.device("meta"):  # what it would take is not taken for weights that do not fit
        wanted = build(architecture, shape, num_classes).state_dict()
    if _shapes(wanted) != _shapes(state):
        raise RuntimeError("they have other names or shapes")
    network = build(architecture, shape, num_classes)
    network.load_state_dict(state)
    return network.eval()


def _shapes(state: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in state.items()}


def probabilities(network: nn.Module, part: Part) -> Probabilities:
    """Return what a network says about pictures, (N, classes), in fp32, where the pictures are."""
    move(network, part.images.device)
    said = evaluate(network, batches(part), "fp32")
    return np.asarray(said.probabilities.numpy())


def over_views(network: nn.Module, part: Part, views: Sequence[View]) -> Probabilities:
    """Return the same of the weighted mean of the logits of several views of every picture."""
    move(network, part.images.device)
    total: Tensor = sum(view.weight * _logits(network, part, view) for view in views)  # type: ignore[assignment] # of none, 0
    return np.asarray(total.softmax(1).numpy())


def _logits(network: nn.Module, part: Part, view: View) -> Tensor:
    shown = ((seen(images, view), labels) for images, labels in batches(part))
    return evaluate(network, shown, "fp32").logits


def read_model(folder: RetrainFolder) -> Model:
    """Read model.json and model.pt.

    Raises:
        MissingInputError: one of them is not there.
        BadDataError: one of them is damaged, or they do not belong together.
    """
    for path in (folder.description, folder.model):
        if not path.exists():
            run = shlex.quote(str(folder.root.parent))
            raise MissingInputError(f"{path}: no such file; make a model: nas retrain --run {run}")
    described = read_json(folder.description)
    try:
        architecture = _architecture(described)
        shape, class_names = _shape(described), _class_names(described)
        provenance = dict(described["provenance"])
    except (KeyError, TypeError, ValueError) as error:
        raise BadDataError(f"{folder.description}: describes no model: {why(error)}") from None
    state = load_saved(read_bytes(folder.model), str(folder.model))
    try:
        network = network_with(state, architecture, shape, len(class_names))
    except (AttributeError, RuntimeError, TypeError, ValueError) as error:
        raise BadDataError(f"{folder.model}: damaged: {type(error).__name__}") from error
    return Model(architecture, network, shape, class_names, provenance)


def _architecture(described: Mapping[str, Any]) -> Architecture:
    return Candidate.from_json({"architecture": described["architecture"]}).architecture


def _shape(described: Mapping[str, Any]) -> Shape:
    channels, height, width = shape = tuple(described["picture_shape"])
    if channels not in (1, 3) or type(height) is not int or height != width:
        raise ValueError(f"picture_shape must be 1 or 3 channels of a square, got {shape}")
    if not 1 <= height <= MAX_SIZE:
        raise ValueError(f"picture_shape must have 1 to {MAX_SIZE} pixels a side, got {height}")
    if described["normalisation"] != normalisation(channels):
        raise ValueError("normalisation is another than this version's")
    return channels, height, width


def _class_names(described: Mapping[str, Any]) -> tuple[str, ...]:
    names = described["class_names"]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("class_names must be a list of names")
    return tuple(names)
