"""The commands that go on with a run, or make it again; knows no page and no terminal."""

import shlex

from nas_cifar10.report.facts import Facts
from nas_cifar10.runs.asked import Asked, command


def search(facts: Facts) -> str:
    """Return what begins the search, or goes on with it, without the limit if its time is up."""
    if facts.search is None:
        return f"nas search --config FILE {_place(facts)}"
    more = " --set search.max_minutes=null" if facts.search.stopped == "time" else ""
    return f"nas search {_place(facts)} --resume{more}"


def retrain(facts: Facts) -> str:
    """Return what begins the retrain, or goes on with it as it was asked for."""
    return f"nas retrain {_place(facts)}{' --resume' if facts.asked else ''}"


def measure(facts: Facts) -> str:
    """Return what measures the model on test that was left unread, and trains nothing anew."""
    asked = (facts.asked or Asked()).then(Asked(overrides=("retrain.test=true",)))
    return command(["retrain", *_words(facts), "--resume"], asked)


def report(facts: Facts) -> str:
    """Return what writes the page anew."""
    return f"nas report {_place(facts)}"


def again(facts: Facts) -> list[str]:
    """Return what makes the whole run once more in another folder.

    Where the retrain was another than the config's, that is a command of its own: `nas run` would
    do the config's first, and might measure on test what was to stay unread.
    """
    asked, config = facts.asked or Asked(), str(facts.folder / "config.yaml")
    device = facts.environment.device if facts.environment else None
    words = ["--config", config, "--run", "NEW_FOLDER", *(["--device", device] if device else [])]
    if not asked.words:
        return [shlex.join(["nas", "run", *words])]
    retrain = command(["retrain", "--run", "NEW_FOLDER"], asked)
    return [shlex.join(["nas", "search", *words]), retrain]


def _place(facts: Facts) -> str:
    return shlex.join(_words(facts))


def _words(facts: Facts) -> list[str]:
    """Name the run by its folder, or where the search ran elsewhere, by its study."""
    if facts.environment is None and facts.study is not None:
        database, name = facts.study
        return ["--study-db", database, "--study", name]
    return ["--run", str(facts.folder)]
