"""The commands that look at a run: find it, write its tables and figures again. Needs no torch."""

import sys
from pathlib import Path

from nas_cifar10 import views
from nas_cifar10.cli_output import print_table
from nas_cifar10.database import Database
from nas_cifar10.errors import ConfigError, MissingInputError, NoTrialCompletedError
from nas_cifar10.report.summary import summary
from nas_cifar10.report.write import report as write_report
from nas_cifar10.runs import OUTPUTS, RunFolder, latest, read_json, slug
from nas_cifar10.study import Study
from nas_cifar10.study_open import open_study
from nas_cifar10.study_rows import Trial
from nas_cifar10.views import Place


def report(place: Place) -> None:
    """Write the run's tables again from the study, draw the figures, and sum up."""
    study = open_study(place.database, place.study_name)
    views.write(study, study.trials(), place.run, final=True)
    facts, left_out = write_report(place.run)
    for name, reason in left_out.items():
        print(f"figure {name} left out: {reason}", file=sys.stderr)
    print_table(summary(facts), place.run.root)


def locate(run_dir: Path | None, study_db: str | None, study_name: str | None) -> Place:
    """Find a run that exists already, from its folder, its database, or as the latest.

    Raises:
        ConfigError: both were given.
        MissingInputError: there is none.
    """
    if run_dir is not None and study_db is not None:
        raise ConfigError("--run and --study-db: name one of the two; each leads to the other")
    if study_db is not None:
        return _locate_database(Database.parse(study_db), study_name)
    run = RunFolder(run_dir) if run_dir is not None else latest()
    if run_dir is None:
        print(f"run: {run.root}", file=sys.stderr)
    if not run.environment.exists():
        raise MissingInputError(f"{run.root}: holds no run; start one with nas run --config FILE")
    stored = read_json(run.environment)
    return Place(run, Database.parse(stored["database"]), study_name or stored["study"])


def _locate_database(database: Database, study_name: str | None) -> Place:
    study = open_study(database, study_name)
    root = OUTPUTS / slug(study.config.name)
    if database.path is not None and (database.path.parent / "environment.json").exists():
        root = database.path.parent
    return Place(RunFolder(root), database, study.name)


def best_trial(study: Study) -> Trial:
    """Return the best complete trial.

    Raises:
        NoTrialCompletedError: there is none.
    """
    trials = study.trials()
    best = views.best_of(trials, study.config.search.objective)
    if best is None:
        states = sorted({trial.state for trial in trials})
        reasons = sorted({trial.reason for trial in trials if trial.state == "failed"})
        raise NoTrialCompletedError(
            f"no trial of study {study.name!r} completed ({len(trials)} asked: "
            f"{', '.join(states) or 'none'}{'; ' if reasons else ''}{'; '.join(reasons[:3])})"
        )
    return best
