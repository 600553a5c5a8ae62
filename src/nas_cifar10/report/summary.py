"""What a run found, in the few short rows a terminal shows; draws nothing, prints nothing."""

from typing import TypeAlias

from nas_cifar10.described import PARTS, Data
from nas_cifar10.report import commands
from nas_cifar10.report.captions import counted
from nas_cifar10.report.facts import Facts
from nas_cifar10.report.parts import (
    Found,
    Metrics,
    Scores,
    Search,
    Trial,
    Views,
    WholeLatency,
)
from nas_cifar10.report.parts_top import Top
from nas_cifar10.space.candidate import BLOCK_KEYS, Candidate
from nas_cifar10.space.search_space import from_number
from nas_cifar10.text import duration, rounded, short, three_digits

Row: TypeAlias = tuple[str, str]

AT_WORK = "a process works on it at this moment"
_MOST_ON_FRONT = 12
_STATES = ("complete", "pruned", "failed", "infeasible", "repeated")


def summary(facts: Facts) -> list[Row]:
    """Return rows of a name and a text; for what is missing, the command that makes it."""
    rows = [("run", facts.name)]
    rows += _search(facts, facts.search) if facts.search else [_no_search(facts)]
    rows += _retrain(facts)
    rows += _pictures(facts.data) if facts.data else []
    return rows + _circumstances(facts)


def _no_search(facts: Facts) -> Row:
    return "search", f"none yet; {commands.search(facts)}"


def _search(facts: Facts, search: Search) -> list[Row]:
    rows = _best(facts, search) if search.best else [("best network", "no trial is complete")]
    rows += _front(facts, search)
    counts = search.trials
    limited = {"infeasible": limits(facts)} if counts.infeasible else {}
    ended = ", ".join(f"{getattr(counts, s):,} {s}{limited.get(s, '')}" for s in _STATES)
    for state in ("running", "interrupted"):
        others = sum(trial.state == state for trial in facts.trials or ())
        ended += f", {others:,} {state}" if others else ""
    rows.append(("trials", f"{counts.requested:,}: {ended}"))
    rows.append(("proposed by", _proposed(facts, search)))
    trained, full = search.epochs.trained, search.epochs.full_budget
    saved = (
        f" ({1 - trained / full:.0%} saved)" if full and counts.ended == counts.requested else ""
    )
    rows.append(("epochs", f"{trained:,} of {full:,}{saved}"))
    if search.stopped is not None:
        rows.append(("stopped", f"{search.stopped}; {_resume(facts)}"))
    elif counts.ended < counts.requested:
        rows.append(("unfinished", f"{counts.requested - counts.ended:,} to go; {_resume(facts)}"))
    return rows


def _front(facts: Facts, search: Search) -> list[Row]:
    """Return a row a trial on the front, the most accurate first."""
    rows = []
    for place, found in enumerate(search.front[:_MOST_ON_FRONT]):
        costs = [cost_of(cost, getattr(found, cost)) for cost in facts.costs]
        told = ", ".join([f"{found.score:.3f}", *costs])
        rows.append(("" if place else "Pareto front", f"{told} (trial {found.trial})"))
    left_out = len(search.front) - _MOST_ON_FRONT
    return [*rows, ("", f"and {left_out:,} more in search.json")] if left_out > 0 else rows


def _resume(facts: Facts) -> str:
    return _or_at_work(facts, commands.search(facts))


def _or_at_work(facts: Facts, command: str) -> str:
    """Return the command that makes what is missing, but while another process makes it."""
    return AT_WORK if facts.at_work else command


def _proposed(facts: Facts, search: Search) -> str:
    """Say who proposed the trials, and whether that was a search by a model at all."""
    counts, config = search.trials, facts.config
    told = f"{counts.random:,} random, {counts.model_based:,} model-based"
    in_order = facts.is_enumerated and counts.random
    if in_order:
        told = f"enumeration: {counts.random:,} in order"
    told += f", {counts.local:,} beside the best" if counts.local else ""
    told += f", {counts.baseline:,} baseline" if counts.baseline else ""
    if in_order or not facts.is_blind:
        return told
    sampler = config.search.sampler if config else None
    startup = f" (startup_trials {sampler.startup_trials:,})" if sampler else ""
    chosen = sampler is not None and sampler.name == "random"
    return f"{told}: search was random{'' if chosen else startup}"


