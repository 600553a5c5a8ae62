"""The learning rate's shapes against tables and torch's own schedulers."""

import itertools
import math

import numpy as np
import pytest
import torch

from nas_cifar10.training.rates import RATES

TABLE = {
    "constant": [(0, 8, 1.0), (7, 8, 1.0)],
    "cosine": [(0, 8, 1.0), (2, 8, (1 + math.sqrt(0.5)) / 2), (4, 8, 0.5), (8, 8, 0.0)],
    "triangular": [(0, 100, 0.2), (23, 100, 1.0), (100, 100, 0.07)],
    "one_cycle": [(0, 100, 0.04), (29, 100, 1.0), (64, 100, 0.500002), (99, 100, 4e-6)],
}


def test_every_shape_is_in_the_table() -> None:
    assert TABLE.keys() == RATES.keys()


@pytest.mark.parametrize(("name", "rows"), TABLE.items())
def test_factors_are_those_of_the_table(name: str, rows: list[tuple[int, int, float]]) -> None:
    for step, total, factor in rows:
        assert RATES[name](step, total) == pytest.approx(factor, abs=1e-12)


@pytest.mark.parametrize(("name", "total"), [*itertools.product(RATES, [1, 2, 3, 4, 10, 777])])
def test_factors_stay_between_0_and_1(name: str, total: int) -> None:
    factors = [RATES[name](step, total) for step in range(total)]
    assert all(0 <= factor <= 1 for factor in factors)
    if total > 9:
        assert max(factors) > 0.9


def followed(scheduler: torch.optim.lr_scheduler.LRScheduler, total: int) -> list[float]:
    found = []
    for _ in range(total):
        found.append(float(scheduler.get_last_lr()[0]))
        scheduler.optimizer.step()
        scheduler.step()
    return found


def optimizer() -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], 1.0)


@pytest.mark.parametrize("total", [2, 7, 10, 391])
def test_cosine_is_torchs(total: int) -> None:
    expected = followed(torch.optim.lr_scheduler.CosineAnnealingLR(optimizer(), total), total)
    assert [RATES["cosine"](step, total) for step in range(total)] == pytest.approx(expected)


@pytest.mark.parametrize("total", [4, 7, 10, 391])
def test_one_cycle_is_torchs(total: int) -> None:
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer(), 1.0, total_steps=total + 1, cycle_momentum=False
    )
    expected = followed(scheduler, total)
    assert [RATES["one_cycle"](step, total + 1) for step in range(total)] == pytest.approx(expected)


def test_triangular_is_two_straight_lines() -> None:
    expected = np.interp(np.arange(1000), [0, 230, 1000], [0.2, 1, 0.07])
    found = [RATES["triangular"](step, 1000) for step in range(1000)]
    assert found == pytest.approx(expected.tolist())
