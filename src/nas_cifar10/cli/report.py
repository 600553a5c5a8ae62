"""The command that writes a run's tables, figures and page again, and sums up. Needs no torch."""

import json
import sys

from nas_cifar10 import views
from nas_cifar10.cli.output import print_table
from nas_cifar10.runs.files import read_json
from nas_cifar10.runs.place import Place
from nas_cifar10.study.storage import open_study
from nas_cifar10.study.study import Study
from nas_cifar10.text import harmless


def write_report(place: Place, *, as_json: bool) -> None:
    """Write the run's tables again from the study, draw figures and page, and sum up."""
    # matplotlib and plotly: two seconds and 100 MB, which a search that ends here should not hold.
    from nas_cifar10.report.summary import summary
    from nas_cifar10.report.write import report as draw

    study = open_study(place.database, place.study_name)
    views.write(study, study.trials(), place.run, final=True)
    _complete(study, place)
    facts, left_out = draw(place.run, (str(place.database), study.name))
    for reason in dict.fromkeys(left_out.values()):
        names = ", ".join(name for name, why in left_out.items() if why == reason)
        print(f"figures left out: {names}: {harmless(reason)}", file=sys.stderr)
    if as_json:
        files = {"search": place.run.search, "metrics": place.run.retrain.metrics}
        found = {name: read_json(path) for name, path in files.items() if path.exists()}
        print(json.dumps(found, indent=2))
    else:
        print_table(summary(facts))
        print(f"open {harmless(place.run.page)} in a browser")
        print(f"results in {harmless(place.run.root)}")


def _complete(study: Study, place: Place) -> None:
    """Write the config where the search ran on another machine, and name what only that one has."""
    run = place.run
    if not run.config.exists():
        views.write_config(study, run)
    missing = [path.name for path in (run.environment, run.pictures) if not path.exists()]
    if missing and not run.environment.exists():
        missing += [] if run.retrain.root.exists() else [f"{run.retrain.root.name}/"]
        print(
            f"note: {harmless(run.root)} has no {', '.join(missing)}: they lie in the folder where "
            f"the search ran, not in the database; copy them here for the whole report",
            file=sys.stderr,
        )
