"""What a reader should not conclude from a run, each sentence from the run's own numbers."""

from nas_cifar10.report.captions import FEW, counted
from nas_cifar10.report.charts import plain
from nas_cifar10.report.facts import Facts
from nas_cifar10.report.figures_search import FEWEST
from nas_cifar10.report.headline import points
from nas_cifar10.report.parts import Spread, WholeLatency
from nas_cifar10.text import three_digits

_MOST_UNSEEN = 5


def of(facts: Facts) -> list[str]:
    """Return the sentences that apply."""
    return [*_of_the_search(facts), *_of_the_measurement(facts), *_of_the_pictures(facts)]


def _of_the_search(facts: Facts) -> list[str]:
    if facts.search is None:
        return []
    told, num, counts = [], len(facts.complete), facts.search.trials
    best, baseline = facts.search.best, facts.search.baseline
    if num < FEW:
        told.append(
            f"{counted(num, 'complete trial')} cannot rank a space: another seed may find another "
            f"network{', and importances of so few are mostly noise' * (num >= FEWEST)}."
        )
    if num > 1 and baseline is not None and best == baseline:
        told.append(
            "The best is the network that the search was told to begin with: it proposed none that "
            "got further."
        )
    if facts.is_blind:
        told.append(f"No trial was proposed by a model: this was {_plain_search(facts)}.")
    if facts.has_chosen and best is not None:
        which = "this network"
        if facts.other_retrained is not None:
            which = f"trial {best.trial}, which is not the one retrained,"
        told.append(
            f"Validation {facts.objective} chose {which} among "
            f"{counted(counts.complete + counts.pruned, 'trained trial')}, so validation flatters "
            "it; test does not."
        )
    if facts.search.front:
        told.append(
            f"The Pareto front is one of validation {facts.objective} after "
            f"{_epochs(facts)}, one seed each: neighbours on it may change places when retrained."
        )
    if facts.search.latency_ms is not None:
        told.append(_latency(facts.search.latency_ms))
    if counts.pruned:
        told.append(
            f"{counted(counts.pruned, 'trial')} ended early and stand at their last epoch; some "
            "might have overtaken the others later."
        )
    return told


def _plain_search(facts: Facts) -> str:
    return "enumeration, in the space's order" if facts.is_enumerated else "random search"


def _epochs(facts: Facts) -> str:
    return counted(facts.config.training.epochs, "epoch") if facts.config else "few epochs"


def _latency(timed: WholeLatency) -> str:
    return (
        f"Candidates' latencies are sums of parts timed alone; timed whole, trial {timed.trial} "
        f"takes {three_digits(timed.measured)} ms where the sum is {three_digits(timed.table)} ms. "
        "They hold for this machine, one picture at a time."
    )


def _of_the_measurement(facts: Facts) -> list[str]:
    if facts.metrics is None:
        far = "not trained to the end" if facts.history is not None else "not retrained"
        return [f"The network was {far}: there is no test accuracy yet."]
    found = facts.measured
    if found is None:
        read = facts.unmeasured_test
        return [f"The test set {read}: nothing says how well it does on new pictures."]
    apart = []
    if facts.model is not None and "start" in facts.model.provenance:
        apart.append(
            "It began with the weights of another run: what that one learnt from must not be among "
            f"these {found.part} pictures, which nothing here can check."
        )
    if found.part == "validation":
        by = "it was chosen" if facts.other_retrained is None else "another was chosen"
        said = f"It was measured on the validation pictures, by which {by}."
        return [said, *apart]
    told = [_of_the_seeds(facts.over_seeds)]
    if facts.history is not None and facts.history.monitor == "test":
        told.append("The test curve was drawn for the eye: no epoch was chosen by it.")
    told += apart
    if facts.top is not None:
        told.append(
            f"{counted(len(facts.top.trials), 'trial')} were retrained: the model is the one that "
            "validation puts first; the highest test accuracy of several flatters itself."
        )
    classes = found.per_class.items()
    unseen = [name for name, each in classes if each.support and each.recall == 0]
    if unseen:
        named = ", ".join(plain(name, 40) for name in unseen[:_MOST_UNSEEN])
        more = f" and {len(unseen) - _MOST_UNSEEN:,} more" if len(unseen) > _MOST_UNSEEN else ""
        told.append(f"Not one picture of {named}{more} was recognised.")
    if found.scores.accuracy_ci95[0] <= found.scores.majority_accuracy:
        told.append("It may be no better than always answering the most frequent class.")
    return told


def _of_the_seeds(seeds: tuple[int, Spread] | None) -> str:
    if seeds is None:
        return (
            "One retrain with one seed: the interval says how far the test pictures pin this "
            "network down, not what another seed would change."
        )
    num, spread = seeds
    return (
        f"{counted(num, 'retrain')} that differ in nothing but their seed have a standard "
        f"deviation of {points(spread.sd)}: single retrains of two networks, this one and "
        "a baseline say, may well differ by three times as much by chance."
    )


def _of_the_pictures(facts: Facts) -> list[str]:
    if facts.data is None:
        return []
    duplicates = facts.data.duplicates
    kinds = duplicates["train_test"], duplicates["validation_test"]
    twins, total = counted(max(kinds), "test picture"), facts.data.totals["test"]
    least = "At least " if all(kinds) else ""  # one may have a twin in each
    verb = "has a twin" if max(kinds) == 1 else "have twins"
    told = f"{least}{twins} of {total:,} {verb} in train or validation, which lifts the accuracy."
    return [told] if any(kinds) else []
