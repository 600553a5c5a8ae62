"""The commands about configs: one to start from, and what is wrong with one. Trains nothing."""

import json
import math
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from nas_cifar10.cli.output import stdout_console
from nas_cifar10.config import starters
from nas_cifar10.config.load import load_config
from nas_cifar10.config.rules import notices
from nas_cifar10.errors import ConfigError
from nas_cifar10.space.search_space import SearchSpace
from nas_cifar10.text import harmless, one_line


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


def validate(path: Path, overrides: Sequence[str], *, as_json: bool) -> None:
    """Say that a config is valid, how many candidates its space has, and what is odd about it.

    Raises:
        ConfigError: it is not valid; every error is named.
        MissingInputError: there is no such file.
    """
    config = load_config(path, overrides)
    for notice in notices(config):
        print(f"note: {notice}", file=sys.stderr)
    size, trials = SearchSpace.from_config(config.space).size(), config.search.trials
    endless = math.isinf(size)
    if as_json:
        num = None if endless else round(size)
        print(json.dumps({"config": str(path), "candidates": num, "trials": trials}, indent=2))
        return
    candidates = "endlessly many" if endless else f"{size:,.0f}"
    print(f"{harmless(path)}: valid; {candidates} candidates, {trials:,} trials")
