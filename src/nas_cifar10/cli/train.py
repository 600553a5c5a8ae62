"""The commands that train: search, run, retrain. Parses no flag."""

import json
import logging
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace

from nas_cifar10 import interrupts
from nas_cifar10.cli.data import announce_reading
from nas_cifar10.cli.logs import in_file, on_screen
from nas_cifar10.cli.output import Screen, print_table
from nas_cifar10.cli.progress import RetrainProgress, SearchProgress
from nas_cifar10.cli.report import write_report
from nas_cifar10.config.load import config_from_plain
from nas_cifar10.config.schema import Config
from nas_cifar10.data.dataset import read_again
from nas_cifar10.data.split import DataSet
from nas_cifar10.errors import (
    ConfigError,
    InterruptedRunError,
    MissingInputError,
    NoTrialCompletedError,
)
from nas_cifar10.interrupts import Interrupted
from nas_cifar10.retrain.source import check_space, source_of
from nas_cifar10.retrain.train import beside, prepare, retrain_all
from nas_cifar10.runs.asked import Asked, command, key_of, read_asked, write_asked
from nas_cifar10.runs.database_lock import StudyLock
from nas_cifar10.runs.files import read_json
from nas_cifar10.runs.folder import RunFolder
from nas_cifar10.runs.place import Place
from nas_cifar10.search import identity
from nas_cifar10.search.driver import run_search
from nas_cifar10.search.dry_run import dry_run
from nas_cifar10.search.record import describe_run
from nas_cifar10.search.setup import existing, go_on, start
from nas_cifar10.study.ranking import ranked
from nas_cifar10.study.rows import Trial
from nas_cifar10.study.storage import open_study
from nas_cifar10.study.study import Study
from nas_cifar10.training.precision import one_thread, stored_device

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SearchRequest:
    """What search and run are asked for; `loudness` is -1, 0 or 1."""

    command: str
    place: Place
    lock: StudyLock | None
    config: Config | None
    overrides: tuple[str, ...]
    own_database: bool
    resume: bool
    overwrite: bool
    device: str | None
    as_json: bool
    loudness: int


@dataclass(frozen=True)
class RetrainRequest:
    """What retrain is asked for: by its own flags, or by those of run."""

    command: str
    place: Place
    asked: Asked
    resume: bool
    loudness: int
    device: str | None = None


def search(request: SearchRequest) -> None:
    """Look for the best candidate, and print what was found. The caller holds the run."""
    _search(request)
    if request.as_json:
        print(json.dumps(read_json(request.place.run.search), indent=2))
    else:
        _sum_up(request.place, as_json=False)


def run(request: SearchRequest) -> None:
    """Search, retrain and report. The caller holds the run."""
    place, (data, asked) = request.place, _search(request)
    again = RetrainRequest("run", place, asked, request.resume, request.loudness, request.device)
    _retrain(again, data)
    _sum_up(place, as_json=request.as_json)


def rehearse(config: Config | None, device: str | None, loudness: int, *, as_json: bool) -> None:
    """Print what there is to know before a search."""
    if config is None:
        raise ConfigError("--dry-run: needs a --config")
    with on_screen(loudness):
        announce_reading(config, loudness)
        rows = dry_run(config, device or "auto")
    if as_json:
        print(json.dumps(dict(rows), indent=2))
    else:
        print_table(rows)


def retrain(request: RetrainRequest, *, as_json: bool) -> None:
    """Train the chosen candidate for good, and print how well it does. The caller holds the run.

    A resume goes on with what was asked for before, where it does not say otherwise; after all of
    that is done, only where it says nothing.
    """
    before = read_asked(request.place.run.asked) if request.resume else None
    if before is not None and (not before.complete or request.asked == Asked()):
        request = replace(request, asked=before.then(request.asked))
    _retrain(request, None)
    if as_json:
        print(json.dumps(read_json(request.place.run.retrain.metrics), indent=2))
    else:
        _sum_up(request.place, as_json=False)


def _search(request: SearchRequest) -> tuple[DataSet, Asked]:
    """Search; return the pictures, and with what flags of an earlier retrain a run goes on."""
    place, config = request.place, request.config
    asked = before = Asked()
    again = ["nas", request.command, "--run", str(place.run.root), "--resume"]
    if request.own_database:
        again += ["--study-db", str(place.database)]
        again += ["--study", place.study_name] if place.study_name else []
    with on_screen(request.loudness), _resumable(shlex.join(again)) as begin:
        study = existing(place, resume=request.resume, overwrite=request.overwrite)
        if study is not None:
            config = config or config_from_plain(study.facts.config, request.overrides)
        elif config is None:
            raise MissingInputError(f"{place.run.root}: nothing to resume; name a --config")
        if study is not None:
            said = _said(request.overrides, study.config, config)
            if request.command == "run" or said:
                before = read_asked(place.run.asked)
            asked = _still_asked(before, said)
        if request.command == "run":
            told = f"{place.run.asked} and stored config" if asked.overrides else "stored config"
            _check_source(config_from_plain(config.plain(), asked.overrides, place=told), place.run)
        announce_reading(config, request.loudness)
        if study is not None:

            def begin_asking() -> None:
                begin()
                if asked != before:
                    write_asked(place.run.asked, asked, complete=asked.complete, anew=asked.anew)

            ready = go_on(study, config, place, request.device, begin_asking)
        else:
            device = request.device or "auto"
            ready = start(config, place, device, begin, overwrite=request.overwrite)
        ready.study.drive(request.lock)
        with in_file(place.run), ready.executor as executor:
            precision = ready.study.facts.resolved["precision"]
            told = "trains on %s in %s, threads a worker: %d"
            log.info(told, ready.device.type, precision, ready.threads)
            progress = SearchProgress(ready.study, executor, quiet=request.loudness < 0)
            # Closed here, so that after Ctrl-C its last records are written under the lock.
            events = run_search(ready.study, place.run, executor)
            with progress.screen, closing(events):
                for trial in events:
                    progress.show(trial)
        _best_trials(ready.study)
    return ready.data, asked