def _best(facts: Facts, search: Search) -> list[Row]:
    best, baseline = search.best, search.baseline
    assert best is not None
    rows = [
        ("best network", f"{best.candidate} (trial {best.trial})"),
        ("its size", _size(best)),
        ("validation accuracy", _validation(facts, best)),
    ]
    if facts.best_latency is not None:
        rows.append(("its latency", latency(facts.best_latency)))
    if facts.objective != "accuracy" and facts.best is not None:
        rows.append((f"validation {facts.objective}", f"{facts.best.objective or 0:.3f}"))
    if baseline is not None and baseline.validation_accuracy is not None:
        which = f"{baseline.candidate} (trial {baseline.trial})"
        told = _shorter(facts, baseline.trial) or _chance(facts)
        rows.append(("baseline", f"{baseline.validation_accuracy:.3f}: {which}{told}"))
    return rows


def _shorter(facts: Facts, number: int) -> str:
    """Say of a trial that did not train as long as the best that it did not."""
    trial = next((t for t in facts.trials or () if t.number == number), None)
    if trial is None or trial.state in {"complete", "repeated"}:
        return ""
    return f"; {trial.state} after {counted(trial.epochs, 'epoch')}"


def _chance(facts: Facts) -> str:
    """Say beside a difference how much of one another seed makes, where that was measured."""
    if facts.over_seeds is None:
        return ""
    num, spread = facts.over_seeds
    return f"; {counted(num, 'seed')} of one retrain differ by {spread.sd:.3f} (sd)"


def _size(found: Found | Metrics) -> str:
    return f"{found.parameters:,} parameters, {short(found.macs)} MACs a picture"


def latency(found: WholeLatency) -> str:
    """Return `1.2 ms a picture, timed whole; the table of its parts says 1.1 ms, 8 % less`."""
    return f"{three_digits(found.measured)} ms a picture, timed whole; {by_parts(found)}"


def by_parts(found: WholeLatency) -> str:
    """Return `the table of its parts says 1.1 ms, 8 % less`."""
    if found.error:
        wrong = f"{abs(found.error):.0%} {'more' if found.error > 0 else 'less'}".replace("%", " %")
    else:
        wrong = "the same"
    return f"the table of its parts says {three_digits(found.table)} ms, {wrong}"


def cost_of(field: str, value: float) -> str:
    """Return what a network costs, with its unit."""
    if field == "latency_ms":
        return f"{three_digits(value)} ms"
    return f"{short(int(value))} MACs" if field == "macs" else f"{value:,} parameters"


def limits(facts: Facts) -> str:
    """Return ` (at most 0.15 ms)`, where the config limits what a network may cost."""
    given = facts.config.search.constraints.model_dump() if facts.config else {}
    told = [cost_of(name.removeprefix("max_"), most) for name, most in given.items() if most]
    return f" (at most {', '.join(told)})" if told else ""


def _validation(facts: Facts, best: Found) -> str:
    accuracy = f"{best.validation_accuracy or 0:.3f}"
    if facts.data is None or "validation" not in facts.data.majority_accuracy:
        return accuracy
    return f"{accuracy}; majority class {facts.data.majority_accuracy['validation']:.3f}"


def _retrain(facts: Facts) -> list[Row]:
    if facts.metrics is not None:
        rows = _measured(facts, facts.metrics)
        more = ("retrain", f"unfinished; {_or_at_work(facts, commands.retrain(facts))}")
        return rows if facts.is_retrained else [*rows, more]
    if facts.search is None or facts.search.best is None:
        return []
    num_epochs = len(facts.history.epochs) if facts.history else 0
    so_far = f"{counted(num_epochs, 'epoch')} so far" if num_epochs else "none yet"
    return [("retrain", f"{so_far}; {_or_at_work(facts, commands.retrain(facts))}")]


def _measured(facts: Facts, metrics: Metrics) -> list[Row]:
    rows = []
    best = facts.search.best if facts.search else None
    if best is None or best.trial != metrics.trial:
        rows += [("retrained", _other(facts, metrics)), ("its size", _size(metrics))]
    found = metrics.measured
    if found is None:
        return [*rows, ("test accuracy", f"not measured: the test set {facts.unmeasured_test}")]
    rows += _scores(found.part, found.scores)
    rows += _views(found.part, metrics.test_views) if metrics.test_views else []
    if facts.over_seeds is not None:
        num, spread = facts.over_seeds
        label = f"its accuracy over {counted(num, 'seed')}"
        rows.append((label, f"{spread.mean:.3f} ± {spread.sd:.3f} (sd)"))
    rows += _top(facts.top) if facts.top else []
    if found.part != "test":
        rows.append(("test accuracy", "the test set was left unread"))
    return rows


