"""What a network costs, as plain values; knows no network."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Layer:
    """One part of a network, from the first that has weights to the last.

    Args:
        name: `stem`, `block1`, `block2` … or `head`.
        shape: What comes out of it for one picture: (C, H, W), or (classes,).
    """

    name: str
    shape: tuple[int, ...]
    parameters: int
    macs: int

    def to_json(self) -> dict[str, Any]:
        """Return the form that a study, search.json and model.json keep."""
        return asdict(self) | {"shape": list(self.shape)}


@dataclass(frozen=True)
class Cost:
    """Size and work of one network.

    Args:
        parameters: Weights and biases.
        macs: Multiply-accumulates of the convolutions and linear layers for one picture, forward;
            biases, norms, activations and pooling (a few per cent at most) are left out.
        layers: The same, part by part; they add up.
    """

    parameters: int
    macs: int
    layers: tuple[Layer, ...]
