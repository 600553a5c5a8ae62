"""Random candidates of the widest space: each builds, costs what is counted, and learns."""

import itertools
import json
import random
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from made_study import made_config
from nas_cifar10.config import SpaceConfig, TrainingConfig
from nas_cifar10.networks.build import build, initialise
from nas_cifar10.networks.cost import cost
from nas_cifar10.networks.whitening import whiten
from nas_cifar10.space.candidate import Candidate
from nas_cifar10.space.search_space import Dimension, RealRange, SearchSpace, Value, values_of
from nas_cifar10.training.engine import train_step
from nas_cifar10.training.lanes import Lanes
from nas_cifar10.training.optim import OPTIMIZERS, make_optimizer

WIDEST: dict[str, Any] = {
    "depth": [1, 2, 3, 4],
    "kind": ["conv", "residual", "depthwise_separable"],
    "channels": {"low": 4, "high": 24},
    "kernel_size": [1, 3, 5],
    "convolutions": {"low": 1, "high": 3},
    "norm": ["none", "batch"],
    "activation": ["relu", "gelu", "silu"],
    "pooling": ["max", "average", "stride", "none"],
    "dropout": {"low": 0, "high": 0.5},
    "skip": ["none", "add"],
    "stem": ["none", "conv", "whitening"],
    "head": ["flatten", "average", "max"],
    "initialisation": ["default", "dirac"],
}
SPACE = SearchSpace.from_config(SpaceConfig.model_validate(WIDEST))
Shape = tuple[int, int, int]
SHAPES: list[Shape] = [(3, 32, 32), (3, 17, 20), (1, 18, 18)]


def drawn(seed: int) -> Candidate:
    generator = random.Random(seed)

    def suggest(name: str, dimension: Dimension) -> Value:
        if isinstance(dimension, RealRange):
            return generator.uniform(dimension.low, dimension.high)
        return generator.choice(values_of(dimension))

    return SPACE.sample(suggest)


def check(seed: int) -> None:
    candidate, shape = drawn(seed), SHAPES[seed % len(SHAPES)]
    again = Candidate.from_json(json.loads(json.dumps(candidate.to_json())))
    assert again == candidate
    assert again.fingerprint() == candidate.fingerprint()
    assert SPACE.candidate(SPACE.values(candidate)) == candidate
    network = build(candidate.architecture, shape, 10)
    initialise(network, seed, candidate.architecture.initialisation)
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(4, *shape, generator=generator).clamp(-1, 1)
    if candidate.architecture.stem == "whitening":
        whiten(network, images)
    counts(candidate, network, images, shape)
    learns(network, images, seed)


def counts(
    candidate: Candidate, network: torch.nn.Module, images: torch.Tensor, shape: Shape
) -> None:
    """Compare with torch's counter."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        assert network.eval()(images[:1]).shape == (1, 10)
    found = cost(candidate.architecture, shape, 10)
    assert 2 * found.macs == counter.get_total_flops()
    assert found.parameters == sum(parameter.numel() for parameter in network.parameters())


def learns(network: torch.nn.Module, images: torch.Tensor, seed: int) -> None:
    """Take one step, which moves everything that is learnt."""
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
    for old, parameter in zip(before, network.parameters(), strict=True):
        assert parameter.isfinite().all()
        if not parameter.requires_grad:
            assert torch.equal(old, parameter)
    changed = [not torch.equal(o, p) for o, p in zip(before, network.parameters(), strict=True)]
    assert any(changed)
    assert changed[-1], "the head's biases"


@pytest.mark.parametrize("seed", range(60))
def test_a_random_candidate_builds_learns_and_survives_json(seed: int) -> None:
    check(seed)


@pytest.mark.slow
def test_a_thousand_random_candidates_build_learn_and_survive_json() -> None:
    for seed in range(1000, 2000):
        check(seed)


def test_a_thousand_draws_hold_every_word_of_the_space() -> None:
    seen = {key: set[str]() for key in WIDEST if isinstance(WIDEST[key], list)}
    for candidate in map(drawn, range(1000)):
        whole = vars(candidate.architecture)
        for key, block in itertools.product(seen, candidate.architecture.blocks):
            seen[key].add(str(whole[key] if key in whole else getattr(block, key, "")))
    del seen["depth"]
    assert seen == {key: set(map(str, WIDEST[key])) for key in seen}


def test_the_ends_of_the_widest_space_are_the_least_and_the_most_work() -> None:
    smallest, largest = (cost(end.architecture, (3, 32, 32), 10) for end in SPACE.extremes())
    assert str(SPACE.extremes()[0].architecture).startswith("4, kernels 1, kind depthwise")
    for seed in range(100):
        found = cost(drawn(seed).architecture, (3, 32, 32), 10)
        assert smallest.macs <= found.macs <= largest.macs
        assert smallest.parameters <= found.parameters <= largest.parameters
