"""What a retrain was asked for beside its config, kept so that --resume goes on with just that."""

import shlex
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass as checked

from nas_cifar10.errors import MissingInputError
from nas_cifar10.runs.files import write_json
from nas_cifar10.runs.records import read_record


@checked(frozen=True)
class Asked:
    """The flags of a retrain.

    Args:
        trial: Which trial, and `top_k`: so many of the best; without both it is the best.
        overrides: `KEY=VALUE`, each.
        complete: Whether all of it is done.
        anew: Whether what was there before is not all removed yet.
    """

    trial: int | None = None
    top_k: Annotated[int, Field(ge=1)] | None = None
    overrides: tuple[str, ...] = ()
    complete: bool = False
    anew: bool = False

    @property
    def words(self) -> list[str]:
        """The flags, as a command has them."""
        words = [] if self.trial is None else ["--trial", str(self.trial)]
        words += [] if self.top_k is None else ["--top-k", str(self.top_k)]
        return words + [word for override in self.overrides for word in ("--set", override)]

    def then(self, more: "Asked") -> "Asked":
        """Return what is asked for by going on with this and saying more, which counts first."""
        keys = [key_of(override) for override in more.overrides]
        kept = [o for o in self.overrides if not any(_holds(key, key_of(o)) for key in keys)]
        which = self if more.trial is None and more.top_k is None else more
        return Asked(which.trial, which.top_k, (*kept, *more.overrides))

    @property
    def lasting(self) -> "Asked":
        """What of it a later resume goes on with: what a study's search is belongs to the study."""
        own = tuple(override for override in self.overrides if _holds("retrain", key_of(override)))
        return replace(self, overrides=own)


def _holds(key: str, other: str) -> bool:
    """Say whether to set a key is to set the other, too."""
    return f"{other}.".startswith(f"{key}.")


def key_of(override: str) -> str:
    """Return the key of `KEY=VALUE`."""
    return override.partition("=")[0].strip()


def write_asked(path: Path, asked: Asked, *, complete: bool = False, anew: bool = False) -> None:
    """Keep what is asked for, and how far it is."""
    write_json(path, asdict(replace(asked, complete=complete, anew=anew)))


def read_asked(path: Path) -> Asked:
    """Read what `write_asked` kept; where nothing was, nothing was asked for.

    Raises:
        BadDataError: it is damaged.
    """
    try:
        advice = "remove it, and say again what is to be retrained"
        return read_record(path, Asked, advice).lasting
    except MissingInputError:
        return Asked()


def command(arguments: list[str], asked: Asked) -> str:
    """Return a command that asks for it, as a shell reads it."""
    return shlex.join(["nas", *arguments, *asked.words])
