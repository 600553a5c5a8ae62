"""A run's folder: the only file that knows file names; atomic writes."""

import contextlib
import csv
import errno
import io
import json
import os
import re
import shutil
import tempfile
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nas_cifar10.crash import crash_point
from nas_cifar10.errors import (
    BadDataError,
    CannotCreateError,
    MissingInputError,
    NasError,
    StorageError,
)
from nas_cifar10.runs.reading import MAX_TEXT_BYTES, read_bytes
from nas_cifar10.runs.retrain_folder import RetrainFolder as RetrainFolder

OUTPUTS = Path("outputs")
_UNFINISHED = ".new"


def slug(name: str) -> str:
    """Return `name` as a folder name: lower-case letters, digits and hyphens.

    A name without a Latin letter or digit becomes its code points in hexadecimal.
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    short = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:80].strip("-")
    return short or "u" + "-".join(f"{ord(character):x}" for character in name[:16])


def now() -> str:
    """Return the time in UTC, to the second, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class RunFolder:
    """Where everything about one run lies."""

    def __init__(self, root: Path) -> None:
        """Name the files of the folder `root`, which need not exist."""
        self.root = root
        self.config = root / "config.yaml"
        self.environment = root / "environment.json"
        self.study = root / "study.db"
        self.data = root / "data.json"
        self.latency = root / "latency.json"
        self.pictures = root / "pictures.npz"
        self.search = root / "search.json"
        self.best = root / "best.json"
        self.trials = root / "trials.csv"
        self.curves = root / "curves.csv"
        self.checkpoints = root / "trials"
        self.retrain = RetrainFolder(root / "retrain")
        self.asked = self.retrain.root / "asked.json"
        self.figures = root / "figures"
        self.page = root / "report.html"
        self.log = root / "run.log"
        self.lock = root / ".lock"

    def checkpoint(self, trial: int) -> Path:
        """Return the checkpoint file of an unfinished trial."""
        return self.checkpoints / str(trial) / "checkpoint.pt"

    def drop_checkpoint(self, trial: int) -> None:
        """Remove what an ended trial left behind."""
        shutil.rmtree(self.checkpoint(trial).parent, ignore_errors=True)
        with contextlib.suppress(OSError):  # not empty: other trials still run
            self.checkpoints.rmdir()

    def refuse_links(self) -> None:
        """Check that what is written under this run's names stays in its folder.

        Raises:
            CannotCreateError: a folder, the log or the lock is a link.
        """
        folders = (self.checkpoints, self.figures, *self.checkpoints.glob("*"))
        for path in (self.lock, self.log, *folders, *self.retrain.folders()):
            if path.is_symlink():
                raise CannotCreateError(
                    f"{path}: is a link, and what is written there would leave the run's folder; "
                    f"remove it"
                )

    def clear(self) -> None:
        """Remove all that this run wrote but its study; files of other origin stay."""
        shutil.rmtree(self.checkpoints, ignore_errors=True)
        self.sweep()
        for path in (*self.figures.glob("*.png"), *self._files()):
            if path not in (self.study, self.lock):
                path.unlink(missing_ok=True)
        for folder in (self.figures, *(f.root for f in self.retrain.nested()), self.retrain.root):
            with contextlib.suppress(OSError):  # not there, or not empty
                folder.rmdir()

    def sweep(self) -> None:
        """Remove what a killed process left of writing a file."""
        names = [*self._files(), self.figures / "*.png"]
        for path in names:
            for left in path.parent.glob(f".{path.name}.*{_UNFINISHED}"):
                left.unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        retrained = (self.retrain, *self.retrain.nested())
        named = (*vars(self).values(), *(path for f in retrained for path in vars(f).values()))
        return [path for path in named if isinstance(path, Path) and not path.is_dir()]


def latest(outputs: Path = OUTPUTS) -> RunFolder:
    """Return the run whose environment.json started last.

    Raises:
        MissingInputError: there is none.
    """
    started = {}
    for path in outputs.glob("*/environment.json"):
        with contextlib.suppress(NasError, KeyError, TypeError):
            started[str(read_json(path)["started_at"]), path.parent] = path
    if not started:
        raise MissingInputError(
            f"{outputs}: no run here; name one with --run, or start one with nas run --config FILE"
        )
    return RunFolder(max(started)[1])


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
        handle, name = tempfile.mkstemp(_UNFINISHED, f".{path.name}.", path.parent)
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


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


_DISK_FAILED = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


def disk_error(error: OSError) -> StorageError | None:
    """Return what to raise for a full or failed disk that was met where nobody looked for it."""
    if error.errno not in _DISK_FAILED:
        return None
    found = cannot_write(Path(error.filename or "a file"), error)
    assert isinstance(found, StorageError)
    return found


def cannot_write(path: Path, error: OSError) -> CannotCreateError | StorageError:
    """Return the error to raise: the disk is full or failed, or else the place is refused."""
    if error.errno not in _DISK_FAILED:
        return CannotCreateError(f"{path}: cannot be written: {error.strerror}")
    full = error.errno != errno.EIO
    advice = "; free some space and go on with --resume" if full else ""
    return StorageError(f"{path}: {error.strerror}{advice}")


def remove(path: Path) -> None:
    """Remove a file, if it is there; a NasError says why it cannot be."""
    try:
        path.unlink(missing_ok=True)
    except NotADirectoryError:
        pass
    except OSError as error:
        refused = CannotCreateError(f"{path}: cannot be removed: {error.strerror}")
        raise disk_error(error) or refused from error


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, atomically."""
    write_atomic(path, text.encode())


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
        BadDataError: it cannot be read.
    """
    return list(csv.DictReader(io.StringIO(read_bytes(path, MAX_TEXT_BYTES).decode())))
