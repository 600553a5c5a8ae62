"""The one epoch loop against a plain one, and what it leaves alone."""

import gc
import math
from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import accuracy_score, log_loss
from torch import Tensor, nn

from nas_cifar10.networks.layers import Dropout
from nas_cifar10.training.average import Average
from nas_cifar10.training.engine import DivergedError, Recipe, evaluate, train_epochs
from nas_cifar10.training.optim import OPTIMIZERS


def network(dropout: float = 0.0) -> nn.Module:
    """Return a small network with the same weights each time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1),
            nn.ReLU(),
            Dropout(dropout),
            nn.Flatten(),
            nn.Linear(64, 3),
        )


def pictures(num: int = 20) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    images = torch.randn(num, 1, 4, 4, generator=generator)
    return images, torch.randint(0, 3, (num,), generator=generator)


def in_order(epoch: int = 0, size: int = 8) -> Iterator[tuple[Tensor, Tensor]]:
    images, labels = pictures()
    yield from zip(torch.split(images, size), torch.split(labels, size), strict=True)


def test_the_loop_equals_a_plain_one() -> None:
    fast, plain = network(), network()
    seen = []
    optimizer = torch.optim.Adam(plain.parameters(), lr=0.01, fused=True)
    for epoch in (1, 2):
        said = []
        for images, labels in in_order(epoch):
            logits = plain(images)
            optimizer.zero_grad()
            F.cross_entropy(logits, labels).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            said.append(logits.detach())
        seen.append(torch.cat(said))
    adam = OPTIMIZERS["adam"](fast.parameters(), 0.01)
    outputs = list(train_epochs(fast, adam, in_order, (1, 2), lambda epoch: epoch, "fp32"))
    assert [epoch for epoch, _ in outputs] == [1, 2]
    for (_, found), logits in zip(outputs, seen, strict=True):
        assert torch.equal(found.logits, logits)
        assert torch.equal(found.labels, pictures()[1])
    for one, other in zip(fast.parameters(), plain.parameters(), strict=True):
        assert torch.equal(one, other)


def test_smoothing_shares_of_classes_rates_and_average_follow_a_plain_loop() -> None:
    fast, plain, factors = network(), network(), (1.0, 0.5, 0.25, 0.1, 0.2, 0.3)
    classes = torch.eye(3)

    def mixed(epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        for images, labels in in_order(epoch):
            yield images, 0.7 * classes[labels] + 0.3 * classes[labels.roll(1)]

    average = Average(fast, 0.2)
    expected = [weight.detach().clone() for weight in plain.parameters()]
    optimizer = torch.optim.Adam(plain.parameters(), lr=0.01, fused=True)
    step = 0
    for epoch in (1, 2):
        for images, targets in mixed(epoch):
            optimizer.param_groups[0]["lr"] = 0.01 * factors[step]
            smooth = 0.9 * targets + 0.1 / 3
            loss = -(smooth * plain(images).log_softmax(1)).sum(1).mean()
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            stays = min(0.2, (1 + step) / (10 + step))
            for mean, weight in zip(expected, plain.parameters(), strict=True):
                mean.mul_(stays).add_(weight.detach(), alpha=1 - stays)
            step += 1
    recipe = Recipe(0.1, steps_an_epoch=3, factor=lambda step: factors[step], average=average)
    adam = OPTIMIZERS["adam"](fast.parameters(), 0.01)
    outputs = list(train_epochs(fast, adam, mixed, (1, 2), int, "fp32", recipe))
    for one, other in zip(fast.parameters(), plain.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-6)
    for one, mean in zip(average.network.parameters(), expected, strict=True):
        assert torch.allclose(one, mean, atol=1e-6)
    assert torch.equal(outputs[0][1].labels, pictures()[1]), "the likeliest class of each"


def test_adam_follows_its_paper() -> None:
    weight = nn.Parameter(torch.tensor([1.0, -2.0, 3.0]))
    optimizer = OPTIMIZERS["adam"]([weight], 0.01)
    expected, first, second = weight.detach().double().clone(), torch.zeros(3), torch.zeros(3)
    for step in range(1, 4):
        weight.grad = weight.detach() ** 2 - 1
        first = 0.9 * first + 0.1 * weight.grad
        second = 0.999 * second + 0.001 * weight.grad**2
        expected -= 0.01 * (first / (1 - 0.9**step)) / ((second / (1 - 0.999**step)).sqrt() + 1e-8)
        optimizer.step()
        assert torch.allclose(weight.detach().double(), expected, atol=1e-6)


def test_the_caller_may_stop_after_any_epoch() -> None:
    trained = network()
    adam = OPTIMIZERS["adam"](trained.parameters(), 0.01)
    for epoch, _ in train_epochs(trained, adam, in_order, range(1, 100), int, "fp32"):
        if epoch == 2:
            break
    steps = {int(state["step"]) for state in adam.state_dict()["state"].values()}
    assert steps == {6}, "two epochs of three batches, and nothing ahead"


def test_dropout_follows_from_the_epochs_seed_alone() -> None:
    found = []
    for world_seed in (1, 2):
        torch.manual_seed(world_seed)
        trained = network(dropout=0.5)
        adam = OPTIMIZERS["adam"](trained.parameters(), 0.01)
        found.append(list(train_epochs(trained, adam, in_order, (1, 2), lambda e: 40 + e, "fp32")))
    for (_, one), (_, other) in zip(*found, strict=True):
        assert torch.equal(one.logits, other.logits)
    other_seed = network(dropout=0.5)
    adam = OPTIMIZERS["adam"](other_seed.parameters(), 0.01)
    _, outputs = next(train_epochs(other_seed, adam, in_order, (1,), lambda e: 7, "fp32"))
    assert not torch.equal(outputs.logits, found[0][0][1].logits)


def test_every_epoch_has_a_seed_of_its_own() -> None:
    asked = list[int]()
    trained = network(dropout=0.5)
    adam = torch.optim.Adam(trained.parameters())
    list(train_epochs(trained, adam, in_order, (3, 4), lambda e: asked.append(e) or e, "fp32"))  # type: ignore[func-returns-value]
    assert asked == [3, 4]


def test_the_global_random_state_is_put_back() -> None:
    trained = network(dropout=0.5)
    adam = OPTIMIZERS["adam"](trained.parameters(), 0.01)
    before = torch.random.get_rng_state()
    for _ in train_epochs(trained, adam, in_order, (1, 2), int, "fp32"):
        assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("learning_rate", [1e30, math.inf])
def test_an_epoch_that_ends_without_finite_numbers_has_diverged(learning_rate: float) -> None:
    trained = network()
    sgd = torch.optim.SGD(trained.parameters(), learning_rate)
    with pytest.raises(DivergedError, match="not a finite number in epoch 1"):
        list(train_epochs(trained, sgd, in_order, (1, 2), int, "fp32"))


def test_weights_that_only_the_last_step_spoilt_are_noticed() -> None:
    trained = network()
    sgd = torch.optim.SGD(trained.parameters(), math.inf)
    with pytest.raises(DivergedError, match="epoch 1"):
        list(train_epochs(trained, sgd, lambda epoch: in_order(size=20), (1,), int, "fp32"))


def test_evaluating_changes_nothing_and_needs_no_gradient() -> None:
    measured = network(dropout=0.5).train()
    before = {name: value.clone() for name, value in measured.state_dict().items()}
    one, two = (evaluate(measured, in_order(), "fp32") for _ in range(2))
    assert torch.equal(one.logits, two.logits), "dropout is off"
    assert not one.logits.requires_grad
    assert all(parameter.grad is None for parameter in measured.parameters())
    for name, value in measured.state_dict().items():
        assert torch.equal(value, before[name])


@pytest.mark.parametrize("size", [1, 7, 20])
def test_how_pictures_are_batched_hardly_changes_a_measurement(size: int) -> None:
    images, _ = pictures()
    found = evaluate(network(), in_order(size=size), "fp32")
    with torch.no_grad():
        assert torch.allclose(found.logits, network()(images), atol=1e-5)


def test_loss_and_accuracy_agree_with_scikit_learn() -> None:
    found = evaluate(network(), in_order(), "fp32")
    labels, probabilities = found.labels.numpy(), found.logits.double().softmax(1).numpy()
    assert found.loss == pytest.approx(log_loss(labels, probabilities), abs=1e-12)
    assert found.accuracy == accuracy_score(labels, probabilities.argmax(1))
    assert torch.equal(found.predicted, found.logits.argmax(1))


def test_bf16_computes_in_bf16_and_answers_in_fp32() -> None:
    fp32, bf16 = (evaluate(network(), in_order(), format_) for format_ in ("fp32", "bf16"))
    assert bf16.logits.dtype == torch.float32
    assert not torch.equal(fp32.logits, bf16.logits)
    assert torch.allclose(fp32.logits, bf16.logits, atol=0.05)


def test_no_tensor_of_a_step_outlives_it() -> None:
    """Small ones would lie between the large ones that a step frees, and memory would grow."""
    alive: list[int] = []

    def watched(epoch: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        for batch in in_order(epoch, size=1):
            yield batch
            alive.append(sum(issubclass(type(each), Tensor) for each in gc.get_objects()))

    learns = network()
    adam = OPTIMIZERS["adam"](learns.parameters(), 0.01)
    gc.collect()  # of what other tests have left, nothing is to go while it is counted
    list(train_epochs(learns, adam, watched, (1,), lambda epoch: epoch, "fp32"))
    assert len(alive) == 20
    assert alive[-1] <= alive[5]
    alive.clear()
    evaluate(learns, watched(), "fp32")
    assert len(alive) == 20
    assert alive[-1] <= alive[5]
