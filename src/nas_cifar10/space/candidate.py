"""A candidate as a frozen value: its blocks and its own training values; knows no space.

What stands at its plain value is left out of the written form, so that a plain candidate's JSON and
fingerprint never change when blocks learn something new.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any

from nas_cifar10.config.candidate import CandidateConfig
from nas_cifar10.text import three_digits


@dataclass(frozen=True)
class Block:
    """Convolutions with what goes with them; plainly one convolution, ReLU, 2x2 max-pooling.

    Args:
        convolutions: How many follow each other; the picture is pooled after the first.
        dropout: Share of all values that are dropped behind the block.
        skip: `add`: what the first convolution gave is added to what the last one gives.
    """

    kind: str
    channels: int
    kernel_size: int
    convolutions: int = 1
    norm: str = "none"
    activation: str = "relu"
    pooling: str = "max"
    dropout: float = 0.0
    skip: str = "none"

    @property
    def may_skip(self) -> bool:
        """Say whether `skip` can make a difference here."""
        return self.convolutions > 1 and self.kind != "residual"


@dataclass(frozen=True)
class Architecture:
    """The blocks, first to last, what stands before them, and how their picture is read.

    A linear layer follows.
    """

    blocks: tuple[Block, ...]
    stem: str = "none"
    head: str = "flatten"
    initialisation: str = "default"

    @property
    def is_plain(self) -> bool:
        """Say whether it is Conv → ReLU → MaxPool(2x2) blocks and a linear layer, nothing else."""
        blocks = (Block("conv", block.channels, block.kernel_size) for block in self.blocks)
        return self == Architecture(tuple(blocks))

    def __str__(self) -> str:
        """Return the short form: `64-64-32, kernels 5-3-5`, then whatever is not plain."""
        words = [_joined(self.blocks, "channels"), f"kernels {_joined(self.blocks, 'kernel_size')}"]
        for key in BLOCK_KEYS:
            if key in PLAIN and any(getattr(b, key) != PLAIN[key] for b in self.blocks):
                words.append(f"{key} {_once(self.blocks, key)}")
        words += [f"{key} {value}" for key, value in _not_plain(self)]
        return ", ".join(words)


BLOCK_KEYS = tuple(field.name for field in fields(Block))
ARCHITECTURE_KEYS = ("stem", "head", "initialisation")
PLAIN: Mapping[str, Any] = {
    "kind": "conv",
    **{
        field.name: field.default
        for field in (*fields(Block), *fields(Architecture))
        if field.default is not MISSING
    },
}


def _joined(blocks: Iterable[Block], key: str) -> str:
    values = (getattr(block, key) for block in blocks)
    return "-".join(f"{v:.3g}" if isinstance(v, float) else str(v) for v in values)


def _once(blocks: tuple[Block, ...], key: str) -> str:
    """Return what all blocks have in common, or else what each has."""
    alike = len({getattr(block, key) for block in blocks}) == 1
    return _joined(blocks[:1] if alike else blocks, key)


def _not_plain(architecture: Architecture) -> Iterator[tuple[str, Any]]:
    for key in ARCHITECTURE_KEYS:
        if getattr(architecture, key) != PLAIN[key]:
            yield key, getattr(architecture, key)


@dataclass(frozen=True)
class Candidate:
    """An architecture and the training values the space draws with it, sorted by name."""

    architecture: Architecture
    training: tuple[tuple[str, int | float], ...]

    def __str__(self) -> str:
        """Return one line: `64-64-64, kernels 5-3-5, learning rate 0.00113`."""
        values = (f"{key.replace('_', ' ')} {three_digits(v)}" for key, v in self.training)
        return ", ".join([str(self.architecture), *values])

    def to_json(self) -> dict[str, Any]:
        """Return the form of best.json and of `search.baseline`."""
        blocks = [_written(block) for block in self.architecture.blocks]
        architecture = {"blocks": blocks, **dict(_not_plain(self.architecture))}
        return {"architecture": architecture, "training": dict(self.training)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Candidate":
        """Read the form `to_json` writes.

        Raises:
            ValueError: a key is unknown or missing, or a value is out of its range.
        """
        checked = CandidateConfig.model_validate(values)
        whole = checked.architecture.model_dump()
        blocks = tuple(Block(**block) for block in whole.pop("blocks"))
        training = checked.training.model_dump(exclude_none=True)
        return cls(Architecture(blocks, **whole), tuple(sorted(training.items())))

    def fingerprint(self) -> str:
        """Return 12 hex digits that two candidates share exactly when they are the same."""
        text = json.dumps(self.to_json(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def _written(block: Block) -> dict[str, Any]:
    values = ((key, getattr(block, key)) for key in BLOCK_KEYS)
    return {key: v for key, v in values if key == "kind" or v != PLAIN.get(key)}
