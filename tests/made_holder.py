"""Another process that works on a run."""

import subprocess
import sys
from pathlib import Path

HOLD = """
import sys
from pathlib import Path
from nas_cifar10.runs.lock import locked
from nas_cifar10.runs.folder import RunFolder
also = Path(sys.argv[2]) if len(sys.argv) > 2 else None
with locked(RunFolder(Path(sys.argv[1])), also):
    print("held", flush=True)
    sys.stdin.read()
"""


class Holder:
    """Another process that holds a run until the end of a `with`."""

    def __init__(self, *paths: Path) -> None:
        command = [sys.executable, "-c", HOLD, *map(str, paths)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self) -> int:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"held\n"
        return self.process.pid

    def __exit__(self, *error: object) -> None:
        self.process.communicate()
