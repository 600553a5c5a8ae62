"""Every YAML in configs/ loads, says what it is for, and default.yaml is the mission."""

import json
from pathlib import Path
from typing import Any

import pytest

from nas_cifar10.config.dimensions import Range
from nas_cifar10.config.load import config_from_plain, load_config
from nas_cifar10.config.rules import notices
from nas_cifar10.config.schema import Config

FOLDER = Path(__file__).parents[2] / "configs"
CONFIGS = sorted(FOLDER.glob("*"))


def shipped(name: str) -> Config:
    return load_config(FOLDER / f"{name}.yaml")


def test_these_configs_are_shipped() -> None:
    assert [path.name for path in CONFIGS] == [
        "default.yaml",
        "image_folder.yaml",
        "pareto.yaml",
        "quickstart.yaml",
        "speed.yaml",
        "strong.yaml",
        "thorough.yaml",
        "tiny.yaml",
    ]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_a_shipped_config_loads_without_a_notice_and_survives_storing(path: Path) -> None:
    config = load_config(path)
    assert notices(config) == []
    assert config_from_plain(json.loads(json.dumps(config.plain(), allow_nan=False))) == config


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_a_shipped_config_opens_with_purpose_command_time_and_overrides(path: Path) -> None:
    head = path.read_text(encoding="utf-8").partition("\n\n")[0].split("\n")
    assert all(line.startswith("#") for line in head)
    assert len(head[0]) > 40
    command = f"nas run --config configs/{path.name}"
    assert any(line.lstrip("# ").startswith(command) for line in head)
    assert any(line.startswith("# How long: ") for line in head)
    assert any(line.startswith("# What to override: ") for line in head)


def test_default_is_the_mission() -> None:
    config = shipped("default")
    space, training, search = config.space, config.training, config.search
    assert (config.name, config.seed, config.data.source) == ("default", 0, "cifar10")
    assert (config.data.validation_images, config.data.limit) == (0.1, None)
    assert (space.depth, space.channels, space.kernel_size) == ((2, 3, 4), (16, 32, 64), (3, 5))
    assert space.training.learning_rate == Range[float](low=1e-4, high=1e-2, log=True)
    assert (training.epochs, training.batch_size, training.optimizer) == (5, 128, "adam")
    assert (training.precision, training.threads) == ("auto", "auto")
    assert (search.trials, search.cohort, search.objective) == (10, 5, "accuracy")
    assert (search.sampler.name, search.sampler.startup_trials) == ("tpe", 4)
    assert (search.schedule.name, search.schedule.reduction_factor) == ("hyperband", 3)
    assert (search.workers, search.baseline) == (1, None)
    assert (config.retrain.epochs, config.retrain.monitor, config.retrain.test) == (
        30,
        "test",
        True,
    )


def test_default_spells_every_key_out() -> None:
    config = shipped("default")
    for section in (config, config.data, config.search, config.search.sampler, config.retrain):
        assert section.model_fields_set == set(type(section).model_fields)
    assert set(type(config.training).model_fields) - config.training.model_fields_set == {
        "learning_rate"
    }


def test_default_says_what_the_schema_defaults_to_but_for_averaging() -> None:
    bare: dict[str, Any] = {
        "name": "default",
        "data": {"source": "cifar10"},
        "space": {"training": {"learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}}},
        "training": {"weight_averaging": 0.99},
    }
    assert shipped("default") == config_from_plain(bare)


def test_default_takes_its_pictures_from_a_folder_where_told() -> None:
    config = load_config(
        FOLDER / "default.yaml", ["data.source=image_folder", "data.root=data/cifar"]
    )
    assert (config.data.source, config.data.root) == ("image_folder", "data/cifar")


def test_quickstart_is_the_same_on_every_run() -> None:
    config = shipped("quickstart")
    assert config.data.source == "digits"
    assert (config.training.precision, config.training.threads) == ("fp32", 1)


def test_thorough_is_thorough() -> None:
    config = shipped("thorough")
    assert config.search.trials >= 50
    assert config.training.epochs >= 20


def test_image_folder_shows_the_keys_for_pictures_of_ones_own() -> None:
    data = shipped("image_folder").data
    assert data.source == "image_folder"
    assert data.model_fields_set >= {
        "root",
        "image_size",
        "on_bad_image",
        "test_images",
        "validation_images",
    }
