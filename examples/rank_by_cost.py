"""Rank every network of a space by what it costs, and train none.

Shows a space, its candidates and their exact cost, in a millisecond each:

    python examples/rank_by_cost.py [MOST_MACS]
"""

import sys

from nas_cifar10.config.schema import SpaceConfig
from nas_cifar10.networks.cost import cost
from nas_cifar10.space.candidate import Candidate
from nas_cifar10.space.cost import Cost
from nas_cifar10.space.search_space import SearchSpace

CIFAR10 = (3, 32, 32)


def ranked(most_macs: float) -> list[tuple[Cost, Candidate]]:
    """Return the candidates with at most so many multiply-accumulates, most parameters first."""
    written = {"depth": [2, 3], "channels": [16, 32, 64], "kernel_size": [3, 5]}
    space = SearchSpace.from_config(SpaceConfig.model_validate(written))
    costs = [(cost(found.architecture, CIFAR10, 10), found) for found in space.enumerate()]
    affordable = [(price, found) for price, found in costs if price.macs <= most_macs]
    return sorted(affordable, key=lambda pair: -pair[0].parameters)


if __name__ == "__main__":
    limit = float(sys.argv[1]) if len(sys.argv) > 1 else 10e6
    found = ranked(limit)
    print(f"{len(found):,} candidates take at most {limit:,.0f} multiply-accumulates a picture")
    for price, candidate in found[:10]:
        print(f"{price.parameters:>9,} parameters {price.macs:>11,}  {candidate.architecture}")
