"""What was found, in a sentence and five numbers, and what is missing; knows no HTML."""

from dataclasses import dataclass

from nas_cifar10.report import commands
from nas_cifar10.report.captions import counted
from nas_cifar10.report.facts import Facts
from nas_cifar10.report.parts import Found, Measured, Metrics, OnFront, Search, WholeLatency
from nas_cifar10.report.summary import by_parts, cost_of, limits, times, views_in_words
from nas_cifar10.text import duration, percent, rounded, short, three_digits


@dataclass(frozen=True)
class Number:
    """One number of the page.

    Args:
        fact: Where it comes from: the file's name without its ending, then the key.
    """

    name: str
    value: str
    fact: str
    note: str = ""


def points(share: float) -> str:
    """Return `0.26 points`: a difference of shares, in hundredths."""
    return f"{100 * share:.2g} points"


def sentence(facts: Facts) -> str:
    """Say what was found."""
    if facts.search is None:
        return "Nothing was searched yet."
    counts, best = facts.search.trials, facts.search.best
    tried = f"The search tried {counted(counts.requested, 'candidate')}"
    if counts.ended < counts.requested:
        tried = f"The search has tried {counts.ended:,} of {counts.requested:,} candidates"
    if counts.infeasible:
        tried += f" and refused {counts.infeasible:,} of them for their cost{limits(facts)}"
    if best is None:
        return f"{tried}; none {'is complete yet' if _is_under_way(facts) else 'completed'}."
    reached = f"gets {percent(best.validation_accuracy or 0)} of the validation pictures right"
    found = f"{tried}; {_rank(facts)}, {best.candidate}, {reached}."
    return f"{found}{_on_front(facts, facts.search)}{_retrained(facts, best)}"


def _rank(facts: Facts) -> str:
    """Say by what the best is the best."""
    if facts.objective == "accuracy":
        return "the most accurate" if facts.costs else "the best"
    value = facts.best.objective if facts.best else None
    reached = "" if value is None else f" ({rounded(value)})"
    return f"the best by {facts.objective}{reached}"


def _on_front(facts: Facts, search: Search) -> str:
    if not search.front or not facts.costs:
        return ""
    if len(search.front) == 1:
        return " It is alone on the Pareto front: no other complete trial is ahead in any goal."
    cost = facts.costs[0]
    cheapest = min(search.front, key=lambda found: float(getattr(found, cost)))
    return (
        f" {len(search.front):,} trials are on the Pareto front, down to "
        f"{cost_of(cost, getattr(cheapest, cost))} with {_score(facts, cheapest)}."
    )


def _score(facts: Facts, found: OnFront) -> str:
    plain = facts.objective == "accuracy"
    return percent(found.score) if plain else f"{facts.objective} {rounded(found.score)}"


def _retrained(facts: Facts, best: Found) -> str:
    metrics = facts.metrics
    if metrics is None or metrics.measured is None:
        return ""
    found = metrics.measured
    which = "it" if metrics.trial == best.trial else f"trial {metrics.trial}"
    pictures = f"{found.num_pictures:,} {found.part} pictures"
    right = f"gets {percent(found.scores.accuracy)} of {pictures} right"
    if facts.over_seeds is not None:
        num, spread = facts.over_seeds
        mean = f"{percent(spread.mean)} ± {100 * spread.sd:.1f}"
        right += f" with its first seed ({counted(num, 'seed')}: {mean})"
    return f" Retrained for {counted(metrics.epochs, 'epoch')}, {which} {right}."


def numbers(facts: Facts) -> list[Number]:
    """Return validation and test accuracy, parameters, MACs and time, as far as they are known."""
    best, metrics = facts.search.best if facts.search else None, facts.metrics
    found = [] if best is None else [_validation(facts, best)]
    if facts.measured is not None:
        measured = facts.measured
        found += [_test(facts, measured), *_over_seeds(facts, measured), *_f1(facts, measured)]
    cost = metrics or best
    if cost is not None:
        place = "metrics" if metrics else "search.best"
        size = Number("parameters", f"{cost.parameters:,}", f"{place}.parameters")
        work = Number("MACs", short(cost.macs), f"{place}.macs", "multiply-accumulates a picture")
        found += [size, work]
    if facts.best_latency is not None:
        found.append(_latency(facts.best_latency))
    return found + _time(facts)


def _validation(facts: Facts, best: Found) -> Number:
    value, fact = percent(best.validation_accuracy or 0), "search.best.validation_accuracy"
    note = "it chose the network, so it flatters it" if facts.has_chosen else ""
    if facts.has_chosen and facts.objective != "accuracy":
        note = f"validation {facts.objective} chose the network, so this flatters it too"
    if facts.other_retrained is not None:
        note = f"of trial {best.trial}; retrained was trial {facts.other_retrained}"
    return Number("validation accuracy", value, fact, note)


