"""The commands around a run: a config to start from, and a look at the study from a browser."""

import signal
import sys
import textwrap
from pathlib import Path

from nas_cifar10.cli.output import stdout_console
from nas_cifar10.config import starters
from nas_cifar10.data.text import one_line
from nas_cifar10.errors import ConfigError
from nas_cifar10.interrupts import Interrupted
from nas_cifar10.runs.place import Place


def init(name: str | None, out: Path | None) -> None:
    """List the configs there are, or copy one.

    Raises:
        ConfigError: there is no config of this name.
        CannotCreateError: the file exists already.
    """
    if name is None and out is not None:
        raise ConfigError(f"--out: needs the NAME of a config to copy, got {out} alone")
    if name is None:
        width = stdout_console().width
        for each, purpose in starters.purposes().items():
            print(textwrap.fill(f"{each:<14}{purpose}", width, subsequent_indent=" " * 14))
        print("\ncopy one with nas init NAME [--out FILE]", file=sys.stderr)
        return
    path = out or Path(f"{name}.yaml")
    starters.write(name, path)
    print(one_line(path))


def dashboard(place: Place, port: int) -> None:
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
