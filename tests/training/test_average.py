"""The moving average against a loop by hand."""

import torch
from torch import nn

from nas_cifar10.training.average import Average


def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))


def changed(followed: nn.Module, step: int) -> None:
    """Give every weight and statistic another value."""
    generator = torch.Generator().manual_seed(step)
    with torch.no_grad():
        for value in followed.state_dict().values():
            if value.is_floating_point():
                value.copy_(torch.randn(value.shape, generator=generator))
            else:
                value.add_(3)


def test_the_average_is_that_of_a_loop_by_hand() -> None:
    followed = network()
    average = Average(followed, 0.4)
    expected = {name: value.double() for name, value in followed.state_dict().items()}
    for step in range(8):
        changed(followed, step)
        average.update(step)
        stays = min(0.4, (1 + step) / (10 + step))
        for name, value in followed.state_dict().items():
            expected[name] = stays * expected[name] + (1 - stays) * value.double()
    for name, value in average.network.state_dict().items():
        if value.is_floating_point():
            assert torch.allclose(value.double(), expected[name], atol=1e-6)
        else:
            assert torch.equal(value, followed.state_dict()[name]), "a counter is copied"


def test_what_is_followed_is_left_alone() -> None:
    followed = network()
    average = Average(followed, 0.9)
    changed(followed, 1)
    before = {name: value.clone() for name, value in followed.state_dict().items()}
    average.update(0)
    for name, value in followed.state_dict().items():
        assert torch.equal(value, before[name])
    for mine, theirs in zip(average.network.parameters(), followed.parameters(), strict=True):
        assert not torch.equal(mine, theirs)
