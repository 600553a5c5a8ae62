"""Two lanes learn what one learns, however they run."""

from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nas_cifar10.networks.layers import Dropout
from nas_cifar10.training.lanes import Lanes


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


class AtOnce:
    """A pool that computes what it is given before it returns."""

    def submit(self, act: Any, *arguments: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(act(*arguments))
        return done

    def shutdown(self) -> None:
        """Nothing runs."""


def network(*layers: nn.Module) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(1, 4, 3), *layers, nn.Flatten(), nn.Linear(16, 3))


def pictures(num: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(num)
    images = torch.randn(num, 1, 4, 4, generator=generator)
    return images, torch.randint(0, 3, (num,), generator=generator)


def learned(lanes: Lanes, num: int = 7, smoothing: float = 0.1) -> list[Tensor]:
    """Return logits, loss and gradients of one batch."""
    with lanes:
        logits, loss = lanes.learn(*pictures(num), "fp32", smoothing)
    gradients = [p.grad for p in lanes.network.parameters() if p.grad is not None]
    return [logits, loss, *gradients]


@pytest.mark.parametrize("num", [1, 2, 7, 8])
def test_two_lanes_learn_what_one_learns(two_threads: None, num: int) -> None:
    two = learned(Lanes(network()), num)
    torch.set_num_threads(1)
    one = learned(Lanes(network()), num)
    assert len(one) == len(two) == 6
    for found, expected in zip(two, one, strict=True):
        assert torch.allclose(found, expected, atol=1e-6)
        assert found.any()


def test_at_once_or_one_after_the_other_gives_the_same_bits(two_threads: None) -> None:
    layers = nn.BatchNorm2d(4), Dropout(0.3)
    parallel, serial = (
        Lanes(network(*layers), 5),
        Lanes(network(nn.BatchNorm2d(4), Dropout(0.3)), 5),
    )
    serial._pool = AtOnce()  # type: ignore[assignment] # of which only this much is used
    for found, expected in zip(learned(parallel), learned(serial), strict=True):
        assert torch.equal(found, expected)
    for name, value in parallel.network.state_dict().items():
        assert torch.equal(value, serial.network.state_dict()[name]), name


def test_statistics_are_the_mean_of_the_lanes_and_all_lanes_have_them(two_threads: None) -> None:
    lanes, (images, _) = Lanes(network(nn.BatchNorm2d(4))), pictures(8)
    learned(lanes, 8)
    halves = [network()[0](half).mean((0, 2, 3)) for half in images.chunk(2)]  # type: ignore[index]
    for each in lanes._networks:
        expected = 0.1 * torch.stack(halves).mean(0)
        assert torch.allclose(each[1].running_mean, expected, atol=1e-6)  # type: ignore[index]


def test_a_lane_without_pictures_takes_over_the_statistics_of_the_other(two_threads: None) -> None:
    lanes = Lanes(network(nn.BatchNorm2d(4)))
    learned(lanes, 1)
    first, second = (each.state_dict()["1.running_mean"] for each in lanes._networks)
    assert first.any()
    assert torch.equal(first, second)


def test_each_lane_draws_its_own_numbers_by_the_seed(two_threads: None) -> None:
    def dropped(seed: int) -> Tensor:
        lanes, (images, labels) = Lanes(network(Dropout(0.5)), seed), pictures(1)
        with lanes:
            both = images.repeat(2, 1, 1, 1), labels.repeat(2)
            return lanes.learn(*both, "fp32", 0.0)[0]

    assert not torch.equal(*dropped(1))
    assert torch.equal(dropped(1), dropped(1))
    assert not torch.equal(dropped(1), dropped(2))


def test_frozen_weights_stay_without_a_gradient(two_threads: None) -> None:
    frozen = network()
    frozen[0].weight.requires_grad_(False)  # type: ignore[index]
    learned(Lanes(frozen))
    assert frozen[0].weight.grad is None  # type: ignore[index]
    assert frozen[0].bias.grad is not None  # type: ignore[index]


def test_threads_are_shared_and_given_back(two_threads: None) -> None:
    torch.set_num_threads(5)
    with Lanes(network()):
        assert torch.get_num_threads() == 2
    assert torch.get_num_threads() == 5


def test_an_error_in_any_lane_reaches_the_caller(two_threads: None) -> None:
    images, labels = pictures(4)
    labels[3] = 99  # no such class: the second lane's
    with Lanes(network()) as lanes, pytest.raises(IndexError):
        lanes.learn(images, labels, "fp32", 0.0)
    assert torch.get_num_threads() == 2
