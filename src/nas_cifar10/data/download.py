"""One file from the network to its place, whole or not at all; knows not what is in it."""

import contextlib
import http.client
import io
import socket
import sys
import tempfile
import urllib.error
from collections.abc import Iterator
from pathlib import Path

from nas_cifar10 import interrupts
from nas_cifar10.errors import BadDataError, MissingInputError, StorageError
from nas_cifar10.runs.files import cannot_write
from nas_cifar10.text import one_line

TIMEOUT_SECONDS = 30.0


def fetch(url: str, target: Path, md5: str) -> None:
    """Download `url`; `target` appears only once the MD5 matched.

    Raises:
        MissingInputError: no network, or the server does not have it.
        BadDataError: what came has another MD5.
        CannotCreateError: the folder cannot be written to.
        StorageError: the disk is full or failed.
    """
    with _new_folder(target.parent) as folder:
        _download(url, folder / target.name, target, md5)
        (folder / target.name).replace(target)


def _download(url: str, path: Path, target: Path, md5: str) -> None:
    from torchvision.datasets.utils import download_url

    try:
        with _quiet(), _timeout(), interrupts.at_once():
            download_url(url, path.parent, path.name, md5)
    except (urllib.error.URLError, http.client.HTTPException, RecursionError) as error:
        raise _unreachable(url, target, error) from None
    except RuntimeError:  # how torchvision says that the MD5 differs
        raise BadDataError(
            f"{url}: what came is incomplete or not the genuine file (MD5 {md5}); try again, or "
            f"place {target.name} from elsewhere as {target}"
        ) from None
    except OSError as error:
        if isinstance(refused := cannot_write(target, error), StorageError):
            raise refused from None
        raise _unreachable(url, target, error) from None


def _unreachable(url: str, target: Path, error: Exception) -> MissingInputError:
    if isinstance(error, urllib.error.HTTPError):
        error.close()  # it holds the connection
    reason = getattr(error, "reason", None) or error
    reason = one_line(reason) or type(error).__name__
    return MissingInputError(
        f"{target}: no such file, and {url} cannot be fetched ({reason}); place the file there, "
        f"begin with nas init quickstart, or work offline with --set data.source=digits "
        f"--set data.image_size=32, or with --set data.source=image_folder --set data.root=FOLDER"
    )


@contextlib.contextmanager
def _new_folder(parent: Path) -> Iterator[Path]:
    """Make a hidden folder and remove it afterwards, with the parents if they stayed empty."""
    made = [path for path in (parent, *parent.parents) if not path.exists()]
    try:
        parent.mkdir(parents=True, exist_ok=True)
        temporary = tempfile.TemporaryDirectory(prefix=".download-", dir=parent)
    except OSError as error:
        raise cannot_write(parent, error) from None
    try:
        with temporary as name:
            yield Path(name)
    finally:
        with contextlib.suppress(OSError):  # not empty: the file has arrived
            for path in made:
                path.rmdir()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep torchvision off stdout, and its progress bar off everything but a terminal."""
    chatter = sys.stderr if sys.stderr.isatty() else io.StringIO()
    with contextlib.redirect_stdout(chatter), contextlib.redirect_stderr(chatter):
        yield


@contextlib.contextmanager
def _timeout() -> Iterator[None]:
    """Let a server that stays silent fail: torchvision offers no way to say so."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
