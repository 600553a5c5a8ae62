"""What a figure stands on, in words; draws nothing."""

from collections.abc import Mapping
from typing import Any

from nas_cifar10.config.schema import augments
from nas_cifar10.described import PARTS
from nas_cifar10.report.facts import Facts
from nas_cifar10.report.ink import shorten

FEW = 20  # complete trials; with fewer, importances are mostly noise
IMPORTANCE_UNIT = "share of all importance"
STATES = ("pruned", "failed", "infeasible", "repeated", "running", "interrupted")


def num_trials(facts: Facts) -> str:
    """Return `4 complete of 10 trials`, and what became of the others."""
    trials = facts.trials or ()
    counts = {state: sum(trial.state == state for trial in trials) for state in STATES}
    others = ", ".join(f"{count:,} {state}" for state, count in counts.items() if count)
    head = f"{len(facts.complete):,} complete of {counted(facts.num_requested, 'trial')}"
    return f"{head} ({others})" if others else head


def proposed(facts: Facts, kind: str) -> str:
    """Return in a word or two how a trial of this kind was proposed."""
    if kind == "random" and facts.is_enumerated:
        return "in order"
    return {"model_based": "model-based", "local": "beside the best"}.get(kind, kind)


def run(facts: Facts) -> str:
    """Return the run's name, where its pictures come from and how many there are."""
    words = [shorten(facts.name, 50)]
    if facts.config is not None:
        words.append(facts.config.data.source)
    if facts.data is not None:
        totals = facts.data.totals
        parts = ", ".join(f"{totals[part]:,} {part}" for part in PARTS[1:])
        words.append(f"pictures: {parts}")
    return " · ".join(words)


def search(facts: Facts) -> str:
    """Return the caption of a figure of the search."""
    return f"{num_trials(facts)}; {facts.objective} on validation.\n{run(facts)}"


def front(facts: Facts) -> str:
    """Return what a point on the front has over the others."""
    several = len(facts.costs) > 1
    return (
        f"{counted(len(facts.front), 'trial')} of the {len(facts.complete):,} that completed "
        f"{'is' if len(facts.front) == 1 else 'are'} on the front: no other complete trial is "
        f"better in one goal and no worse in {'the others' if several else 'the other'}. "
        f"A pruned trial stands at its last epoch."
    )


def importance(facts: Facts) -> str:
    """Return what an importance says, and on how much it stands."""
    num = len(facts.complete)
    noise = f"; with fewer than {FEW} this is mostly noise" if num < FEW else ""
    return f"PED-ANOVA over {counted(num, 'complete trial')}: what sets the best tenth apart{noise}"


def retrain(facts: Facts) -> str:
    """Return the caption of a figure of the retrain's epochs: on what, and what was monitored."""
    assert facts.history is not None
    monitor, num_epochs = facts.history.monitor, len(facts.history.epochs)
    if monitor == "validation":
        told = f"trained on train; watched on {_num_pictures(facts, 'validation')}validation"
    else:
        told = "trained on train + validation"
    if monitor == "test":
        test = _num_pictures(facts, "test")
        told += f".\nTest (monitor only, {test}pictures): nothing was chosen by it"
    if monitor is None:
        told += "; no other pictures were watched"
    told += f".\n{learning(facts)}"
    which = f"trial {facts.metrics.trial}, " if facts.metrics else ""
    so_far = "" if facts.metrics else " so far"
    return f"Retrain: {which}{counted(num_epochs, 'epoch')}{so_far}, {told}.\n{run(facts)}"


def learning(facts: Facts) -> str:
    """Return how the numbers of the training pictures came about."""
    augmented = augments(_recipe(facts))
    told = "Train: what it answered while it learned"
    return f"{told}, on pictures as they were augmented" if augmented else told


def _recipe(facts: Facts) -> Mapping[str, Any]:
    """Return how the retrained candidate learns, as far as that is known before it has learnt."""
    told = facts.model.provenance.get("training") if facts.model else None
    if isinstance(told, Mapping):
        return told
    asked = facts.asked.trial if facts.asked else None
    best = facts.best.number if facts.best else None
    number = best if asked is None else asked
    drawn = next((t.values for t in facts.trials or () if t.number == number), {})
    fixed = vars(facts.config.training) if facts.config else {}
    return fixed | {key.removeprefix("training."): value for key, value in drawn.items()}


def measured(facts: Facts) -> str:
    """Return the caption of a figure of the final measurement."""
    metrics, found = facts.metrics, facts.measured
    assert metrics is not None
    assert found is not None
    low, high = found.scores.accuracy_ci95
    after = f"after {counted(metrics.epochs, 'epoch')} (trial {metrics.trial})"
    accuracy = f"accuracy {found.scores.accuracy:.3f} [{low:.3f}, {high:.3f}]"
    majority = f"majority class {found.scores.majority_accuracy:.3f}"
    pictures = f"{found.num_pictures:,} {found.part} pictures"
    return f"{pictures} {after}: {accuracy}; {majority}.\n{run(facts)}"


def counted(num: int, thing: str) -> str:
    """Return `1 trial`, `1,200 trials`, `10 classes`."""
    plural = f"{thing}es" if thing.endswith("s") else f"{thing}s"
    return f"{num:,} {thing if num == 1 else plural}"


def _num_pictures(facts: Facts, part: str) -> str:
    return f"{facts.data.totals[part]:,} " if facts.data else ""
