"""A model read from its files: what is refused, in which words and with which code."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from made_trained import made_model, made_part
from nas_cifar10.data.loader import normalisation
from nas_cifar10.errors import BadDataError, MissingInputError
from nas_cifar10.model import probabilities, read_model
from nas_cifar10.runs.folder import RetrainFolder


@pytest.fixture
def folder(tmp_path: Path) -> RetrainFolder:
    """Return a made-up model's files."""
    model, folder = made_model(), RetrainFolder(tmp_path)
    blocks = [vars(block) for block in model.architecture.blocks]
    described = {
        "architecture": {"blocks": blocks},
        "picture_shape": [3, 16, 16],
        "normalisation": normalisation(3),
        "class_names": list(model.class_names),
        "provenance": dict(model.provenance),
    }
    folder.description.write_text(json.dumps(described))
    torch.save(model.network.state_dict(), folder.model)
    return folder


def changed(folder: RetrainFolder, **values: Any) -> None:
    described = json.loads(folder.description.read_text()) | values
    folder.description.write_text(json.dumps(described))


def test_what_is_read_says_the_same(folder: RetrainFolder) -> None:
    model, again = made_model(), read_model(folder)
    assert again.architecture == model.architecture
    assert (again.shape, again.class_names) == (model.shape, model.class_names)
    expected, found = (probabilities(m.network, made_part()) for m in (model, again))
    assert expected.tobytes() == found.tobytes()


@pytest.mark.parametrize("name", ["model.pt", "model.json"])
def test_a_missing_file_is_named_with_the_command_that_makes_it(
    folder: RetrainFolder, name: str
) -> None:
    (folder.root / name).unlink()
    with pytest.raises(MissingInputError, match=rf"{name}: no such file; .* nas retrain --run"):
        read_model(folder)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"picture_shape": [3, 16, 8]}, "1 or 3 channels of a square"),
        ({"picture_shape": [4, 16, 16]}, "1 or 3 channels of a square"),
        ({"picture_shape": [3, 16]}, "not enough values"),
        ({"picture_shape": 3}, "not iterable"),
        ({"picture_shape": [3, 1025, 1025]}, "1 to 1024 pixels a side, got 1025"),
        ({"picture_shape": [3, 0, 0]}, "1 to 1024 pixels a side, got 0"),
        ({"normalisation": {"scale": 1}}, "normalisation is another"),
        ({"class_names": "abcd"}, "class_names must be a list"),
        ({"class_names": [1, 2, 3, 4]}, "class_names must be a list"),
        ({"architecture": {"blocks": []}}, "architecture.blocks: "),
        ({"architecture": None}, "architecture: "),
        ({"provenance": 3}, "not iterable"),
    ],
)
def test_a_description_of_no_model_is_refused(
    folder: RetrainFolder, values: dict[str, Any], reason: str
) -> None:
    changed(folder, **values)
    with pytest.raises(BadDataError, match=rf"model\.json: describes no model: .*{reason}"):
        read_model(folder)


@pytest.mark.parametrize("key", ["architecture", "picture_shape", "class_names", "provenance"])
def test_a_missing_key_is_named(folder: RetrainFolder, key: str) -> None:
    described = json.loads(folder.description.read_text())
    del described[key]
    folder.description.write_text(json.dumps(described))
    with pytest.raises(BadDataError, match=f"'{key}' is missing"):
        read_model(folder)


def test_a_description_that_is_no_mapping_is_refused(folder: RetrainFolder) -> None:
    folder.description.write_text("[1, 2]")
    with pytest.raises(BadDataError, match="describes no model"):
        read_model(folder)


def test_weights_are_not_made_for_a_network_that_the_file_does_not_hold(
    folder: RetrainFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of this one would take 600 MB."""
    wide = {"kind": "conv", "channels": 4096, "kernel_size": 3}
    changed(folder, architecture={"blocks": [wide, wide]})
    made: list[str] = []
    monkeypatch.setattr(torch.nn.Conv2d, "reset_parameters", lambda c: made.append(c.weight.device))
    with pytest.raises(BadDataError, match=r"model\.pt: damaged: "):
        read_model(folder)
    assert {str(device) for device in made} == {"meta"}


def test_weights_of_another_network_are_refused(folder: RetrainFolder) -> None:
    changed(folder, class_names=["a", "b", "c"])
    with pytest.raises(BadDataError, match=r"model\.pt: damaged: "):
        read_model(folder)
