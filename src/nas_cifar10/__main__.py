"""The process: signals are noted from its first moment, then the front door is opened."""

import atexit
import errno
import io
import os
import re
import sys
from contextlib import suppress
from itertools import pairwise

from nas_cifar10 import interrupts
from nas_cifar10.text import harmless


def main() -> None:
    """Run the command line, and end the process with its exit code.

    At once: torch takes more than a second to be torn down, in which a signal would kill a process
    whose work is done and give it another exit code.
    """
    _open_closed()
    interrupts.listen()
    if isinstance(sys.stdout, io.TextIOWrapper):  # a letter that it lacks ends nothing
        sys.stdout.reconfigure(errors="backslashreplace")
    os.environ.pop("MPLBACKEND", None)  # a notebook's; only files are drawn
    from nas_cifar10.cli.app import app

    try:
        _check_words(sys.argv)
        app()
    except SystemExit as end:
        interrupts.ignore()
        atexit._run_exitfuncs()
        os._exit(_flushed(end.code if isinstance(end.code, int) else 1))
    except OSError as error:  # help and the like are printed before any command has begun
        if error.errno != errno.ENOSPC or error.filename is not None:
            raise
        os._exit(_no_room(error))


def _check_words(words: list[str]) -> None:
    """Refuse an empty word: as a path it would be the current folder, which nobody has named."""
    for before, word in pairwise(words):
        if not word or re.fullmatch("--[a-z-]+=", word):
            place = word.rstrip("=") or ("nas" if before is words[0] else before)
            told = f"{place}: what follows is empty; is a variable of the shell not set?"
            sys.stderr.write(f"{harmless(told)}\n")
            raise SystemExit(2)


def _flushed(code: int) -> int:
    """Return the exit code once everything is printed: 74 where there is no room for it."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:  # whoever read our output has seen enough
        return code
    except OSError as error:
        return _no_room(error)
    return code


def _no_room(error: OSError) -> int:
    with suppress(OSError):  # where stderr finds no room either
        os.write(2, f"standard output: cannot be written: {error.strerror}\n".encode())
    return 74


def _open_closed() -> None:
    """Open what the process was started without: the next file would take its place as output."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    sys.stdout = sys.stdout or os.fdopen(1, "w")
    sys.stderr = sys.stderr or os.fdopen(2, "w")


if __name__ == "__main__":
    main()
