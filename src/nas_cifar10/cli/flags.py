"""The flags that commands share, as typer reads them; parses numbers in words of our own.

A path may be one that cannot be read: whoever opens it says so, with an exit code of its own.
"""

from pathlib import Path
from typing import Annotated

import typer

from nas_cifar10.errors import ConfigError
from nas_cifar10.text import one_line

ConfigFile = Annotated[Path | None, typer.Option("--config", readable=False, help="the YAML file")]
NeededConfig = Annotated[Path, typer.Option("--config", readable=False, help="the YAML file")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="override a key; repeatable")
]
RunDir = Annotated[
    Path | None, typer.Option("--run", metavar="DIR", readable=False, help="the run's folder")
]
StudyDb = Annotated[
    str | None, typer.Option("--study-db", metavar="PATH|URL", help="the study's database")
]
StudyName = Annotated[str | None, typer.Option("--study", metavar="NAME", help="which study")]
Resume = Annotated[bool, typer.Option("--resume", help="go on where it stopped")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="replace an existing run")]
Workers = Annotated[str | None, typer.Option("--workers", metavar="N|auto", help="processes")]
Device = Annotated[
    str | None, typer.Option("--device", metavar="auto|cpu|cuda|mps", help="where to train")
]
Seed = Annotated[str | None, typer.Option("--seed", metavar="N", help="the same as --set seed=N")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="check, count and estimate; write nothing")]
Json = Annotated[bool, typer.Option("--json", help="print JSON instead of a table")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="say more on stderr")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="no progress on stderr")]
Port = Annotated[str, typer.Option("--port", metavar="N", help="where to listen; 0: any free port")]
TopK = Annotated[str | None, typer.Option("--top-k", metavar="K", help="classes to show [3]")]
TopTrials = Annotated[
    str | None, typer.Option("--top-k", metavar="K", help="the K best trials, not one alone")
]
TrialNumber = Annotated[
    str | None, typer.Option("--trial", metavar="N", help="this trial, not the best")
]
ConfigWord = Annotated[Path, typer.Argument(metavar="CONFIG", readable=False, help="the YAML file")]
Images = Annotated[
    list[Path], typer.Argument(metavar="IMAGE", readable=False, help="files or folders")
]
Form = Annotated[str, typer.Option("--format", metavar="onnx|pt2", help="ONNX or torch.export")]
Out = Annotated[Path | None, typer.Option("--out", metavar="FILE", help="where to")]


def whole(flag: str, text: str) -> int:
    """Return the whole number that a flag was given.

    Raises:
        ConfigError: it is none.
    """
    try:
        return int(text)
    except ValueError:
        raise ConfigError(f"{flag}: must be a whole number, got {one_line(text):.80}") from None
