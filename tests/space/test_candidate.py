"""A candidate as a value: JSON both ways, its fingerprint, its short form."""

import dataclasses
import json
from typing import Any

import pytest

from nas_cifar10.space.candidate import Architecture, Block, Candidate

CANDIDATE = Candidate(
    Architecture((Block("conv", 64, 5), Block("conv", 32, 3))),
    (("batch_size", 64), ("learning_rate", 0.001)),
)
WRITTEN: dict[str, Any] = {
    "architecture": {
        "blocks": [
            {"kind": "conv", "channels": 64, "kernel_size": 5},
            {"kind": "conv", "channels": 32, "kernel_size": 3},
        ]
    },
    "training": {"batch_size": 64, "learning_rate": 0.001},
}


def test_json_is_the_form_of_best_json() -> None:
    assert json.loads(json.dumps(CANDIDATE.to_json())) == WRITTEN


def test_json_is_read_back_as_the_same_candidate() -> None:
    assert Candidate.from_json(WRITTEN) == CANDIDATE


def test_the_order_of_training_values_does_not_matter() -> None:
    turned = WRITTEN | {"training": {"learning_rate": 0.001, "batch_size": 64}}
    assert Candidate.from_json(turned).fingerprint() == CANDIDATE.fingerprint()


def test_a_whole_number_as_learning_rate_is_the_same_as_the_float() -> None:
    whole, point = (
        Candidate.from_json(WRITTEN | {"training": {"learning_rate": rate}}) for rate in (1, 1.0)
    )
    assert whole.fingerprint() == point.fingerprint()


def test_the_fingerprint_never_changes() -> None:
    """Stored studies are searched by it."""
    assert CANDIDATE.fingerprint() == "f850d4b03b6f"


DIFFERENT = [
    Candidate(Architecture(CANDIDATE.architecture.blocks[::-1]), CANDIDATE.training),
    Candidate(Architecture(CANDIDATE.architecture.blocks[:1]), CANDIDATE.training),
    Candidate(CANDIDATE.architecture, (("batch_size", 64), ("learning_rate", 0.0010000001))),
    Candidate(CANDIDATE.architecture, (("batch_size", 64),)),
    Candidate(CANDIDATE.architecture, ()),
]


@pytest.mark.parametrize("other", DIFFERENT)
def test_every_difference_shows_in_the_fingerprint(other: Candidate) -> None:
    assert other != CANDIDATE
    assert other.fingerprint() != CANDIDATE.fingerprint()


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"architecture": {"blocks": []}},
        {"architecture": {"blocks": [{"channels": 16, "kernel_size": 4}]}},
        {"architecture": {"blocks": [{"channels": 0, "kernel_size": 3}]}},
        {"architecture": {"blocks": [{"kind": "pool", "channels": 16, "kernel_size": 3}]}},
        WRITTEN | {"training": {"learning_rate": 0}},
        WRITTEN | {"training": {"momentum": 0.9}},
        WRITTEN | {"name": "mine"},
    ],
)
def test_what_is_no_candidate_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        Candidate.from_json(values)


def test_the_short_form_names_channels_and_kernels() -> None:
    assert str(CANDIDATE.architecture) == "64-32, kernels 5-3"
    assert str(CANDIDATE) == "64-32, kernels 5-3, batch size 64, learning rate 0.001"
    assert str(Candidate(CANDIDATE.architecture, ())) == "64-32, kernels 5-3"


RICH = Candidate(
    Architecture(
        (
            Block("residual", 64, 3, 2, "batch", "gelu", "stride", 0.25),
            Block("conv", 32, 5, 3, "batch", "gelu", "max", 0.0, "add"),
        ),
        stem="whitening",
        head="average",
        initialisation="dirac",
    ),
    (),
)


def test_only_what_is_not_plain_is_written() -> None:
    assert RICH.to_json()["architecture"] == {
        "blocks": [
            {
                "kind": "residual",
                "channels": 64,
                "kernel_size": 3,
                "convolutions": 2,
                "norm": "batch",
                "activation": "gelu",
                "pooling": "stride",
                "dropout": 0.25,
            },
            {
                "kind": "conv",
                "channels": 32,
                "kernel_size": 5,
                "convolutions": 3,
                "norm": "batch",
                "activation": "gelu",
                "skip": "add",
            },
        ],
        "stem": "whitening",
        "head": "average",
        "initialisation": "dirac",
    }
    assert Candidate.from_json(json.loads(json.dumps(RICH.to_json()))) == RICH


def test_plain_values_that_are_spelt_out_change_nothing() -> None:
    plain = {"convolutions": 1, "norm": "none", "pooling": "max", "dropout": 0, "skip": "none"}
    blocks = [block | plain for block in WRITTEN["architecture"]["blocks"]]
    spelt = WRITTEN | {"architecture": {"blocks": blocks, "stem": "none", "head": "flatten"}}
    assert Candidate.from_json(spelt).fingerprint() == CANDIDATE.fingerprint()


def test_the_short_form_names_what_is_not_plain_once_where_all_blocks_agree() -> None:
    assert str(RICH.architecture) == (
        "64-32, kernels 3-5, kind residual-conv, convolutions 2-3, norm batch, activation gelu, "
        "pooling stride-max, dropout 0.25-0, skip none-add, stem whitening, head average, "
        "initialisation dirac"
    )


def test_a_candidate_is_frozen_and_can_be_a_key() -> None:
    assert {CANDIDATE: 1}[Candidate.from_json(WRITTEN)] == 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        CANDIDATE.training = ()  # type: ignore[misc] # what the test is about
