"""The study as the run folder's files: trials.csv, curves.csv, search.json, best.json, data.json.

They are views: written again from the study at any time, by the search and by the report.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from nas_cifar10.config.load import resolved_text
from nas_cifar10.runs.files import write_csv, write_json, write_text
from nas_cifar10.runs.folder import RunFolder
from nas_cifar10.study.ranking import best_of, front_of
from nas_cifar10.study.rows import Trial
from nas_cifar10.study.study import Study

_TRIAL_COLUMNS = (
    "trial",
    "state",
    "reason",
    "kind",
    "validation_accuracy",
    "epochs",
    "parameters",
    "macs",
    "fingerprint",
)
_CURVE_COLUMNS = (
    "trial",
    "epoch",
    "train_loss",
    "train_accuracy",
    "validation_loss",
    "validation_accuracy",
)


def write(study: Study, trials: Sequence[Trial], run: RunFolder, *, final: bool) -> None:
    """Write the files.

    Args:
        trials: All of the study's, as they are now.
        final: Also work out the importances, which take a while.
    """
    write_csv(run.trials, *trial_table(study, trials))
    f1 = _f1(study)
    curves = [_curve_row(trial, number) for trial in trials for number in range(len(trial.epochs))]
    write_csv(run.curves, [*_CURVE_COLUMNS, *f1, "epoch_seconds"], curves)
    write_json(run.search, totals(study, trials, study.importances() if final else {}))
    write_json(run.data, study.facts.data)
    best = best_of(trials, study.config.search)
    if best is not None:
        write_json(run.best, describe(best))


def write_config(study: Study, run: RunFolder) -> None:
    """Write the resolved config, which the study holds."""
    write_text(run.config, resolved_text(study.name, study.facts.config))


def trial_table(study: Study, trials: Sequence[Trial]) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the columns of trials.csv, and a row for each trial."""
    search = study.config.search
    timed = ["latency_ms"] if "latency_ms" in search.watched else []
    goals = [*_f1(study), *(["pareto"] if search.costs else []), *timed]
    columns = [*_TRIAL_COLUMNS, *study.space.dimensions, *goals, "train_seconds", "started_at"]
    front = {t.number for t in front_of(trials, search)} if search.costs else set[int]()
    rows = [
        _trial_row(study, trial, trials) | {"pareto": int(trial.number in front)}
        for trial in trials
    ]
    return columns, [{name: row.get(name) for name in columns} for row in rows]


def _f1(study: Study) -> list[str]:
    return ["validation_macro_f1"] if study.config.search.score == "macro_f1" else []


def describe(trial: Trial) -> dict[str, Any]:
    """Return one trial as it stands in best.json."""
    return {
        "trial": trial.number,
        "validation_accuracy": trial.epochs[-1].measured.accuracy if trial.epochs else None,
        "parameters": trial.parameters,
        "macs": trial.macs,
        "candidate": trial.candidate.to_json(),
    }


def totals(study: Study, trials: Sequence[Trial], importances: dict[str, float]) -> dict[str, Any]:
    """Return what search.json holds."""
    states = Counter[str](trial.state for trial in trials)
    kinds = Counter[str](trial.kind for trial in trials)
    config, clock = study.config, study.clock
    best = best_of(trials, config.search)
    baseline = next((trial for trial in trials if trial.kind == "baseline"), None)
    names = ("complete", "pruned", "failed", "infeasible", "repeated")
    return {
        "trials": {
            "requested": config.search.trials,
            **{name: states[name] for name in names},
            **{name: kinds[name] for name in ("random", "model_based", "local", "baseline")},
        },
        "epochs": {
            "trained": sum(len(trial.epochs) for trial in trials),
            "full_budget": config.search.trials * config.training.epochs,
        },
        "seconds": round(clock.seconds, 1),
        "stopped": clock.stopped,
        "importances": importances,
        "network": [layer.to_json() for layer in best.layers] if best else [],
        "best": describe(best) if best else None,
        "baseline": describe(baseline) if baseline else None,
    } | _several(study, trials)


def _several(study: Study, trials: Sequence[Trial]) -> dict[str, Any]:
    """Return the Pareto front, where there are several objectives, and the time of the best."""
    found, search = dict[str, Any](), study.config.search
    if search.costs:
        keys = ["trial", "validation_accuracy", *_f1(study), "parameters", "macs"]
        rows = (_trial_row(study, trial, trials) for trial in front_of(trials, search))
        keys += ["latency_ms"] if "latency_ms" in search.costs else []
        found["front"] = [{key: row[key] for key in keys} for row in rows]
    timed = study.whole_latency
    return found | ({"latency_ms": asdict(timed)} if timed is not None else {})


def _trial_row(study: Study, trial: Trial, trials: Sequence[Trial]) -> dict[str, Any]:
    measured = trials[trial.repeats] if trial.repeats is not None else trial
    last = measured.epochs[-1].measured if measured.epochs else None
    return {
        "trial": trial.number,
        "state": trial.state,
        "reason": trial.reason,
        "kind": trial.kind,
        "validation_accuracy": last and last.accuracy,
        "validation_macro_f1": last and last.macro_f1,
        "epochs": len(trial.epochs),
        "parameters": trial.parameters,
        "macs": trial.macs,
        "latency_ms": trial.latency_ms,
        "fingerprint": trial.candidate.fingerprint(),
        **study.space.used_values(trial.candidate),
        "train_seconds": round(sum(epoch.seconds for epoch in trial.epochs), 3),
        "started_at": trial.started_at,
    }


def _curve_row(trial: Trial, number: int) -> dict[str, Any]:
    epoch = trial.epochs[number]
    return {
        "trial": trial.number,
        "epoch": epoch.number,
        "train_loss": epoch.train.loss,
        "train_accuracy": epoch.train.accuracy,
        "validation_loss": epoch.measured.loss,
        "validation_accuracy": epoch.measured.accuracy,
        "validation_macro_f1": epoch.measured.macro_f1,
        "epoch_seconds": round(epoch.seconds, 3),
    }
