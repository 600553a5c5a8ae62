"""Spaces as tests write and draw them."""

import random
from typing import Any

from hypothesis import strategies as st

from nas_cifar10.config.schema import SpaceConfig
from nas_cifar10.space.search_space import Dimension, RealRange, SearchSpace, Value, values_of


def space_of(**written: Any) -> SearchSpace:
    return SearchSpace.from_config(SpaceConfig.model_validate(written))


def draw(seed: int) -> Any:
    """Return a `suggest` that draws uniformly."""
    generator = random.Random(seed)

    def suggest(name: str, dimension: Dimension) -> Value:
        if isinstance(dimension, RealRange):
            return generator.uniform(dimension.low, dimension.high)
        return generator.choice(values_of(dimension))

    return suggest


def whole(low: int, high: int, step: int = 1) -> st.SearchStrategy[Any]:
    """Write a whole-number dimension in each of its three forms."""
    number = st.integers(0, (high - low) // step).map(lambda steps: low + step * steps)
    choice = st.lists(number, min_size=1, max_size=3, unique=True)
    ends = st.tuples(number, number).filter(lambda pair: pair[0] < pair[1])
    return number | choice | ends.map(lambda pair: {"low": pair[0], "high": pair[1]})


def words(*options: str) -> st.SearchStrategy[Any]:
    option = st.sampled_from(options)
    return option | st.lists(option, min_size=1, max_size=2, unique=True)


RICH = {
    "kind": words("conv", "residual", "depthwise_separable"),
    "convolutions": whole(1, 2),
    "skip": words("none", "add"),
    "norm": st.just("batch"),
    "head": words("flatten", "max"),
}


def spaces(*, finite: bool, plain: bool = True) -> st.SearchStrategy[SearchSpace]:
    rates: st.SearchStrategy[Any] = st.just([0.001, 0.01]) | st.none() | st.just(0.01)
    if not finite:
        rates |= st.just({"low": 0.001, "high": 0.1, "log": True})
    return st.fixed_dictionaries(
        {
            "depth": whole(1, 3 if plain else 2),
            "channels": whole(1, 3),
            "kernel_size": whole(1, 5, step=2),
            **({} if plain else RICH),
            "training": st.fixed_dictionaries(
                {"learning_rate": rates, "batch_size": st.none() | whole(1, 2)}
            ),
        }
    ).map(lambda written: space_of(**written))


SEEDS = st.integers(0, 2**32)
