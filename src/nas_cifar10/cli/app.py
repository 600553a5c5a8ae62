"""Every command and flag as typer reads them; each parses, and calls one function.

What is slow to import is imported in the commands, so that --help needs none of it.
"""

from __future__ import annotations

import errno
import functools
import importlib.metadata
import sys
from collections.abc import Callable
from typing import Annotated, ParamSpec

import typer

from nas_cifar10 import interrupts
from nas_cifar10.cli.flags import (
    ConfigFile,
    ConfigWord,
    Device,
    DryRun,
    Form,
    Images,
    Json,
    NeededConfig,
    Out,
    Overrides,
    Overwrite,
    Port,
    Quiet,
    Resume,
    RunDir,
    Seed,
    StudyDb,
    StudyName,
    TopK,
    TopTrials,
    TrialNumber,
    Verbose,
    Workers,
    whole,
)
from nas_cifar10.errors import ConfigError, MissingInputError, NasError
from nas_cifar10.interrupts import Interrupted
from nas_cifar10.text import harmless, one_line

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="A YAML file in; a searched, retrained and honestly measured image classifier out.",
)

P = ParamSpec("P")

_STRAY_WORDS = {"allow_extra_args": True}  # answered in our words: what is meant is a config


def _explained(command: Callable[P, None]) -> Callable[P, None]:
    """Print what a user can get wrong in plain lines on stderr, and exit with its code."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except NasError as error:
            print(harmless(error), file=sys.stderr)
            raise typer.Exit(error.exit_code) from None
        except OSError as error:
            from nas_cifar10.runs.files import disk_error

            failed = disk_error(error) or _out_of_reach(error)
            if failed is None:
                raise
            print(harmless(failed), file=sys.stderr)
            raise typer.Exit(failed.exit_code) from None
        except typer.Exit:  # a RuntimeError, too
            raise
        except (MemoryError, RuntimeError) as error:
            if not _is_out_of_memory(error):
                raise
            print(f"out of memory: {one_line(error):.200}".removesuffix(": "), file=sys.stderr)
            raise typer.Exit(1) from None
        except Interrupted as stop:
            print("stopped", file=sys.stderr)
            raise typer.Exit(128 + stop.signal_number) from None

    return run


def _is_out_of_memory(error: MemoryError | RuntimeError) -> bool:
    if isinstance(error, MemoryError) or "torch" not in sys.modules:
        return isinstance(error, MemoryError)
    from nas_cifar10.training.precision import is_out_of_memory

    return is_out_of_memory(error)


def _out_of_reach(error: OSError) -> MissingInputError | None:
    """Return what to raise for a path that cannot so much as be looked at."""
    out_of_reach = {errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ELOOP}
    if error.filename is None or error.errno not in out_of_reach:
        return None
    return MissingInputError(f"{error.filename!s:.200}: cannot be read: {error.strerror}")


@_explained
def _version(wanted: bool) -> None:
    if wanted:
        print(f"nas-cifar10 {importlib.metadata.version('nas-cifar10')}")
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="print the version")
    ] = False,
) -> None:
    pass


@app.command(
    "search", help="Look for the best candidate of a space.", context_settings=_STRAY_WORDS
)
@app.command("run", help="Search, retrain and report in one go.", context_settings=_STRAY_WORDS)
@_explained
def _search_or_run(
    context: typer.Context,
    config: ConfigFile = None,
    overrides: Overrides = None,
    run_dir: RunDir = None,
    study_db: StudyDb = None,
    study: StudyName = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
    workers: Workers = None,
    device: Device = None,
    seed: Seed = None,
    dry_run: DryRun = False,
    as_json: Json = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    if context.args:
        word = context.args[0]
        hint = "each KEY=VALUE needs a --set" if "=" in word else "name the config with --config"
        raise ConfigError(f"{one_line(word)}: not expected here; {hint}")
    if resume and overwrite:
        raise ConfigError("--resume and --overwrite: name one of the two")
    from nas_cifar10.cli.place import held, place_of_search, refuse_to_replace

    set_by_flags = {"search.workers": workers, "seed": seed}
    given = [f"{key}={value}" for key, value in set_by_flags.items() if value is not None]
    all_overrides = (*(overrides or ()), *given)
    place, read = place_of_search(config, all_overrides, run_dir, study_db, study, resume=resume)
    if dry_run:
        with interrupts.loading():
            from nas_cifar10.cli import train

        train.rehearse(read, device, verbose - quiet, as_json=as_json)
        return
    refuse_to_replace(config, place.run, overwrite=overwrite)
    with held(place, drives=True) as lock:
        with interrupts.loading():
            from nas_cifar10.cli import train

        request = train.SearchRequest(
            command=str(context.info_name),
            place=place,
            lock=lock,
            config=read,
            overrides=all_overrides,
            own_database=study_db is not None,
            resume=resume,
            overwrite=overwrite,
            device=device,
            as_json=as_json,
            loudness=verbose - quiet,
        )
        {"run": train.run, "search": train.search}[request.command](request)


@app.command()
@_explained
def retrain(
    study_db: StudyDb = None,
    study: StudyName = None,
    run_dir: RunDir = None,
    trial: TrialNumber = None,
    top_k: TopTrials = None,
    overrides: Overrides = None,
    resume: Resume = False,
    as_json: Json = False,
) -> None:
    """Train the best candidate for good, and measure it on test."""
    if trial is not None and top_k is not None:
        raise ConfigError("--trial and --top-k: name one of the two")
    number = None if trial is None else whole("--trial", trial)
    most = None if top_k is None else whole("--top-k", top_k)
    if most is not None and most < 1:
        raise ConfigError(f"--top-k: must be at least 1, got {most}")
    from nas_cifar10.cli.place import held, locate

    place = locate(run_dir, study_db, study)
    with held(place, drives=False):
        with interrupts.loading():
            from nas_cifar10.cli import train
            from nas_cifar10.runs.asked import Asked

        asked = Asked(number, most, tuple(overrides or ()))
        request = train.RetrainRequest("retrain", place, asked, resume, loudness=0)
        train.retrain(request, as_json=as_json)


@app.command()
@_explained
def report(
    study_db: StudyDb = None,
    study: StudyName = None,
    run_dir: RunDir = None,
    as_json: Json = False,
) -> None:
    """Draw the figures and the page, and sum up what was found."""
    from nas_cifar10.cli.place import locate

    place = locate(run_dir, study_db, study)
    with interrupts.loading():
        from nas_cifar10.cli.report import write_report

    write_report(place, as_json=as_json)


@app.command()
@_explained
def show(
    study_db: StudyDb = None,
    study: StudyName = None,
    run_dir: RunDir = None,
    as_json: Json = False,
) -> None:
    """Show what a search found, while it runs or after."""
    from nas_cifar10.cli.place import locate

    place = locate(run_dir, study_db, study, writes=False)
    with interrupts.loading():
        from nas_cifar10.cli.show import show_study

    show_study(place, as_json=as_json)


@app.command()
@_explained
def validate(
    config: ConfigWord,
    overrides: Overrides = None,
    as_json: Json = False,
) -> None:
    """Check a config and name every error in it."""
    from nas_cifar10.cli import configs

    configs.validate(config, overrides or (), as_json=as_json)


@app.command()
@_explained
def data(config: NeededConfig, overrides: Overrides = None, as_json: Json = False) -> None:
    """Fetch, verify and describe the pictures; train nothing."""
    from nas_cifar10.config.load import load_config

    checked = load_config(config, overrides or ())
    with interrupts.loading():
        from nas_cifar10.cli.data import describe_data
    describe_data(checked, as_json=as_json)


@app.command()
@_explained
def predict(
    images: Images,
    run_dir: RunDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object a line")] = False,
    top_k: TopK = None,
) -> None:
    """Ask the retrained model what is on pictures."""
    most = None if top_k is None else whole("--top-k", top_k)
    from nas_cifar10.cli.place import locate

    place = locate(run_dir)
    with interrupts.loading():
        from nas_cifar10.cli import model

    model.predict(place.run, images, most, as_json=as_json)


@app.command()
@_explained
def export(
    form: Form,
    run_dir: RunDir = None,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Write the retrained model as one checked file."""
    from nas_cifar10.cli.place import locate

    place = locate(run_dir)
    with interrupts.loading():
        from nas_cifar10.cli import model

    model.export(place.run, form, out, as_json=as_json)


@app.command()
@_explained
def init(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="which config")] = None,
    out: Out = None,
) -> None:
    """Copy a commented config, or list them."""
    from nas_cifar10.cli import configs

    configs.init(name, out)


@app.command()
@_explained
def dashboard(
    study_db: StudyDb = None,
    study: StudyName = None,
    run_dir: RunDir = None,
    port: Port = "8080",
) -> None:
    """Show the study in a browser, until Ctrl-C."""
    number = whole("--port", port)
    from nas_cifar10.cli.place import locate

    place = locate(run_dir, study_db, study, writes=False)
    with interrupts.loading():
        from nas_cifar10.cli.show import serve_dashboard

    serve_dashboard(place, number)
