"""A candidate as a frozen value: its blocks and its own training values; knows no space."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from nas_cifar10.config import CandidateConfig


@dataclass(frozen=True)
class Block:
    """One convolution, ReLU, 2x2 max-pooling."""

    kind: str
    channels: int
    kernel_size: int


@dataclass(frozen=True)
class Architecture:
    """The blocks, first to last; a linear layer follows."""

    blocks: tuple[Block, ...]

    def __str__(self) -> str:
        """Return the short form: `64-64-32, kernels 5-3-5`."""
        channels = "-".join(str(block.channels) for block in self.blocks)
        kernels = "-".join(str(block.kernel_size) for block in self.blocks)
        return f"{channels}, kernels {kernels}"


@dataclass(frozen=True)
class Candidate:
    """An architecture and the training values the space draws with it, sorted by name."""

    architecture: Architecture
    training: tuple[tuple[str, int | float], ...]

    def to_json(self) -> dict[str, Any]:
        """Return the form of best.json and of `search.baseline`."""
        return {"architecture": asdict(self.architecture), "training": dict(self.training)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Candidate":
        """Read the form `to_json` writes.

        Raises:
            ValueError: a key is unknown or missing, or a value is out of its range.
        """
        checked = CandidateConfig.model_validate(values)
        blocks = tuple(Block(**block.model_dump()) for block in checked.architecture.blocks)
        training = checked.training.model_dump(exclude_none=True)
        return cls(Architecture(blocks), tuple(sorted(training.items())))

    def fingerprint(self) -> str:
        """Return 12 hex digits that two candidates share exactly when they are the same."""
        text = json.dumps(self.to_json(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]
