"""What a candidate of a space costs on these pictures: counted, or tried on noise.

Nothing that is learnt here is kept.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from nas_cifar10.config.schema import Config
from nas_cifar10.data.loader import normalise
from nas_cifar10.data.split import DataSet
from nas_cifar10.networks.build import build, initialise, move
from nas_cifar10.networks.cost import cost
from nas_cifar10.space.candidate import Candidate
from nas_cifar10.space.cost import Cost
from nas_cifar10.space.search_space import SearchSpace
from nas_cifar10.training.engine import train_step
from nas_cifar10.training.lanes import MAX_LANES, Lanes
from nas_cifar10.training.optim import make_optimizer

PROBE_MACS = 10**10  # of one step's forward passes: well below a second


def batch_size(config: Config, candidate: Candidate) -> int:
    """Return the candidate's own batch size, or the config's where the space draws none."""
    return int(dict(candidate.training).get("batch_size", config.training.batch_size))


def probe_step(
    config: Config, largest: Candidate, data: DataSet, device: torch.device
) -> Callable[[str], None]:
    """Return what learns from so few pictures that it takes seconds, whatever the space holds.

    Weights are not updated: that takes the same time in either format, and once a whole batch. A
    GPU gets the whole batch: with few pictures its time is that of asking it.
    """
    macs, pictures = price(largest, data).macs, batch_size(config, largest)
    if device.type == "cpu":
        pictures = min(pictures, max(MAX_LANES, PROBE_MACS // macs))
    network, images, labels = _with_noise(config, largest, data, device, pictures)

    def step(number_format: str) -> None:
        with Lanes(network) as lanes:
            lanes.learn(images, labels, number_format, label_smoothing=0.0)

    return step


def extremes(space: SearchSpace, data: DataSet) -> tuple[Candidate, Candidate]:
    """Return the candidates of a space that take the least and the most work on these pictures."""
    return space.extremes(lambda candidate: price(candidate, data).macs)


def price(candidate: Candidate, data: DataSet) -> Cost:
    """Return what a candidate costs with these pictures."""
    return cost(candidate.architecture, data.shape, data.num_classes)


def training_step(
    config: Config, candidate: Candidate, data: DataSet, device: torch.device, pictures: int
) -> Callable[[str], None]:
    """Return a function that trains a candidate on so much noise in a number format."""
    network, images, labels = _with_noise(config, candidate, data, device, pictures)
    optimizer = make_optimizer(network, config.training)

    def step(number_format: str) -> None:
        with Lanes(network) as lanes:
            train_step(lanes, optimizer, images, labels, number_format)

    return step


def _with_noise(
    config: Config, candidate: Candidate, data: DataSet, device: torch.device, pictures: int
) -> tuple[nn.Module, Tensor, Tensor]:
    """Return a network, and so much noise with labels for it to learn from."""
    network = build(candidate.architecture, data.shape, data.num_classes)
    initialise(network, config.seed, candidate.architecture.initialisation)
    move(network, device)
    generator = torch.Generator().manual_seed(config.seed)
    noise = torch.randint(0, 256, (pictures, *data.shape), dtype=torch.uint8, generator=generator)
    images = normalise(noise.to(device))
    return network, images, torch.zeros(len(images), dtype=torch.int64, device=device)
