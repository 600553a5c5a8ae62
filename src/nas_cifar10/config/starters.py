"""The configs that come with this tool, to start from: where they lie, and what each is for.

A checkout has them in `configs/`; an installed package has the same files inside itself.
"""

import difflib
import os
import shlex
from pathlib import Path

from nas_cifar10.errors import CannotCreateError, ConfigError
from nas_cifar10.runs.files import write_text


def folder() -> Path:
    """Return where the configs lie."""
    package = Path(__file__).parents[1]
    installed = package / "configs"
    return installed if installed.is_dir() else package.parents[1] / "configs"


def purposes() -> dict[str, str]:
    """Return every config's name and what stands at its head, down to the first empty line."""
    texts = {path.stem: path.read_text("utf-8") for path in folder().glob("*.yaml")}
    heads = {name: text.partition("\n#\n")[0] for name, text in sorted(texts.items())}
    return {name: " ".join(head.replace("#", " ").split()) for name, head in heads.items()}


def write(name: str, out: Path) -> None:
    """Copy a config, in whose head the commands name the copy.

    Raises:
        ConfigError: there is no config of this name.
        CannotCreateError: `out` exists already, or cannot be written.
        StorageError: writing failed half-way.
    """
    names = list(purposes())
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ConfigError(f"NAME: must be one of {', '.join(names)}, got {name!r}{hint}")
    if os.path.lexists(out):
        raise CannotCreateError(f"{out}: exists already; name another file with --out")
    text = (folder() / f"{name}.yaml").read_text("utf-8")
    write_text(out, text.replace(f"configs/{name}.yaml", _in_a_comment(out)))


def _in_a_comment(path: Path) -> str:
    """Return a path as a shell takes it; one that would end the comment is left out."""
    quoted = shlex.quote(str(path))
    return quoted if quoted.isprintable() else "FILE"
