"""Files written whole or not at all, and read back; knows no run and no file's name."""

import csv
import errno
import fcntl
import io
import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nas_cifar10.crash import crash_point
from nas_cifar10.errors import BadDataError, CannotCreateError, StorageError
from nas_cifar10.runs.reading import MAX_TEXT_BYTES, read_bytes

UNFINISHED = ".new"  # how the name of a file ends that is being written


def now() -> str:
    """Return the time in UTC, to the second, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def write_atomic(path: Path, content: bytes, check: Callable[[Path], None] | None = None) -> None:
    """Write a file so that its name holds the old content or the new, whole, at every instant.

    Args:
        check: Is shown the complete file before it gets its name; what it raises leaves no file.

    Raises:
        CannotCreateError: the folder cannot be written to.
        StorageError: the disk is full or failed; the old content, if any, still stands.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = _unfinished(path)
    except OSError as error:
        raise cannot_write(path, error) from error
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(handle, 0o644)
            crash_point("write.begun")
            file.write(content)
            file.flush()
            os.fsync(handle)
            if check is not None:
                check(Path(name))
            crash_point("write.complete")
            Path(name).replace(path)
        crash_point("write.named")
        _sync_folder(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        Path(name).unlink(missing_ok=True)


def _unfinished(path: Path) -> tuple[int, str]:
    """Make a file under a lock, or else it passes as what a kill left."""
    while True:
        handle, name = tempfile.mkstemp(UNFINISHED, f".{path.name}.", path.parent)
        with suppress(OSError):  # of a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:
            return handle, name
        os.close(handle)  # another process swept it away before it was locked


def remove_unfinished(path: Path) -> None:
    """Remove what killed processes left of writing a file, but nothing that is being written."""
    for left in path.parent.glob(f".{path.name}.*{UNFINISHED}"):
        with suppress(OSError), open(left, "rb", opener=open_unlinked) as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # or else it is being written
            left.unlink()


def open_unlinked(path: str, flags: int) -> int:
    """Open what is not a link, which could be to anybody's file, and wait for no other end."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


_DISK_FAILED = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


def disk_error(error: OSError, path: Path | None = None) -> StorageError | None:
    """Return the error to raise where the disk is full or failed.

    Args:
        path: What was to be written; None: it was met where nobody looked for it.
    """
    if error.errno not in _DISK_FAILED:
        return None
    full = error.errno != errno.EIO
    same = "free some space and go on with --resume, or where there is none, with the same command"
    advice = f"; {same}" if full else ""
    place = path or error.filename or "a file or standard output"
    return StorageError(f"{place}: {error.strerror}{advice}")


def cannot_write(path: Path, error: OSError) -> CannotCreateError | StorageError:
    """Return the error to raise: the disk is full or failed, or else the place is refused."""
    refused = CannotCreateError(f"{path}: cannot be written: {error.strerror}")
    return disk_error(error, path) or refused


def remove(path: Path) -> None:
    """Remove a file, if it is there; a NasError says why it cannot be."""
    try:
        path.unlink(missing_ok=True)
    except NotADirectoryError:
        pass
    except OSError as error:
        refused = CannotCreateError(f"{path}: cannot be removed: {error.strerror}")
        raise disk_error(error, path) or refused from error


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, atomically; bytes of a path that are none become escapes."""
    write_atomic(path, text.encode(errors="backslashreplace"))


def write_json(path: Path, values: Any) -> None:
    """Write JSON, atomically; NaN and infinity are refused, since JSON has none."""
    write_text(path, json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_csv(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a table, atomically; what a row lacks or has as null is blank."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: "" if v is None else v for k, v in row.items()} for row in rows)
    write_text(path, text.getvalue())


def read_json(path: Path) -> Any:
    """Read JSON written by `write_json`.

    Raises:
        MissingInputError: there is no such file.
        BadDataError: it is no JSON.
    """
    try:
        return json.loads(read_bytes(path, MAX_TEXT_BYTES))
    except (ValueError, RecursionError) as error:
        raise BadDataError(f"{path}: is no JSON: {error}") from None


def read_csv(path: Path) -> list[dict[str, str]]:
    """Read a table written by `write_csv`; every value is text, a missing one is empty.

    Raises:
        MissingInputError: there is no such file.
        BadDataError: it is too large, or no file.
        ValueError, csv.Error: it is no such table.
    """
    return list(csv.DictReader(io.StringIO(read_bytes(path, MAX_TEXT_BYTES).decode())))
