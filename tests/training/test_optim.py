"""Optimizers against their papers, torch's own and the singular value decomposition."""

import math

import pytest
import torch
from torch import Tensor, nn

from made_study import made_config
from nas_cifar10.training.muon import Muon, orthogonalised
from nas_cifar10.training.optim import OPTIMIZERS, check_moments, make_optimizer, scale_rates


def matrix(rows: int, columns: int, seed: int = 0) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


def polar(given: Tensor) -> Tensor:
    """Return the nearest matrix with orthonormal rows or columns, by singular values."""
    left, _, right = torch.linalg.svd(given.double(), full_matrices=False)
    nearest: Tensor = left @ right
    return nearest


SIZES = [(8, 8), (16, 75), (75, 16), (64, 576), (1, 9), (32, 1)]


@pytest.mark.parametrize(("rows", "columns"), SIZES)
def test_orthogonalising_comes_near_the_polar_factor(rows: int, columns: int) -> None:
    given = matrix(rows, columns)
    found = orthogonalised(given)
    values = torch.linalg.svdvals(found)
    assert found.shape == given.shape
    assert values.min() > 0.6
    assert values.max() < 1.25
    assert (found - polar(given)).norm() < 0.35 * polar(given).norm()


@pytest.mark.parametrize(("rows", "columns"), SIZES)
def test_orthogonalising_keeps_the_singular_vectors(rows: int, columns: int) -> None:
    given = matrix(rows, columns)
    assert torch.allclose(polar(orthogonalised(given)), polar(given), atol=1e-3)


def test_orthogonalising_is_blind_to_size_and_survives_nothing() -> None:
    given = matrix(6, 10)
    assert torch.allclose(orthogonalised(1000 * given), orthogonalised(given), atol=1e-4)
    assert torch.equal(orthogonalised(torch.zeros(6, 10)), torch.zeros(6, 10))


def test_muon_takes_a_step_of_adams_size_along_the_polar_factor() -> None:
    filters = nn.Parameter(torch.zeros(16, 8, 3, 3))
    filters.grad = matrix(16, 72).reshape(16, 8, 3, 3)
    Muon([filters], 0.01).step()
    update = -filters.detach().flatten(1) / 0.01
    assert torch.allclose(polar(update), polar(filters.grad.flatten(1)), atol=1e-3)
    assert update.square().mean().sqrt().item() == pytest.approx(
        0.2 * math.sqrt(72) * math.sqrt(16 / (16 * 72)), rel=0.2
    )


def test_muon_follows_nesterovs_momentum() -> None:
    filters = nn.Parameter(matrix(4, 18).reshape(4, 2, 3, 3))
    optimizer = Muon([filters], 0.1, momentum=0.8, weight_decay=0.5)
    expected, average = filters.detach().clone(), torch.zeros(4, 18)
    for step in range(3):
        gradient = matrix(4, 18, seed=step + 1)
        filters.grad = gradient.reshape(4, 2, 3, 3).clone()
        average = 0.8 * average + gradient
        update = orthogonalised(gradient + 0.8 * average) * 0.2 * math.sqrt(18)
        expected = expected * (1 - 0.1 * 0.5) - 0.1 * update.reshape(4, 2, 3, 3)
        optimizer.step()
    assert torch.allclose(filters.detach(), expected, atol=1e-6)


def test_what_is_no_filter_learns_by_adamw() -> None:
    ours, torchs = (nn.Parameter(matrix(5, 7)) for _ in range(2))
    one = Muon([ours], 0.01, weight_decay=0.1)
    other = torch.optim.AdamW([torchs], 0.01, weight_decay=0.1)
    for step in range(4):
        for weight, optimizer in ((ours, one), (torchs, other)):
            weight.grad = matrix(5, 7, seed=step)
            optimizer.step()
    assert torch.allclose(ours.detach(), torchs.detach(), atol=1e-6)


def test_sgd_follows_nesterov() -> None:
    weight = nn.Parameter(torch.tensor([1.0, -2.0]))
    optimizer = OPTIMIZERS["sgd"]([weight], 0.1)
    expected, speed = weight.detach().clone(), torch.zeros(2)
    for _ in range(3):
        weight.grad = weight.detach() ** 2 - 1
        speed = 0.9 * speed + weight.grad
        expected = expected - 0.1 * (weight.grad + 0.9 * speed)
        optimizer.step()
    assert torch.allclose(weight.detach(), expected, atol=1e-6)


def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 3))


def test_plain_settings_are_one_group_in_the_networks_order() -> None:
    made = network()
    for name in OPTIMIZERS:
        optimizer = make_optimizer(made, made_config(f"training.optimizer={name}").training)
        (group,) = optimizer.param_groups
        assert group["lr"] == 0.001
        assert group["weight_decay"] == 0
        assert all(a is b for a, b in zip(group["params"], made.parameters(), strict=True))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_decay_rate_and_momentum_reach_the_weights_they_are_for(name: str) -> None:
    made, found = network(), {}
    training = made_config(
        f"training.optimizer={name}",
        "training.weight_decay=0.01",
        "training.bias_factor=8",
        "training.momentum=0.7",
    ).training
    for group in make_optimizer(made, training).param_groups:
        assert group.get("momentum", 0.7) == 0.7
        for weight in group["params"]:
            found[id(weight)] = group["lr"], group["weight_decay"]
    for key, weight in made.named_parameters():
        rate = 0.008 if key.endswith("bias") else 0.001
        assert found[id(weight)] == (pytest.approx(rate), 0.01 if weight.ndim > 1 else 0)


def test_frozen_weights_are_left_alone() -> None:
    made = network()
    next(made.parameters()).requires_grad_(False)
    (group,) = make_optimizer(made, made_config().training).param_groups
    assert len(group["params"]) == len(list(made.parameters())) - 1


def test_a_factor_scales_what_the_optimizer_was_made_with_however_often_it_is_set() -> None:
    training = made_config("training.bias_factor=4").training
    optimizer = make_optimizer(network(), training)
    for factor in (0.5, 0.25, 1.0, 0.1):
        scale_rates(optimizer, factor)
    assert sorted(group["lr"] for group in optimizer.param_groups) == [0.0001, 0.0004]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_gets_down_a_valley(name: str) -> None:
    layers = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.Flatten(), nn.Linear(16 * 4, 2))
    images = matrix(12, 16).reshape(12, 1, 4, 4)
    labels = (images.mean((1, 2, 3)) > 0).long()
    optimizer, losses = OPTIMIZERS[name](layers.parameters(), 0.02), []
    for _ in range(40):
        loss = nn.functional.cross_entropy(layers(images), labels)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_only_moments_that_an_optimizer_can_go_on_with_pass(name: str, momentum: float) -> None:
    made = network()
    overrides = (f"training.optimizer={name}", f"training.momentum={momentum}")
    optimizer = make_optimizer(made, made_config(*overrides).training)
    check_moments(optimizer)  # none yet
    torch.autograd.backward(made(matrix(2, 16).reshape(2, 1, 4, 4)).sum())
    optimizer.step()
    check_moments(optimizer)
    for moments in optimizer.state.values():
        for key, value in list(moments.items()):
            wrong: list[object] = ["0", None, torch.zeros(7)]
            for other in wrong:
                moments[key] = other
                with pytest.raises(ValueError, match="other moments"):
                    check_moments(optimizer)
            moments[key] = value
            if len(moments) > 1:
                del moments[key]
                with pytest.raises(ValueError, match="other moments"):
                    check_moments(optimizer)
                moments[key] = value
    check_moments(optimizer)
