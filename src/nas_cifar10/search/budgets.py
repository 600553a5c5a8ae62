"""What a candidate may cost: pure functions of what it costs; knows no study and no training."""

from collections.abc import Iterator, Mapping

from nas_cifar10.config_search import ConstraintsConfig

# From the key of a limit to the field of a cost, and how it is called.
COSTS = {
    "max_parameters": ("parameters", "parameters"),
    "max_macs": ("macs", "MACs"),
    "max_latency_ms": ("latency_ms", "ms"),
}


def excess(limits: ConstraintsConfig, costs: Mapping[str, float]) -> dict[str, float]:
    """Return by what share each limit is exceeded: feasible is what exceeds none by more than 0.

    Args:
        costs: `parameters`, `macs` and, where it is limited, `latency_ms`.
    """
    return {key: costs[cost] / limit - 1 for key, cost, limit in _limits(limits)}


def refusal(limits: ConstraintsConfig, costs: Mapping[str, float]) -> str | None:
    """Return why a candidate of these costs is refused; None: it is not."""
    reasons = [
        f"{_said(costs[cost])} {COSTS[key][1]}, at most {_said(limit)} allowed"
        for key, cost, limit in _limits(limits)
        if costs[cost] > limit
    ]
    return "; ".join(reasons) or None


def _said(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:,.3g}"


def _limits(limits: ConstraintsConfig) -> Iterator[tuple[str, str, float]]:
    for key, (cost, _) in COSTS.items():
        limit = getattr(limits, key)
        if limit is not None:
            yield key, cost, limit
