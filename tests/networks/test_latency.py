"""Latency from a table: it covers the space, adds up, and comes near the whole network's time."""

import random
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_cifar10.config.schema import SpaceConfig
from nas_cifar10.errors import BadDataError, ConfigError
from nas_cifar10.networks.build import build
from nas_cifar10.networks.latency import (
    MIN_SECONDS,
    REPEATS,
    every_part,
    latency_ms,
    measure,
    parts,
    time_parts,
)
from nas_cifar10.space.candidate import Architecture, Block, Candidate
from nas_cifar10.space.search_space import Dimension, RealRange, SearchSpace, Value, values_of

CPU = torch.device("cpu")
RICH: dict[str, Any] = {
    "depth": [1, 2, 3],
    "kind": ["conv", "residual", "depthwise_separable"],
    "channels": [4, 6],
    "kernel_size": 3,
    "convolutions": [1, 2],
    "norm": "batch",
    "pooling": ["max", "stride"],
    "dropout": {"low": 0, "high": 0.5},
    "skip": ["none", "add"],
    "stem": ["none", "conv", "whitening"],
    "head": ["flatten", "max"],
}


def space_of(**written: Any) -> SearchSpace:
    return SearchSpace.from_config(SpaceConfig.model_validate(written))


def sample(space: SearchSpace, seed: int) -> Candidate:
    generator = random.Random(seed)

    def suggest(name: str, dimension: Dimension) -> Value:
        if isinstance(dimension, RealRange):
            return generator.uniform(dimension.low, dimension.high)
        return generator.choice(values_of(dimension))

    return space.sample(suggest)


SPACES = {"plain": space_of(), "rich": space_of(**RICH)}
PARTS = {name: every_part(space, (3, 17, 20)) for name, space in SPACES.items()}


@settings(max_examples=100)
@given(st.sampled_from(list(SPACES)), st.integers(0, 2**32))
def test_the_parts_of_every_network_are_among_those_of_its_space(name: str, seed: int) -> None:
    found = list(parts(sample(SPACES[name], seed).architecture, (3, 17, 20)))
    assert set(found) <= PARTS[name]
    assert found[-1].role == "head"


def test_every_part_has_a_name_of_its_own() -> None:
    for found in PARTS.values():
        assert len({str(part) for part in found}) == len(found)


def test_the_plain_space_has_few_parts_and_none_that_no_network_has() -> None:
    small = space_of(depth=[1, 2], channels=[4, 8], kernel_size=3)
    assert sorted(map(str, every_part(small, (3, 8, 8)))) == [
        "block 4, kernels 3 of 3x8x8",
        "block 4, kernels 3 of 4x4x4",
        "block 4, kernels 3 of 8x4x4",
        "block 8, kernels 3 of 3x8x8",
        "block 8, kernels 3 of 4x4x4",
        "block 8, kernels 3 of 8x4x4",
        "head flatten of 4x2x2",
        "head flatten of 4x4x4",
        "head flatten of 8x2x2",
        "head flatten of 8x4x4",
    ]


@pytest.mark.parametrize("seed", range(20))
def test_parts_in_a_row_are_the_network(seed: int) -> None:
    architecture = sample(SPACES["rich"], seed).architecture
    image = torch.zeros(1, 3, 17, 20)
    for part in parts(architecture, (3, 17, 20)):
        assert tuple(image.shape[1:]) == part.shape
        image = part.build(10).eval()(image)
    assert image.shape == (1, 10)


def test_the_latency_is_the_sum_of_the_parts() -> None:
    architecture = Architecture((Block("conv", 4, 3), Block("conv", 8, 3)))
    table = {str(part): 10.0**n for n, part in enumerate(parts(architecture, (3, 8, 8)))}
    assert latency_ms(table, architecture, (3, 8, 8)) == 111
    with pytest.raises(BadDataError, match=r"table of latencies lacks 'block .*': damaged"):
        latency_ms({}, architecture, (3, 8, 8))


def test_the_sum_is_the_whole_networks_time_where_layers_alone_take_any(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By a clock that only layers with weights move: a millisecond for each 1,000 of those."""
    passed = 0.0

    def move(layer: torch.nn.Module, given: object, made: object) -> None:
        nonlocal passed
        if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
            passed += layer.weight.numel() / 1_000_000

    monkeypatch.setattr("nas_cifar10.networks.latency.time.perf_counter", lambda: passed)
    architecture = sample(SPACES["plain"], 3).architecture
    whole = build(architecture, (3, 17, 20), 10)
    weights = sum(p.numel() for p in whole.parameters() if p.ndim > 1)
    with torch.nn.modules.module.register_module_forward_hook(move):
        table = time_parts(SPACES["plain"], (3, 17, 20), 10, CPU)
        summed = latency_ms(table, architecture, (3, 17, 20))
        assert summed == pytest.approx(measure(whole, (3, 17, 20), CPU)) == weights / 1000


def test_a_slow_first_run_does_not_shorten_the_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    """A repeat is as many runs as fill its least time, whatever preparing kernels took."""

    class Clocked(torch.nn.Module):
        runs = 0

        def forward(self, picture: torch.Tensor) -> torch.Tensor:
            self.runs += 1
            return picture

    module = Clocked()

    def clock() -> float:
        return 1.0 * (module.runs > 0) + 0.0001 * module.runs

    monkeypatch.setattr("nas_cifar10.networks.latency.time.perf_counter", clock)
    assert measure(module, (1, 4, 4), CPU) == pytest.approx(0.1)
    a_repeat = round(MIN_SECONDS / 0.0001)
    assert module.runs == 3 + 3 + REPEATS * a_repeat


@pytest.mark.parametrize(
    "written",
    [
        {"channels": {"low": 8, "high": 4000}},
        {"channels": {"low": 8, "high": 64}, "depth": 5},
    ],
)
def test_too_many_parts_are_refused_before_any_is_timed(written: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"max_latency_ms: each distinct block .* at most 2,000"):
        every_part(space_of(**written), (3, 32, 32))
