"""Files that anybody may have put there: their bytes, and what is wrong; knows no format."""

import errno
import io
import stat
import zipfile
from pathlib import Path

from pydantic import ValidationError

from nas_cifar10.errors import (
    BadDataError,
    MissingInputError,
    NasError,
    StorageError,
    UnreadableError,
)

MAX_TEXT_BYTES = 2**26  # of a table or a JSON file; far above any of ours
MAX_UNPACKED_BYTES = 2**28  # of arrays
_KINDS: dict[int, type[NasError]] = {
    errno.EACCES: UnreadableError,
    errno.EPERM: UnreadableError,
    errno.ELOOP: BadDataError,
    errno.ENAMETOOLONG: BadDataError,
}


def read_bytes(path: Path, limit: int | None = None) -> bytes:
    """Read a whole file, but nothing that would wait or never end, as a pipe or a device would.

    Raises:
        MissingInputError: there is no such file.
        BadDataError: it is no regular file, or larger than `limit`.
        UnreadableError: it cannot be read by this user, or with this memory.
        StorageError: the disk or the system failed.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise BadDataError(f"{path}: is no regular file")
        if limit is not None and status.st_size > limit:
            raise BadDataError(f"{path}: is larger than {limit:,} bytes")
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise MissingInputError(f"{path}: no such file") from None
    except MemoryError:
        raise UnreadableError(f"{path}: cannot be read: it does not fit into memory") from None
    except OSError as error:
        kind = _KINDS.get(error.errno or 0, StorageError)
        raise kind(f"{path}: cannot be read: {error.strerror}") from None


def read_packed(path: Path) -> io.BytesIO:
    """Read a zip archive, unless it unpacks to more than any of ours does.

    Raises:
        MissingInputError, BadDataError: as `read_bytes`; or it is too large.
        zipfile.BadZipFile: it is no zip archive.
    """
    content = io.BytesIO(read_bytes(path, MAX_UNPACKED_BYTES))
    with zipfile.ZipFile(content) as archive:
        if sum(member.file_size for member in archive.infolist()) > MAX_UNPACKED_BYTES:
            raise BadDataError(f"{path}: unpacks to more than {MAX_UNPACKED_BYTES:,} bytes")
    content.seek(0)
    return content


def why(error: BaseException) -> str:
    """Say in one line what was wrong with what was read."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        rule = first["msg"].removeprefix("Value error, ")
        return f"{place}: {rule}" if place else rule
    if isinstance(error, KeyError):
        return f"{error} is missing"
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
