"""Weights that are taken over, and what stays frozen, however it learns."""

import pytest
import torch
from torch import Tensor, nn

from nas_cifar10.networks.build import build, initialise
from nas_cifar10.networks.transfer import begin_with, freeze
from nas_cifar10.space.candidate import Architecture, Block

NORMED = Block("residual", 6, 3, 2, "batch", "gelu", "max", 0.1)
NETWORKS = {
    "plain": Architecture((Block("conv", 4, 3), Block("conv", 6, 5))),
    "normed": Architecture((NORMED, NORMED), stem="whitening", head="average"),
}


def made(
    architecture: Architecture, size: int = 8, num_classes: int = 4, seed: int = 0
) -> nn.Module:
    network = build(architecture, (3, size, size), num_classes)
    initialise(network, seed)
    return network


@pytest.mark.parametrize("architecture", NETWORKS.values(), ids=NETWORKS.keys())
def test_all_but_the_last_layer_is_taken_over(architecture: Architecture) -> None:
    theirs, ours = made(architecture), made(architecture, 16, 7, seed=1)
    drawn = {name: tensor.clone() for name, tensor in ours.state_dict().items()}
    begin_with(ours, theirs.state_dict())
    for name, tensor in ours.state_dict().items():
        expected = drawn if name.startswith("head.") else theirs.state_dict()
        assert torch.equal(tensor, expected[name])


def learned(network: nn.Module) -> dict[str, Tensor]:
    """Return the state after two steps of gradient descent on noise."""
    draw = torch.Generator().manual_seed(3)
    wanted = [weight for weight in network.parameters() if weight.requires_grad]
    optimizer = torch.optim.SGD(wanted, lr=0.1)
    network.train()
    for _ in range(2):
        loss = network(torch.randn(9, 3, 8, 8, generator=draw)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


@pytest.mark.parametrize("architecture", NETWORKS.values(), ids=NETWORKS.keys())
@pytest.mark.parametrize("num_blocks", [0, 1, 2])
def test_frozen_blocks_and_their_norms_stay_and_the_rest_learns(
    architecture: Architecture, num_blocks: int
) -> None:
    network = made(architecture)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    freeze(network, num_blocks)
    after = learned(network)
    frozen = tuple(f"block{number}." for number in range(1, num_blocks + 1))
    frozen += ("stem.",) if num_blocks else ("stem.0.weight",)  # whitening filters never learn
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert not {name for name in changed if name.startswith(frozen)}
    kept = {name for name in before if name.startswith(frozen)}
    assert changed >= {name for name in before.keys() - kept if name.endswith(("weight", "bias"))}


def test_a_frozen_norm_goes_by_what_it_has_seen_while_others_learn() -> None:
    network = made(NETWORKS["normed"])
    freeze(network, 1)
    block = network.get_submodule("block1")
    pictures = torch.randn(5, 24, 8, 8, generator=torch.Generator().manual_seed(1))
    dropouts = [module for module in block.modules() if "Dropout" in type(module).__name__]
    block.train()
    for module in dropouts:
        module.eval()
    learning = block(pictures)
    assert torch.equal(learning, block.eval()(pictures))
