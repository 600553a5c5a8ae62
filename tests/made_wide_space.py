"""Random candidates of the widest space, and the check that each builds, learns and is exported."""

import json
import math
from random import Random
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from made_space import draw, space_of
from made_study import made_config
from nas_cifar10.config.schema import TrainingConfig
from nas_cifar10.data.loader import normalise
from nas_cifar10.export import traced
from nas_cifar10.model import Model
from nas_cifar10.networks.build import build, initialise
from nas_cifar10.networks.cost import cost
from nas_cifar10.networks.whitening import whiten
from nas_cifar10.space.candidate import Architecture, Block, Candidate
from nas_cifar10.space.neighbours import values_for
from nas_cifar10.training.engine import train_step
from nas_cifar10.training.lanes import Lanes
from nas_cifar10.training.optim import OPTIMIZERS, make_optimizer

WIDEST: dict[str, Any] = {
    "depth": [1, 2, 3, 4],
    "kind": ["conv", "residual", "depthwise_separable"],
    "channels": {"low": 4, "high": 48},
    "kernel_size": [1, 3, 5, 7],
    "convolutions": {"low": 1, "high": 4},
    "norm": ["none", "batch"],
    "activation": ["relu", "gelu", "silu"],
    "pooling": ["max", "average", "stride", "none"],
    "dropout": {"low": 0, "high": 0.5},
    "skip": ["none", "add"],
    "stem": ["none", "conv", "whitening"],
    "head": ["flatten", "average", "max"],
    "initialisation": ["default", "dirac"],
    "training": {
        "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
        "batch_size": [4, 8],
        "weight_decay": {"low": 1e-4, "high": 0.5, "log": True},
        "label_smoothing": {"low": 0, "high": 0.3},
        "translate": {"low": 0, "high": 4},
        "cutout": {"low": 0, "high": 8},
        "colour_jitter": {"low": 0, "high": 0.5},
        "mixup": {"low": 0, "high": 1},
    },
}
SPACE = space_of(**WIDEST)
Shape = tuple[int, int, int]
SHAPES: list[Shape] = [(3, 32, 32), (3, 17, 20), (1, 18, 18)]
# The seeds of a thousand candidates: a few for everybody, and four parts, each in a file of its
# own, since the files of tests are what is spread over the cores.
FEW = range(60)
PARTS = [range(first, first + 235) for first in range(1000, 1940, 235)]


def drawn(seed: int) -> Candidate:
    return SPACE.sample(draw(seed))


def check(seed: int) -> None:
    """Fail where one does not survive JSON, build, cost what is counted, learn or export."""
    candidate, shape = drawn(seed), SHAPES[seed % len(SHAPES)]
    again = Candidate.from_json(json.loads(json.dumps(candidate.to_json())))
    assert again == candidate
    assert again.fingerprint() == candidate.fingerprint()
    assert SPACE.candidate(values_for(SPACE, candidate, Random(seed))) == candidate
    network = build(candidate.architecture, shape, 10)
    initialise(network, seed, candidate.architecture.initialisation)
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(4, *shape, generator=generator).clamp(-1, 1)
    if candidate.architecture.stem == "whitening":
        whiten(network, images)
    costs(candidate, network, images, shape)
    is_exported(candidate, network, shape)
    learns(network, images, seed)


def costs(
    candidate: Candidate, network: torch.nn.Module, images: torch.Tensor, shape: Shape
) -> None:
    """Compare with torch's counter, and with what the candidate's words come to by hand."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        assert network.eval()(images[:1]).shape == (1, 10)
    found = cost(candidate.architecture, shape, 10)
    assert 2 * found.macs == counter.get_total_flops()
    assert (found.parameters, found.macs) == by_hand(candidate.architecture, shape, 10)
    assert found.parameters == sum(layer.parameters for layer in found.layers)
    assert found.macs == sum(layer.macs for layer in found.layers)


def by_hand(architecture: Architecture, shape: Shape, num_classes: int) -> tuple[int, int]:
    """Return parameters and MACs by the formulas of textbooks; builds nothing."""
    (channels, height, width), first = shape, architecture.blocks[0]
    rows: list[tuple[int, int, int]] = []  # weights, what is learnt beside them, pixels

    def convolve(block: Block, given: int, size: int, pixels: int, kind: str = "conv") -> None:
        if kind == "depthwise_separable":
            rows.append((given * size**2, 0, pixels))
            size = 1
        beside = 2 if block.norm == "batch" else 1  # a scale and a shift, or a bias
        rows.append((given * block.channels * size**2, beside * block.channels, pixels))

    if architecture.stem == "conv":
        convolve(first, channels, first.kernel_size, height * width)
        channels = first.channels
    if architecture.stem == "whitening":
        height, width, filters = height - 1, width - 1, 2 * channels * 4
        rows.append((filters * channels * 4, filters, height * width))
        channels = filters
    for block in architecture.blocks:
        strided = block.pooling == "stride"
        half = (-(-height // 2), -(-width // 2)) if strided else (height // 2, width // 2)
        after = (height, width) if block.pooling == "none" else half
        early = math.prod(after) if strided else height * width  # pooled behind its convolution
        convolve(block, channels, block.kernel_size, early, block.kind)
        if block.kind == "residual" and (strided or channels != block.channels):
            convolve(block, channels, 1, early)
        for _ in range(1, block.convolutions):
            convolve(block, block.channels, block.kernel_size, math.prod(after), block.kind)
        channels, (height, width) = block.channels, after
    left = channels * (height * width if architecture.head == "flatten" else 1)
    rows.append((left * num_classes, num_classes, 1))
    weights = sum(row[0] for row in rows)
    return weights + sum(row[1] for row in rows), sum(row[0] * row[2] for row in rows)


def is_exported(candidate: Candidate, network: torch.nn.Module, shape: Shape) -> None:
    """Trace it as an export does, for batches of any size, and ask that of three pictures."""
    names = tuple(map(str, range(10)))
    model = Model(candidate.architecture, network.eval(), shape, names, {})
    images = torch.arange(3 * math.prod(shape)).reshape(3, *shape).remainder(256).to(torch.uint8)
    program = traced(model)
    (output,) = program.graph.output_node().args[0]
    assert tuple(output.meta["val"].shape)[1:] == (10,)
    with torch.no_grad():
        said = program.module()(images)
        assert said.shape == (3, 10)
        torch.testing.assert_close(said, network(normalise(images)).softmax(1))


def learns(network: torch.nn.Module, images: torch.Tensor, seed: int) -> None:
    """Take one step, which moves every part of the network."""
    names = list(OPTIMIZERS)
    training: TrainingConfig = made_config(
        f"training.optimizer={names[seed % len(names)]}"
    ).training
    network.to(memory_format=torch.channels_last).train()
    before = [parameter.detach().clone() for parameter in network.parameters()]
    optimizer = make_optimizer(network, training)
    labels = torch.arange(len(images))
    with Lanes(network) as lanes:
        logits, loss = train_step(lanes, optimizer, images, labels, "fp32")
    assert logits.shape == (len(images), 10)
    assert loss.isfinite()
    moved = set[str]()
    for old, (name, parameter) in zip(before, network.named_parameters(), strict=True):
        assert parameter.isfinite().all()
        if not torch.equal(old, parameter):
            assert parameter.requires_grad
            moved.add(name.partition(".")[0])
    assert moved == {name for name, part in network.named_children() if list(part.parameters())}