def _test(facts: Facts, found: Measured) -> Number:
    low, high = (percent(end).removesuffix(" %") for end in found.scores.accuracy_ci95)
    majority = percent(found.scores.majority_accuracy)
    note = f"95 % interval {low} to {high}; majority class {majority}"
    name = f"{found.part} accuracy" + (", first seed" if facts.over_seeds else "")
    return Number(name, percent(found.scores.accuracy), f"metrics.{found.part}.accuracy", note)


def _f1(facts: Facts, found: Measured) -> list[Number]:
    """Return what was sought, where that is not the accuracy."""
    if facts.objective == "accuracy":
        return []
    name, place = f"{found.part} {facts.objective}", f"metrics.{found.part}.macro_f1"
    return [Number(name, rounded(found.scores.macro_f1), place, "what was sought")]


def _over_seeds(facts: Facts, found: Measured) -> list[Number]:
    if facts.over_seeds is None:
        return []
    num, spread = facts.over_seeds
    name, place = f"mean of {counted(num, 'seed')}", f"summary.{found.part}_accuracy.mean"
    note = f"{found.part} accuracy, standard deviation {points(spread.sd)}"
    return [Number(name, percent(spread.mean), place, note)]


def _latency(timed: WholeLatency) -> Number:
    value = f"{three_digits(timed.measured)} ms"
    said = f"trial {timed.trial}, one picture at a time, median; {by_parts(timed)}"
    return Number("latency", value, "search.latency_ms.measured", said)


def _time(facts: Facts) -> list[Number]:
    spent = times(facts)
    note = " + ".join(f"{name} {duration(seconds)}" for name, seconds in spent.items())
    return [Number("time", duration(sum(spent.values())), "seconds", note)] if spent else []


def _over_views(metrics: Metrics) -> list[Number]:
    found = metrics.test_views
    if found is None:
        return []
    name = f"accuracy, {views_in_words(found)}"
    return [Number(name, percent(found.accuracy), "metrics.test_views.accuracy")]


def scores(facts: Facts) -> list[Number]:
    """Return what else was measured on the measured part as a whole."""
    metrics = facts.metrics
    if metrics is None or metrics.measured is None:
        return []
    found = metrics.measured
    wanted = {
        "macro_precision": "macro precision",
        "macro_recall": "macro recall",
        "macro_f1": "macro F1",
        "auc_ovr_macro": "AUC, one class against the rest, mean",
        "loss": "cross-entropy (nats)",
    }
    values = {key: getattr(found.scores, key) for key in wanted}
    whole = [
        Number(
            wanted[key],
            "none: one class only" if value is None else rounded(value),
            f"metrics.{found.part}.{key}",
        )
        for key, value in values.items()
    ]
    return [_test(facts, found), *_over_views(metrics), *whole]


def measured_on(facts: Facts) -> str | None:
    """Say on what the scores are: `On 360 test pictures, after 15 epochs`."""
    metrics = facts.metrics
    if metrics is None or metrics.measured is None:
        return None
    pictures = f"{metrics.measured.num_pictures:,} {metrics.measured.part} pictures"
    return f"On {pictures}, after {counted(metrics.epochs, 'epoch')}:"


def missing(facts: Facts) -> dict[str, str]:
    """Return the command that makes each part that is not there yet.

    It is empty while another process works on the run, which makes it and refuses a second one.
    """
    return dict.fromkeys(_missing(facts), "") if facts.at_work else _missing(facts)


def at_work(facts: Facts) -> dict[str, str] | None:
    """Say that the page is out of date soon, and what writes it anew."""
    if not facts.at_work:
        return None
    told = "A process worked on this run while the page was written: more is to come."
    return {"told": told, "command": commands.report(facts)}


def _missing(facts: Facts) -> dict[str, str]:
    found = {}
    if facts.search is None or _is_under_way(facts):
        found["search"] = commands.search(facts)
    if facts.metrics is None:
        found["retrain"] = commands.retrain(facts) if facts.search and facts.search.best else ""
    elif not facts.is_retrained:
        found["further"] = commands.retrain(facts)
    if facts.metrics is not None and facts.metrics.measured is None:
        found["measured"] = commands.measure(facts)
    return found


def _is_under_way(facts: Facts) -> bool:
    counts = facts.search.trials if facts.search else None
    return counts is not None and counts.ended < counts.requested
