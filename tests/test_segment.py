"""A segment: however an hour of training is cut, the numbers are the same to the bit."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from made_search import pictures
from made_study import made_config
from nas_cifar10.epochs import Epoch, in_order
from nas_cifar10.errors import BadDataError
from nas_cifar10.segment import RETRAIN, SEARCH, Failed, Segment, Trained, merged, train_segment
from nas_cifar10.space.candidate import Architecture, Block, Candidate
from nas_cifar10.training.checkpoint import load_state, packed, weights
from nas_cifar10.training.engine import evaluate
from nas_cifar10.training.optim import OPTIMIZERS

CANDIDATE = Candidate(
    Architecture((Block("conv", 8, 3), Block("conv", 4, 5))), (("learning_rate", 0.005),)
)


def made_segment(stop: int = 1, precision: str = "fp32", **changes: Any) -> Segment:
    segment = Segment(
        candidate=CANDIDATE,
        training=made_config().training,
        data="made up",
        seed=3,
        stream=SEARCH,
        trial=2,
        stop=stop,
        precision=precision,
        measure_precision=precision,
    )
    return replace(segment, **changes)


def train(segment: Segment, checkpoint: bytes | None = None) -> Trained:
    torch.set_num_threads(1)
    result = train_segment(segment, pictures(), checkpoint)
    assert isinstance(result, Trained)
    return result


def timeless(epochs: tuple[Epoch, ...]) -> list[Epoch]:
    return [replace(epoch, seconds=0) for epoch in epochs]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_three_segments_of_one_epoch_equal_one_of_three_to_the_bit(precision: str) -> None:
    whole = train(made_segment(3, precision))
    checkpoint = None
    for stop in (1, 2, 3):
        torch.manual_seed(stop)  # the world's random numbers have no say
        part = train(made_segment(stop, precision), checkpoint)
        checkpoint = part.checkpoint
    assert timeless(part.epochs) == timeless(whole.epochs)
    for one, other in zip(states(part.checkpoint), states(whole.checkpoint), strict=True):
        assert torch.equal(one, other)


def states(checkpoint: bytes) -> list[Tensor]:
    """Return every tensor of a checkpoint: weights, then the optimizer's."""
    state = load_state(checkpoint)
    moments = state["optimizer"]["state"].values()
    return [*state["network"].values(), *(value for each in moments for value in each.values())]


def test_the_same_segment_twice_gives_the_same_bytes_but_for_times() -> None:
    one, two = (train(made_segment(2)) for _ in range(2))
    assert all(map(torch.equal, states(one.checkpoint), states(two.checkpoint)))
    assert timeless(one.epochs) == timeless(two.epochs)


def test_epochs_are_numbered_measured_and_getting_better() -> None:
    epochs = train(made_segment(3)).epochs
    assert [epoch.number for epoch in epochs] == [1, 2, 3]
    assert epochs[2].train.loss < epochs[0].train.loss
    for epoch in epochs:
        assert 0 <= epoch.measured.accuracy <= 1
        assert epoch.measured.auc is None
        assert epoch.seconds > 0


def test_areas_are_measured_where_they_are_asked_for() -> None:
    (epoch,) = train(made_segment(1, with_auc=True)).epochs
    assert epoch.measured.auc is not None
    assert epoch.train.auc is not None


def test_nothing_is_measured_where_nothing_is_held_out() -> None:
    shown = replace(pictures(), held_out_rows=None)
    result = train_segment(made_segment(1), shown, None)
    assert isinstance(result, Trained)
    assert result.epochs[0].held_out is None


@pytest.mark.parametrize("change", [{"seed": 4}, {"trial": 1}, {"stream": RETRAIN}])
def test_seed_trial_and_stream_each_change_the_random_numbers(change: dict[str, Any]) -> None:
    one, other = train(made_segment(1)), train(made_segment(1, **change))
    assert not torch.equal(states(one.checkpoint)[0], states(other.checkpoint)[0])


def test_a_segment_that_is_done_trains_nothing() -> None:
    done = train(made_segment(2))
    again = train(made_segment(2), done.checkpoint)
    assert again.epochs == done.epochs
    assert all(map(torch.equal, states(again.checkpoint), states(done.checkpoint)))


