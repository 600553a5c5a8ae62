"""What a search found so far, on the terminal or in a browser. Needs no torch."""

import json
import shlex
import signal
import sys
import time
from collections.abc import Sequence
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from nas_cifar10 import interrupts, views
from nas_cifar10.cli.output import stdout_console
from nas_cifar10.interrupts import Interrupted
from nas_cifar10.runs.lock import is_held
from nas_cifar10.runs.place import Place
from nas_cifar10.study.ranking import front_of, ranked, score
from nas_cifar10.study.rows import Trial
from nas_cifar10.study.storage import open_study
from nas_cifar10.study.study import Study
from nas_cifar10.text import about, harmless

_SECONDS = 1.0  # between two looks at a running search
_FRAME = 7  # lines of the table that are no trials, and those around it
_COSTS = {"macs": ("MACs", "{:,}"), "latency_ms": ("latency (ms)", "{:.3f}")}
_STATES = {"complete": "bold", "pruned": "dim", "failed": "red", "running": "cyan"}


def show_study(place: Place, *, as_json: bool) -> None:
    """Print totals and leaderboard; on a terminal, follow a search until it ends."""
    study = open_study(place.database, place.study_name)
    if as_json:
        print(json.dumps(_as_json(study), indent=2))
        return
    trials = study.trials()
    if sys.stdout.isatty() and _runs(place, study, trials):
        trials = _follow(place, study)
    else:
        stopped = _is_stopped(place, study, trials)
        stdout_console().print(_screen(study, trials, most=None, stopped=stopped))
    if _is_stopped(place, study, trials):
        more = ["--set", "search.max_minutes=null"] if study.clock.stopped == "time" else []
        words = ["nas", "search", "--run", str(place.run.root), "--resume", *more]
        print(f"unfinished; this goes on: {harmless(shlex.join(words))}", file=sys.stderr)


def serve_dashboard(place: Place, port: int) -> None:
    """Show a study until Ctrl-C, which is how this is meant to end.

    Raises:
        NasError: optuna-dashboard is missing, or the port is taken.
        Interrupted: somebody else ended it.
    """
    from nas_cifar10.dashboard import open_server

    server, address = open_server(place.database, place.study_name, port)
    print(address, flush=True)
    print("Ctrl-C ends it", file=sys.stderr)
    try:
        server.serve_forever()
    except Interrupted as stop:
        if stop.signal_number != signal.SIGINT:
            raise
    finally:
        server.server_close()


def _as_json(study: Study) -> dict[str, Any]:
    """Return what search.json holds, and every trial as in trials.csv, the best first."""
    trials = study.trials()
    _, rows = views.trial_table(study, trials)
    totals = views.totals(study, trials, study.importances())
    return totals | {"leaderboard": [rows[trial.number] for trial in _ranked(study, trials)]}


def _follow(place: Place, study: Study) -> list[Trial]:
    """Show the trials until the search ends, and return them."""
    console = Console()
    with Live(console=console, auto_refresh=False) as live:
        while True:
            trials = study.trials()
            running = _runs(place, study, trials)
            most = max(1, console.height - _FRAME) if running else None
            stopped = _is_stopped(place, study, trials)
            live.update(_screen(study, trials, most, stopped=stopped), refresh=True)
            if not running:
                return trials
            time.sleep(_SECONDS)
            interrupts.check()


def _runs(place: Place, study: Study, trials: Sequence[Trial]) -> bool:
    """Say whether the search goes on at this moment; a retrain holds the run, too."""
    over = _num_ended(trials) == study.config.search.trials or study.clock.stopped == "time"
    return not over and is_held(place.run)


def _is_stopped(place: Place, study: Study, trials: Sequence[Trial]) -> bool:
    """Say whether a search waits for a resume; what runs on another machine cannot be seen here."""
    unfinished = _num_ended(trials) < study.config.search.trials
    return unfinished and place.is_own_run(study.name) and not is_held(place.run)


def _num_ended(trials: Sequence[Trial]) -> int:
    return sum(trial.state != "running" for trial in trials)


def _ranked(study: Study, trials: Sequence[Trial]) -> list[Trial]:
    """Return the trials, the best first; those that did not complete by their last epoch."""
    search = study.config.search

    def rank(trial: Trial) -> tuple[float, int]:
        return -score(trial, search) if trial.epochs else 1.0, trial.number

    others = (trial for trial in trials if trial.state != "complete")
    return [*ranked(trials, search), *sorted(others, key=rank)]


def _screen(study: Study, trials: Sequence[Trial], most: int | None, *, stopped: bool) -> Group:
    """Show trials, each on one line while there may be more of them than lines."""
    search = study.config.search
    # Expanded, only the network is narrowed on a terminal; without, Rich drops whole columns.
    table = Table(box=None, pad_edge=False, header_style="bold", expand=sys.stdout.isatty())
    numbers = ["trial", search.score.replace("_f1", " F1"), "epochs", "parameters"]
    for name in [*numbers, *(_COSTS[cost][0] for cost in _more_costs(study))]:
        table.add_column(name, justify="right", no_wrap=True, min_width=len(name))
    if search.costs:
        table.add_column("front", no_wrap=True, min_width=len("front"))
    shown, front = _ranked(study, trials), front_of(trials, search) if search.costs else []
    names = {"running": "interrupted"} if stopped else {}
    states = [names.get(trial.state, trial.state) for trial in shown]
    table.add_column("state", no_wrap=True, min_width=max(map(len, ["complete", *states])))
    table.add_column("network", no_wrap=most is not None, overflow="ellipsis", ratio=1)
    for trial, state in zip(shown[:most], states[:most], strict=True):
        head, network = _cells(study, trial, on_front=trial in front)
        table.add_row(*head, state, network, style=_STATES.get(state, ""))
    left_out = len(shown[most:]) if most is not None else 0
    below = [Text(f"and {left_out:,} more")] if left_out else []
    return Group(Text(harmless(_total(study, trials))), table, *below)


def _more_costs(study: Study) -> list[str]:
    """Return what is minimised or limited and has no column in every table."""
    return [cost for cost in study.config.search.watched if cost != "parameters"]


def _cells(study: Study, trial: Trial, *, on_front: bool) -> tuple[list[str], str]:
    """Return what stands left of a trial's state, and its network."""
    search = study.config.search
    reached = f"{score(trial, search):.4f}" if trial.epochs else ""
    epochs = f"{len(trial.epochs)}/{study.config.training.epochs}"
    costs = [_COSTS[cost][1].format(getattr(trial, cost)) for cost in _more_costs(study)]
    mark = ["yes" if on_front else ""] if search.costs else []
    head = [str(trial.number), reached, epochs, f"{trial.parameters:,}", *costs, *mark]
    return head, str(trial.candidate)


def _total(study: Study, trials: Sequence[Trial]) -> str:
    ended = _num_ended(trials)
    trained = sum(len(trial.epochs) for trial in trials)
    spent = about(study.clock.seconds)
    requested = study.config.search.trials
    return f"{study.name}: {ended:,} of {requested:,} trials ended, {trained:,} epochs, {spent}"
