"""The lock on a run and its study: one process works on them; the kernel lets go when it ends."""

import contextlib
import fcntl
import io
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from nas_cifar10.errors import CannotCreateError
from nas_cifar10.runs.files import cannot_write, open_unlinked
from nas_cifar10.runs.folder import RunFolder

_MOST_BYTES = 1000  # of a lock that we wrote
_GLANCE_SECONDS = 0.1  # far longer than who only asks whether it is held is in the way


@contextlib.contextmanager
def locked(run: RunFolder, also: Path | None = None) -> Iterator[None]:
    """Hold the run for this process; the kernel lets go of it when the process ends.

    Args:
        also: the SQLite study, wherever it is; locked through a file beside it.

    Raises:
        CannotCreateError: another process holds it, or the folder cannot be written.
    """
    run.refuse_links()
    paths = {run.lock: (run.root, "another folder with --run")}
    if also is not None:
        study = also.resolve()  # the same lock by whichever link it is reached
        paths[study.with_name(f".{study.name}.lock")] = also, "another database with --study-db"
    with contextlib.ExitStack() as stack:
        for path, (what, instead) in paths.items():
            stack.enter_context(_held(path, what, instead))
        run.sweep()
        yield


def is_held(run: RunFolder) -> bool:
    """Say whether another process works on the run at this moment."""
    told = b""
    try:
        with io.FileIO(run.lock, "r", opener=open_unlinked) as file:
            told = file.read(_MOST_BYTES)
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return told != _holder()
    except OSError:  # no lock, or none that can be read
        return False
    return False


def _holder() -> bytes:
    """Return what is written in a lock that this process holds."""
    return f"process {os.getpid()} on {socket.gethostname()}".encode()


@contextlib.contextmanager
def _held(path: Path, what: Path, instead: str) -> Iterator[None]:
    made = _make_folder(path.parent)
    with _open_lock(path, what, instead):
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # not empty: the run left something worth keeping
                for folder in made:
                    folder.rmdir()


def _make_folder(folder: Path) -> list[Path]:
    """Create a folder and those above it; return the new ones, innermost first."""
    missing = [f for f in (folder, *folder.parents) if not f.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    return missing


def _open_lock(path: Path, what: Path, instead: str) -> io.FileIO:
    latest = time.monotonic() + _GLANCE_SECONDS
    while True:
        with contextlib.ExitStack() as stack:
            try:
                file = stack.enter_context(io.FileIO(path, "a+", opener=open_unlinked))
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_at(path, file):  # or else its last holder removed it just now
                    file.truncate(0)
                    file.write(_holder())
                    stack.pop_all()
                    return file
            except BlockingIOError:
                if time.monotonic() < latest:
                    time.sleep(_GLANCE_SECONDS / 10)
                    continue
                file.seek(0)
                holder = file.read(_MOST_BYTES).decode(errors="replace")
                raise CannotCreateError(
                    f"{what}: in use by {holder or 'another process'}; "
                    f"wait for it, or name {instead}"
                ) from None
            except FileNotFoundError:  # its last holder removed the folder just now
                _make_folder(path.parent)
            except OSError as error:
                raise cannot_write(path, error) from error


def _is_at(path: Path, file: io.FileIO) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    return False
