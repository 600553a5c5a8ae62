"""The fast path against the plain one: the same losses, step by step."""

import copy
import platform
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision import transforms

from made_search import digits
from nas_cifar10.data.loader import shuffled_batches
from nas_cifar10.data.parts import Part
from nas_cifar10.networks.build import build, initialise
from nas_cifar10.space.candidate import Architecture, Block
from nas_cifar10.training.engine import train_step
from nas_cifar10.training.lanes import Lanes
from nas_cifar10.training.optim import OPTIMIZERS

STEPS = 50


def plainly(network: nn.Module) -> nn.Module:
    """Return the same network with the same weights as most people write it: ReLU, then pool."""
    blocks = [module for module in network.children() if isinstance(module, nn.Sequential)]
    layers = [layer for conv, pool, relu in blocks for layer in (conv, relu, pool)]
    rest = list(network.children())[len(blocks) :]
    return copy.deepcopy(nn.Sequential(*layers, *rest))


def batches(part: Part) -> list[tuple[Tensor, Tensor]]:
    found: list[tuple[Tensor, Tensor]] = []
    while len(found) < STEPS:
        found += shuffled_batches(part, 32, seed=len(found))
    return found[:STEPS]


@pytest.mark.parametrize(
    ("colours", "dtype", "difference"),
    [(1, torch.float32, 1e-3), (3, torch.float32, 1e-3), (3, torch.float64, 1e-9)],
)
def test_fifty_steps_give_the_losses_of_a_plain_loop(
    colours: int, dtype: torch.dtype, difference: float
) -> None:
    data = digits()
    part = Part(data.images.repeat(1, colours, 2, 2), data.labels, data.split.train)
    fast = build(Architecture((Block("conv", 16, 5), Block("conv", 8, 3))), (colours, 16, 16), 10)
    initialise(fast, 3)
    fast.to(dtype)
    plain = plainly(fast)
    fast.to(memory_format=torch.channels_last)
    adam = OPTIMIZERS["adam"](fast.parameters(), 0.003)
    plain_adam = torch.optim.Adam(plain.parameters(), lr=0.003, foreach=False)
    found, expected = [], []
    for images, labels in batches(part):
        given = images.to(dtype)
        with Lanes(fast) as lanes:
            found.append(train_step(lanes, adam, given, labels, "fp32")[1])
        loss = F.cross_entropy(plain(given.contiguous()), labels)
        plain_adam.zero_grad()
        torch.autograd.backward(loss)
        plain_adam.step()
        expected.append(loss.detach())
    assert (torch.stack(found) - torch.stack(expected)).abs().max() < difference
    assert expected[-1] < 0.8 * expected[0], "it learns something"


def test_pictures_are_those_of_to_tensor_and_normalise() -> None:
    data = digits()
    part = Part(data.images, data.labels, torch.arange(100))
    images, labels = next(shuffled_batches(part, 100, seed=1))
    plainly = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
    plain = torch.stack([plainly(image[0].numpy()) for image in data.images[:100]])
    order = torch.randperm(100, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(images, plain[order], atol=1e-6)
    assert torch.equal(labels, data.labels[:100][order])


KEEP_AND_GIVE_BACK = """
import os
from pathlib import Path
import torch
from nas_cifar10.training.memory import give_back_memory, keep_freed_memory

def resident():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

assert keep_freed_memory()
before = resident()
kept = torch.ones(50_000_000)
del kept
assert resident() - before > 150, "kept"
give_back_memory()
assert resident() - before < 50, "given back"
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told to")
def test_freed_memory_is_kept_and_given_back() -> None:
    """In a process of its own: what other tests have freed would hide what is asked for here."""
    subprocess.run([sys.executable, "-c", KEEP_AND_GIVE_BACK], check=True)