def _said(overrides: Sequence[str], before: Config, now: Config) -> tuple[str, ...]:
    """Return what is said anew or changed of a retrain, each as `KEY=VALUE`."""
    said = {key_of(override) for override in overrides}
    old, new = (config.retrain.model_dump() for config in (before, now))
    return tuple(
        f"retrain.{key}={json.dumps(value, ensure_ascii=False)}"
        for key, value in new.items()
        if value != old[key] or said & {"retrain", f"retrain.{key}"}
    )


def _still_asked(asked: Asked, said: tuple[str, ...]) -> Asked:
    """Return what a retrain was asked for, and on top of it what is said now."""
    if not asked.overrides or not said:  # nothing is in the way of the config
        return asked
    return replace(asked.then(Asked(overrides=said)), anew=asked.anew)


def _check_source(config: Config, run: RunFolder) -> None:
    """Miss the weights of `retrain.start_from` before an hour's search, not after it.

    They are read on one thread: workers are forked later, from what has computed on no other.
    """
    with one_thread():
        source = source_of(config.retrain)
    if source is not None:
        check_space(source, config, run)


def _retrain(request: RetrainRequest, data: DataSet | None) -> None:
    """Retrain; `data` are the study's pictures where they are in memory already."""
    place = request.place
    study = open_study(place.database, place.study_name)
    config = config_from_plain(study.facts.config, request.asked.overrides)
    identity.check(study.config.plain(), config.plain())
    trial, *others = _chosen(study, request.asked)
    of_run = request.command == "run"
    arguments = [request.command, "--run", str(place.run.root), "--resume"]
    again = command(arguments, Asked() if of_run else request.asked)  # a run reads what was asked
    with on_screen(request.loudness), _resumable(again, of_run) as begin:
        if data is None:
            announce_reading(config, request.loudness)
            data = read_again(config.data, config.seed, study.facts.data["fingerprint"])
        if not place.run.environment.exists():  # the search ran in another folder
            describe_run(study, place, data, stored_device(study.facts.resolved["device"]))
        job = prepare(study, trial, config, data, place.run, request.device)
        jobs = beside(job, others)
        with in_file(place.run), Screen(quiet=request.loudness < 0) as screen:
            progress = RetrainProgress(screen, config.retrain, len(jobs))
            begin()
            for each, seed, epoch in retrain_all(
                jobs, request.asked.lasting, resume=request.resume, or_anew=of_run
            ):
                progress.show(each, seed, epoch)


def _best_trials(study: Study) -> list[Trial]:
    """Return the complete trials, the best first.

    Raises:
        NoTrialCompletedError: there is none.
    """
    trials = study.trials()
    found = ranked(trials, study.config.search)
    if not found:
        states = sorted({trial.state for trial in trials})
        first = [trial for trial in trials if trial.state == "failed"]
        reasons = list(dict.fromkeys(trial.reason for trial in [*first, *trials] if trial.reason))
        told = f"{len(trials)} asked: {', '.join(states) or 'none'}"
        raise NoTrialCompletedError(
            f"no trial of study {study.name!r} completed ({'; '.join([told, *reasons[:3]])})"
        )
    return found


def _chosen(study: Study, asked: Asked) -> list[Trial]:
    """Return the trials to retrain; the first is the run's model."""
    if asked.trial is not None:
        return [_numbered(study, asked.trial)]
    wanted = asked.top_k or 1
    found = _best_trials(study)[:wanted]
    if len(found) < wanted:
        told = f"--top-k {wanted}: of the trials of the study, {len(found)} completed"
        print(f"note: {told}; no other is retrained", file=sys.stderr)
    return found


def _numbered(study: Study, number: int) -> Trial:
    trials = study.trials()
    if not 0 <= number < len(trials):
        there = f"trials 0 to {len(trials) - 1}" if trials else "no trial yet"
        raise ConfigError(f"--trial: the study has {there}, got {number}")
    return trials[number]


def _sum_up(place: Place, *, as_json: bool) -> None:
    with _resumable(shlex.join(["nas", "report", "--run", str(place.run.root)]), begun=True):
        write_report(place, as_json=as_json)


@contextmanager
def _resumable(command: str, begun: bool = False) -> Iterator[Callable[[], None]]:
    """Answer Ctrl-C and SIGTERM with the command that goes on, once there is what to go on with.

    Yields:
        What is to be called before the first thing is written or removed.
    """

    def begin() -> None:
        nonlocal begun
        interrupts.check()
        begun = True

    try:
        interrupts.check()
        yield begin
    except Interrupted as stop:
        told = "nothing was begun; the same command starts again"
        if begun:
            told = f"nothing is lost. Go on with:\n  {command}"
        raise InterruptedRunError(f"stopped; {told}", stop.signal_number) from None