def _views(part: str, found: Views) -> list[Row]:
    low, high = found.accuracy_ci95
    label = f"{part} accuracy, {views_in_words(found)}"
    return [(label, f"{found.accuracy:.3f} [{low:.3f}, {high:.3f}]; beside the plain one above")]


def views_in_words(found: Views) -> str:
    """Return `mean of 6 views (flip translate)`."""
    return f"mean of {counted(found.number, 'view')} ({found.views.replace('_', ' ')})"


def _top(found: Top) -> list[Row]:
    """Name the retrained trials in the order the search has them in."""
    reached = (f"trial {t.trial} {t.accuracy:.3f}" for t in found.trials if t.accuracy is not None)
    label = f"best {len(found.trials):,}, {found.part} accuracy"
    return [(label, f"{', '.join(reached)}; best on validation first")]


def _other(facts: Facts, metrics: Metrics) -> str:
    """Describe a retrained trial that is not the best."""
    trials = {trial.number: trial for trial in facts.trials or ()}
    candidate = candidate_of(facts, trials[metrics.trial]) if metrics.trial in trials else None
    which = f"trial {metrics.trial}"
    return f"{candidate} ({which})" if candidate else which


def candidate_of(facts: Facts, trial: Trial) -> Candidate | None:
    """Return a trial's candidate, put together from what trials.csv holds of it."""
    space = facts.space
    if space is None or not trial.values.keys() >= {"depth"} & space.dimensions.keys():
        return None
    depth = int(trial.values.get("depth", space.max_depth))
    keys = [key for key in BLOCK_KEYS if key != "skip"]  # which some networks do not use
    needed = {f"block{n}.{key}" for n in range(1, depth + 1) for key in keys}
    needed |= set(space.names_besides_blocks)
    if not trial.values.keys() >= needed & space.dimensions.keys():
        return None
    known = ((name, d) for name, d in space.dimensions.items() if name in trial.values)
    return space.completed({name: from_number(d, trial.values[name]) for name, d in known})


def _scores(part: str, scores: Scores) -> list[Row]:
    label = "test" if part == "test" else f"{part}, retrained"
    low, high = scores.accuracy_ci95
    accuracy = f"{scores.accuracy:.3f} [{low:.3f}, {high:.3f}]"
    auc = "none: one class only" if scores.auc_ovr_macro is None else rounded(scores.auc_ovr_macro)
    return [
        (f"{label} accuracy", f"{accuracy}; majority class {scores.majority_accuracy:.3f}"),
        (f"{label} macro F1, AUC", f"{scores.macro_f1:.3f}, {auc}"),
    ]


def _pictures(data: Data) -> list[Row]:
    parts = ", ".join(f"{data.totals[part]:,} {part}" for part in PARTS[1:])
    rows = [("pictures", f"{parts}; {len(data.class_names):,} classes")]
    shared = {pair: num for pair, num in data.duplicates.items() if num and pair != "within_train"}
    if shared:
        told = ", ".join(f"{num:,} in {pair.replace('_', ' and ')}" for pair, num in shared.items())
        rows.append(("duplicates", told))
    if data.skipped or data.ignored:
        rows.append(("left out", f"{data.skipped:,} unreadable, {data.ignored:,} not pictures"))
    return rows


def _circumstances(facts: Facts) -> list[Row]:
    rows = []
    found = facts.environment
    if found is not None:
        threads = counted(found.threads, "thread") if found.threads is not None else None
        rows.append(
            ("computed in", ", ".join(filter(None, [found.precision, found.device, threads])))
        )
    told = ", ".join(f"{name} {duration(seconds)}" for name, seconds in times(facts).items())
    return [*rows, ("time", told)] if told else rows


def times(facts: Facts) -> dict[str, float]:
    """Return the seconds that the search took, and the retrain, or the first of several."""
    one = "first retrain" if facts.seeds or facts.top else "retrain"
    spent = {"search": facts.search.seconds} if facts.search else {}
    return spent | ({one: facts.metrics.seconds} if facts.metrics else {})
