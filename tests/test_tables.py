"""Every choice the config offers stands in the table that serves it, and nothing else does."""

from typing import Any, get_args

import pytest
from pydantic import BaseModel

from nas_cifar10.config import (
    SOURCE_SIZES,
    BlockConfig,
    DataConfig,
    SamplerConfig,
    ScheduleConfig,
    SearchedTraining,
    TrainingConfig,
)
from nas_cifar10.data.sources import SOURCES
from nas_cifar10.networks.layers import BLOCKS
from nas_cifar10.search.schedules import SCHEDULES
from nas_cifar10.study import SAMPLERS
from nas_cifar10.training.optim import OPTIMIZERS
from nas_cifar10.training.rates import RATES

WITHOUT_SAMPLER = {"exhaustive": None}  # enumerates the space itself


@pytest.mark.parametrize(
    ("section", "key", "table"),
    [
        (DataConfig, "source", SOURCES),
        (DataConfig, "source", SOURCE_SIZES),
        (BlockConfig, "kind", BLOCKS),
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


def test_every_searched_training_value_is_a_training_key() -> None:
    assert set(SearchedTraining.model_fields) <= set(TrainingConfig.model_fields)
