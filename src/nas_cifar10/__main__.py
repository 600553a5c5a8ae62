"""The process: signals are noted from its first moment, then the front door is opened."""

import atexit
import os
import sys
from contextlib import suppress

from nas_cifar10 import interrupts


def main() -> None:
    """Run the command line, and end the process with its exit code.

    At once: torch takes more than a second to be torn down, in which a signal would kill a process
    whose work is done and give it another exit code.
    """
    interrupts.listen()
    from nas_cifar10.cli.app import app

    try:
        app()
    except SystemExit as end:
        interrupts.ignore()
        atexit._run_exitfuncs()
        with suppress(BrokenPipeError):  # whoever read our output has seen enough
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(end.code if isinstance(end.code, int) else 1)


if __name__ == "__main__":
    main()
