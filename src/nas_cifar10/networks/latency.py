"""How long a network takes for one picture, as the sum of its parts; knows no study and no limit.

Every part that a space can ask for is timed once; then the time of any of its networks is known at
once, and the same whenever it is asked for.
"""

import statistics
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import nn

from nas_cifar10 import interrupts
from nas_cifar10.errors import BadDataError, ConfigError
from nas_cifar10.networks.build import move
from nas_cifar10.networks.layers import BLOCKS, HEADS, STEMS, pooled
from nas_cifar10.space.candidate import Architecture, Block
from nas_cifar10.space.search_space import SearchSpace

MAX_PARTS = 2000
REPEATS = 9
MIN_SECONDS = 0.002  # of one repeat: shorter ones are mostly the clock's own
_ANY = Block("conv", 1, 1)

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Part:
    """A stem, a block or a head, and the C, H, W of the picture it is given.

    Args:
        word: Which stem or head; empty for a block.
        block: The block itself, or the one whose settings a stem takes.
    """

    role: str
    word: str
    block: Block
    shape: Shape

    def __str__(self) -> str:
        """Return the key in a table: `block 64, kernels 5 of 3x32x32`."""
        what = str(Architecture((self.block,))) if self.role != "head" else ""
        words = (self.role, self.word, what)
        return f"{' '.join(filter(None, words))} of {'x'.join(map(str, self.shape))}"

    @property
    def after(self) -> Shape:
        """C, H, W of what comes out of a stem or a block."""
        channels, height, width = self.shape
        if self.role == "block":
            sizes = (pooled(size, self.block.pooling) for size in (height, width))
            return self.block.channels, *sizes  # type: ignore[return-value] # two sizes
        with torch.device("meta"):
            stem = STEMS[self.word](channels, self.block)
        return stem.channels, height - stem.lost, width - stem.lost

    def build(self, num_classes: int) -> nn.Module:
        """Return what is timed."""
        if self.role == "block":
            return BLOCKS[self.block.kind](self.shape[0], self.block)
        if self.role == "stem":
            return nn.Sequential(*STEMS[self.word](self.shape[0], self.block).layers)
        pools = HEADS[self.word]()
        values = self.shape[0] * (1 if pools else self.shape[1] * self.shape[2])
        return nn.Sequential(*pools, nn.Flatten(), nn.Linear(values, num_classes))


def parts(architecture: Architecture, shape: Shape) -> Iterator[Part]:
    """Yield the parts of a network, first to last; dropout is none when a picture is predicted."""
    blocks = [replace(block, dropout=0.0) for block in architecture.blocks]
    if architecture.stem != "none":
        stem = Part("stem", architecture.stem, blocks[0], shape)
        yield stem
        shape = stem.after
    for block in blocks:
        part = Part("block", "", block, shape)
        yield part
        shape = part.after
    yield Part("head", architecture.head, _ANY, shape)


def time_parts(
    space: SearchSpace, shape: Shape, num_classes: int, device: torch.device
) -> dict[str, float]:
    """Return the milliseconds of every part of a space's networks, on the threads set now.

    Raises:
        ConfigError: as `every_part`.
    """
    table = {}
    for part in sorted(every_part(space, shape), key=str):
        interrupts.check()
        table[str(part)] = round(measure(part.build(num_classes), part.shape, device), 6)
    return table


def every_part(space: SearchSpace, shape: Shape) -> set[Part]:
    """Return the parts of all networks of a space.

    Raises:
        ConfigError: there are too many to time each.
    """
    blocks, found, shapes = _blocks(space), set[Part](), set[Shape]()
    for stem in space.words("stem"):
        for block in blocks:
            *most, head = parts(Architecture((block,), stem), shape)
            found |= set(most)
            shapes.add(head.shape)
    for depth in range(1, space.max_depth + 1):
        if depth > 1:
            _check(len(shapes) * len(blocks))
            here = {Part("block", "", block, given) for given in shapes for block in blocks}
            found, shapes = found | here, {part.after for part in here}
        if depth in space.depths:
            words = space.words("head")
            found |= {Part("head", word, _ANY, given) for given in shapes for word in words}
        _check(len(found))
    return found


def _blocks(space: SearchSpace) -> list[Block]:
    _check(space.num_blocks())
    return list(space.blocks())


def _check(number: float) -> None:
    if number > MAX_PARTS:
        raise ConfigError(
            f"search.constraints.max_latency_ms: each distinct block and picture size is timed "
            f"once (for latency in search.objectives too), at most {MAX_PARTS:,}, and this space "
            f"has more; give lists of fewer values"
        )


def measure(module: nn.Module, shape: Shape, device: torch.device) -> float:
    """Return the median milliseconds of a module for one picture of this shape, in fp32."""
    move(module.eval(), device)
    picture = torch.zeros(1, *shape, device=device).to(memory_format=torch.channels_last)
    with torch.no_grad():
        _seconds(module, picture, 3)  # the first runs prepare kernels
        once = _seconds(module, picture, 3)
        runs = max(1, round(MIN_SECONDS / max(once, 1e-9)))
        return 1000 * statistics.median(_seconds(module, picture, runs) for _ in range(REPEATS))


def _seconds(module: nn.Module, picture: torch.Tensor, runs: int) -> float:
    started = time.perf_counter()
    for _ in range(runs):
        module(picture)
    if picture.device.type != "cpu":  # which computes later than it is asked to
        torch.accelerator.synchronize(picture.device)
    return (time.perf_counter() - started) / runs


def latency_ms(table: Mapping[str, float], architecture: Architecture, shape: Shape) -> float:
    """Return the sum of a network's parts, from a table of `str(part)`.

    Raises:
        BadDataError: the table is of another space.
    """
    try:
        return sum(table[str(part)] for part in parts(architecture, shape))
    except KeyError as error:
        raise BadDataError(
            f"the study's table of latencies lacks {error}: damaged; search anew with --overwrite"
        ) from None
