"""What a candidate costs and may cost: pure functions; knows no study and no training."""

from collections.abc import Iterator, Mapping
from typing import Any

from nas_cifar10.config.search import ConstraintsConfig
from nas_cifar10.networks.latency import latency_ms
from nas_cifar10.space.candidate import Architecture
from nas_cifar10.space.cost import Cost

# From the key of a limit to the field of a cost, and how it is called.
COSTS = {
    "max_parameters": ("parameters", "parameters"),
    "max_macs": ("macs", "MACs"),
    "max_latency_ms": ("latency_ms", "ms"),
}


def costs_of(
    architecture: Architecture,
    price: Cost,
    shape: tuple[int, int, int],
    timed: Mapping[str, Any] | None,
) -> dict[str, float]:
    """Return what a network costs by the name of each cost.

    Args:
        shape: C, H, W of a picture.
        timed: The search's table of latencies, where it has one.
    """
    costs: dict[str, float] = {"parameters": price.parameters, "macs": price.macs}
    if timed is not None:
        costs["latency_ms"] = latency_ms(timed["parts_ms"], architecture, shape)
    return costs


def excess(limits: ConstraintsConfig, costs: Mapping[str, float]) -> dict[str, float]:
    """Return by what share each limit is exceeded: feasible is what exceeds none by more than 0.

    Args:
        costs: `parameters`, `macs` and, where it is limited, `latency_ms`.
    """
    return {key: costs[cost] / limit - 1 for key, cost, limit in _limits(limits)}


def refusal(limits: ConstraintsConfig, costs: Mapping[str, float]) -> str | None:
    """Return why a candidate of these costs is refused; None: it is not."""
    reasons = [
        _said(costs[cost], limit, COSTS[key][1])
        for key, cost, limit in _limits(limits)
        if costs[cost] > limit
    ]
    return "; ".join(reasons) or None


def _said(cost: float, limit: float, unit: str) -> str:
    """Say both in so many digits that they differ."""
    forms = (",",) if isinstance(cost, int) else (",.3g", ",.6g", ",.17g")
    form = next((f for f in forms if format(cost, f) != format(limit, f)), forms[-1])
    return f"{cost:{form}} {unit}, at most {limit:{form}} allowed"


def _limits(limits: ConstraintsConfig) -> Iterator[tuple[str, str, float]]:
    for key, (cost, _) in COSTS.items():
        limit = getattr(limits, key)
        if limit is not None:
            yield key, cost, limit