def test_a_checkpoint_with_one_flipped_bit_is_bad_data() -> None:
    checkpoint = train(made_segment(1)).checkpoint
    for place in (0, 31, 32, len(checkpoint) // 2, len(checkpoint) - 1):
        damaged = bytearray(checkpoint)
        damaged[place] ^= 0x10
        with pytest.raises(BadDataError, match="checkpoint: damaged, its checksum differs"):
            train_segment(made_segment(2), pictures(), bytes(damaged))


@pytest.mark.parametrize(
    "forge",
    [
        lambda settings: settings.pop("betas"),
        lambda settings: settings.pop("initial_lr"),
        lambda settings: settings.update(foo=1),
    ],
)
def test_a_checkpoint_with_other_settings_is_bad_data(forge: Callable[[Any], Any]) -> None:
    first = train(made_segment(1))
    state = load_state(first.checkpoint)
    parts = {name: state[name] for name in ("network", "optimizer")}
    forge(parts["optimizer"]["param_groups"][0])
    forged = packed(state["belongs_to"], list(first.epochs), **parts)
    with pytest.raises(BadDataError, match="checkpoint: damaged, it does not fit"):
        train_segment(made_segment(2), pictures(), forged)


@pytest.mark.parametrize("length", [0, 10, 32, 500])
def test_a_truncated_checkpoint_is_bad_data(length: int) -> None:
    checkpoint = train(made_segment(1)).checkpoint
    with pytest.raises(BadDataError, match="checkpoint: damaged"):
        train_segment(made_segment(2), pictures(), checkpoint[:length])


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 4},
        {"trial": 3},
        {"stream": RETRAIN},
        {"precision": "bf16"},
        {"data": "others"},
        {"training": made_config("training.batch_size=16").training},
        {"candidate": replace(CANDIDATE, training=(("learning_rate", 0.004),))},
        {"candidate": replace(CANDIDATE, architecture=Architecture((Block("conv", 8, 3),)))},
    ],
)
def test_a_checkpoint_of_something_else_is_refused(change: dict[str, Any]) -> None:
    checkpoint = train(made_segment(1)).checkpoint
    with pytest.raises(BadDataError, match="checkpoint: belongs to another trial"):
        train_segment(made_segment(2, **change), pictures(), checkpoint)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_learning_rate_beyond_reason_fails_with_a_reason(
    monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    adam = OPTIMIZERS["adam"]
    monkeypatch.setitem(OPTIMIZERS, "adam", lambda parameters, rate: adam(parameters, 1e30))
    result = train_segment(made_segment(2, precision), pictures(), None)
    assert isinstance(result, Failed)
    assert result.reason.startswith("diverged: not a finite number")
    assert "epoch 1" in result.reason


def test_what_is_not_finite_only_when_measured_has_diverged_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*args: Any) -> Any:
        found = evaluate(*args)
        return replace(found, logits=found.logits / 0)

    monkeypatch.setattr("nas_cifar10.segment.evaluate", broken)
    result = train_segment(made_segment(1), pictures(), None)
    reason = "diverged: not a finite number when measured after epoch 1"
    assert result == Failed(reason)


def test_a_checkpoint_that_does_not_fit_is_no_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    first = train_segment(made_segment(1), pictures(), None)
    assert isinstance(first, Trained)

    def load(*_: object, **__: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate")

    monkeypatch.setattr(torch, "load", load)
    result = train_segment(made_segment(2), pictures(), first.checkpoint)
    assert result == Failed("out of memory")


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    ],
)
def test_running_out_of_memory_fails_and_the_next_segment_is_right(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    expected = train(made_segment(3))
    first = train(made_segment(1))
    with monkeypatch.context() as patched:
        patched.setattr(nn.MaxPool2d, "forward", raising_after(5, error))
        result = train_segment(made_segment(3), pictures(), first.checkpoint)
    assert isinstance(result, Failed)
    assert result.reason == "out of memory"
    found = train(made_segment(3), first.checkpoint)
    assert timeless(found.epochs) == timeless(expected.epochs)
    assert all(map(torch.equal, states(found.checkpoint), states(expected.checkpoint)))


def raising_after(calls: int, error: Exception) -> Callable[[nn.MaxPool2d, Tensor], Any]:
    """Return a forward that raises, once it has worked so often."""
    left, forward = calls, nn.MaxPool2d.forward

    def run(module: nn.MaxPool2d, images: Tensor) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise error
        return forward(module, images)

    return run


def test_a_mistake_of_ours_is_not_taken_for_a_failing_candidate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mistake = RuntimeError("mat1 and mat2 shapes cannot be multiplied")
    monkeypatch.setattr(nn.MaxPool2d, "forward", raising_after(0, mistake))
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        train_segment(made_segment(1), pictures(), None)


def test_the_candidates_own_training_values_take_precedence() -> None:
    own = replace(CANDIDATE, training=(("batch_size", 16), ("learning_rate", 0.02)))
    segment = made_segment(1, candidate=own)
    assert (merged(segment).batch_size, merged(segment).learning_rate) == (16, 0.02)
    assert merged(segment).epochs == segment.training.epochs
    result = train(segment)
    optimizer = load_state(result.checkpoint)["optimizer"]
    num_train = len(pictures().train)
    assert optimizer["param_groups"][0]["lr"] == 0.02
    assert int(optimizer["state"][0]["step"]) == -(-num_train // 16)


def test_values_out_of_their_range_are_refused() -> None:
    with pytest.raises(ValueError, match="learning_rate"):
        merged(made_segment(1, candidate=replace(CANDIDATE, training=(("learning_rate", -1.0),))))


def test_weights_are_the_networks_alone_contiguous_and_on_the_cpu() -> None:
    found = weights(train(made_segment(1)).checkpoint)
    assert list(found) == [
        "block1.0.weight",
        "block1.0.bias",
        "block2.0.weight",
        "block2.0.bias",
        "head.weight",
        "head.bias",
    ]
    assert all(tensor.is_contiguous() and tensor.device.type == "cpu" for tensor in found.values())


def test_an_epoch_survives_json() -> None:
    (epoch,) = train(made_segment(1, with_auc=True)).epochs
    alone = replace(epoch, held_out=None)
    assert in_order([epoch.to_json()]) == (epoch,)
    assert in_order([alone.to_json()]) == (alone,)
