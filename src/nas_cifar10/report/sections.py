"""All words and tables of the page, by the names its template knows them by; knows no HTML."""

from typing import Any

from nas_cifar10.config import yaml_text
from nas_cifar10.described import DUPLICATES, PARTS
from nas_cifar10.report import caveats, commands, headline, tables
from nas_cifar10.report.captions import counted
from nas_cifar10.report.charts import plain
from nas_cifar10.report.drawing import drawing
from nas_cifar10.report.facts import Facts
from nas_cifar10.report.parts import Environment, Search
from nas_cifar10.report.pictures import Album

_PLAIN = "Every convolution is followed by ReLU and a 2×2 max-pooling."


def context(facts: Facts, album: Album) -> dict[str, Any]:
    """Return everything the template names, but for charts and pictures."""
    return {
        "name": plain(facts.name, 200),
        "sentence": headline.sentence(facts),
        "numbers": headline.numbers(facts),
        **_network(facts),
        "missing": headline.missing(facts),
        "at_work": headline.at_work(facts),
        "epochs": _epochs(facts),
        "board": tables.leaderboard(facts),
        "objective": facts.objective,
        "scores": headline.scores(facts),
        "measured_on": headline.measured_on(facts),
        "top": tables.top(facts),
        "per_class": tables.classes(facts),
        "confusion": tables.confusion(facts, album),
        "data": _data(facts),
        "repeat": _repeat(facts),
        "caveats": caveats.of(facts),
    }


def _network(facts: Facts) -> dict[str, str | None]:
    """Return the drawing of the network, where there is one, and what it does not show."""
    data, model, search = facts.data, facts.model, facts.search
    if data is not None and model is not None and facts.metrics is not None:
        architecture, layers = model.architecture, model.layers
    elif data is not None and search is not None and search.best is not None:
        architecture, layers = search.best.candidate.architecture, search.network
    else:
        return {"drawing": None, "in_words": None}
    words = _PLAIN if architecture.is_plain else f"In words: {architecture}."
    return {"drawing": drawing(architecture, layers, data.shape), "in_words": words}


def _epochs(facts: Facts) -> dict[str, float | str] | None:
    if facts.search is None or not facts.search.epochs.full_budget:
        return None
    trained, full = facts.search.epochs.trained, facts.search.epochs.full_budget
    rest = _rest(facts.search) if trained < full else "none was left out"
    return {"trained": trained, "full": full, "share": trained / full, "rest": rest}


def _rest(search: Search) -> str:
    """Say why some epochs were not trained."""
    counts = search.trials
    if counts.ended < counts.requested:
        timed_out = search.stopped == "time"
        return "then its time was up" if timed_out else "some of the rest is to come"
    whose = {
        "trials ended early": counts.pruned,
        "candidates refused for their budget": counts.infeasible,
        "networks trained before": counts.repeated,
        "trials that failed": counts.failed,
    }
    return f"the rest belongs to {' and '.join(told for told, num in whose.items() if num)}"


def _data(facts: Facts) -> dict[str, Any] | None:
    data = facts.data
    if data is None:
        return None
    channels, height, width = data.shape
    others = {"unreadable pictures": data.skipped, "other files": data.ignored}
    return {
        "totals": [(part, data.totals[part]) for part in PARTS[1:]],
        "shape": f"{width}×{height} pixels, {counted(channels, 'channel')}",
        "duplicates": [(pair, told, data.duplicates[pair]) for pair, told in DUPLICATES.items()],
        "left_out": [(told, count) for told, count in others.items() if count],
        "rows": [
            {"name": plain(name, 60), "counts": [data.pictures[part][name] for part in PARTS[1:]]}
            for name in data.class_names
        ],
    }


def _repeat(facts: Facts) -> dict[str, Any]:
    """Return how to get these numbers again."""
    rows: list[tuple[str, object]] = []
    if facts.config is not None:
        rows.append(("seed", facts.config.seed))
    if facts.data is not None:
        rows.append(("fingerprint of the pictures and their split", facts.data.fingerprint))
    if facts.model is not None:
        rows.append(("fingerprint of the network", facts.model.provenance.get("fingerprint")))
        rows.append(("began with the weights of", _start(facts.model.provenance.get("start"))))
    if facts.environment is not None:
        rows += _circumstances(facts.environment)
    return {
        "command": "\n".join(commands.again(facts)),
        "rows": [
            (plain(name, 60), plain(str(value), 120))
            for name, value in rows
            if value not in (None, "")
        ],
        "config": yaml_text.dump(facts.config.plain()) if facts.config else "",
    }


def _start(origin: object) -> str | None:
    if not isinstance(origin, dict):
        return None
    return f"{origin.get('run')}, study {origin.get('study')}, trial {origin.get('trial')}"


def _circumstances(environment: Environment) -> list[tuple[str, object]]:
    return [
        ("device", environment.device),
        ("number format", environment.precision),
        ("threads a worker", environment.threads),
        ("workers", environment.workers),
        ("processor", environment.processor),
        ("commit", environment.commit),
        ("started", environment.started_at),
        ("resumed", ", ".join(environment.resumed_at)),
        *environment.versions.items(),
    ]
