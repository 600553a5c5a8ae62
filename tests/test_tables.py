"""Every choice the config offers stands in the table that serves it, and nothing else does."""

from typing import Any, get_args

import pytest
from pydantic import BaseModel

from nas_cifar10.config.candidate import ArchitectureConfig, BlockConfig, FixedTraining
from nas_cifar10.config.schema import (
    SOURCE_SIZES,
    DataConfig,
    SearchedTraining,
    SpaceConfig,
    TrainingConfig,
)
from nas_cifar10.config.search import ConstraintsConfig, SamplerConfig, ScheduleConfig
from nas_cifar10.data.sources import SOURCES
from nas_cifar10.networks.build import INITIALISATIONS
from nas_cifar10.networks.layers import ACTIVATIONS, BLOCKS, HEADS, NORMS, POOLINGS, STEMS
from nas_cifar10.search.budgets import COSTS
from nas_cifar10.search.schedules import SCHEDULES
from nas_cifar10.space.candidate import ARCHITECTURE_KEYS, BLOCK_KEYS, PLAIN
from nas_cifar10.space.search_space import WORK
from nas_cifar10.study.samplers import SAMPLERS
from nas_cifar10.training.optim import OPTIMIZERS
from nas_cifar10.training.rates import RATES

WITHOUT_SAMPLER = {"exhaustive": None}  # enumerates the space itself


@pytest.mark.parametrize(
    ("section", "key", "table"),
    [
        (DataConfig, "source", SOURCES),
        (DataConfig, "source", SOURCE_SIZES),
        (BlockConfig, "kind", BLOCKS),
        (BlockConfig, "norm", NORMS),
        (BlockConfig, "activation", ACTIVATIONS),
        (BlockConfig, "pooling", POOLINGS),
        (ArchitectureConfig, "stem", STEMS),
        (ArchitectureConfig, "head", HEADS),
        (ArchitectureConfig, "initialisation", INITIALISATIONS),
        (TrainingConfig, "optimizer", OPTIMIZERS),
        (TrainingConfig, "schedule", RATES),
        (SamplerConfig, "name", SAMPLERS | WITHOUT_SAMPLER),
        (ScheduleConfig, "name", SCHEDULES),
    ],
)
def test_the_schema_and_the_table_name_the_same_choices(
    section: type[BaseModel], key: str, table: dict[str, Any]
) -> None:
    assert set(get_args(section.model_fields[key].annotation)) == set(table)


def test_every_limit_is_of_a_cost() -> None:
    assert list(COSTS) == list(ConstraintsConfig.model_fields)


def test_every_searched_training_value_is_a_training_key() -> None:
    assert set(SearchedTraining.model_fields) <= set(TrainingConfig.model_fields)
    assert list(SearchedTraining.model_fields) == list(FixedTraining.model_fields)


def test_a_block_and_a_network_are_written_with_the_keys_of_the_space() -> None:
    assert tuple(BlockConfig.model_fields) == BLOCK_KEYS
    assert set(ArchitectureConfig.model_fields) == {"blocks", *ARCHITECTURE_KEYS}
    assert {*BLOCK_KEYS, *ARCHITECTURE_KEYS} < set(SpaceConfig.model_fields)


@pytest.mark.parametrize("key", PLAIN)
def test_the_space_is_plain_by_default_and_so_is_a_block(key: str) -> None:
    section = BlockConfig if key in BLOCK_KEYS else ArchitectureConfig
    for each in (section, SpaceConfig):
        assert each.model_fields[key].default == PLAIN[key]


@pytest.mark.parametrize("key", WORK)
def test_every_word_has_a_place_among_the_least_and_the_most_work(key: str) -> None:
    section = BlockConfig if key in BLOCK_KEYS else ArchitectureConfig
    assert set(WORK[key]) == set(get_args(section.model_fields[key].annotation))
