"""The commands that go on with a run, or make it again; knows no page and no terminal."""

import json
import shlex

from pydantic import ValidationError

from nas_cifar10.config_search import RetrainConfig
from nas_cifar10.report.facts import Facts


def search(facts: Facts) -> str:
    """Return what begins the search, or goes on with it, without the limit if its time is up."""
    if facts.search is None:
        return f"nas search --config FILE {_place(facts)}"
    more = " --set search.max_minutes=null" if facts.search.stopped == "time" else ""
    return f"nas search {_place(facts)} --resume{more}"


def retrain(facts: Facts) -> str:
    """Return what begins the retrain, or goes on with it."""
    begun = facts.history is not None and len(facts.history.epochs)
    return f"nas retrain {_place(facts)}{' --resume' if begun else ''}"


def measure(facts: Facts) -> str:
    """Return what measures the model on test that was left unread, and trains nothing anew."""
    asked = " ".join(["--set retrain.test=true", *_asked(facts, but={"test"})])
    return f"nas retrain {_place(facts)} --resume {asked}"


def report(facts: Facts) -> str:
    """Return what writes the page anew."""
    return f"nas report {_place(facts)}"


def again(facts: Facts) -> list[str]:
    """Return what makes the whole run once more in another folder."""
    config, asked = shlex.quote(str(facts.folder / "config.yaml")), _asked(facts)
    other = [" ".join(["nas retrain --run NEW_FOLDER", *asked])] if asked else []
    return [f"nas run --config {config} --run NEW_FOLDER", *other]


def _asked(facts: Facts, but: frozenset[str] | set[str] = frozenset()) -> list[str]:
    """Return what the retrain was asked for beside the config."""
    if facts.config is None or facts.model is None or facts.metrics is None:
        return []
    try:
        used = RetrainConfig.model_validate(facts.model.provenance.get("retrain"))
    except ValidationError:  # of a file that something else wrote
        return []
    best = facts.search.best if facts.search else None
    words = [] if best and best.trial == facts.metrics.trial else [f"--trial {facts.metrics.trial}"]
    asked = facts.config.retrain.model_dump(mode="json")
    for key, value in used.model_dump(mode="json", exclude={"seeds", *but}).items():
        if value != asked[key]:
            text = value if isinstance(value, str) else json.dumps(value)
            words.append(f"--set {shlex.quote(f'retrain.{key}={text}')}")
    return words


def _place(facts: Facts) -> str:
    return f"--run {shlex.quote(str(facts.folder))}"
