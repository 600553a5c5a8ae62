"""The archive is fetched from a local server: whole or not at all, and silently."""

import contextlib
import http.server
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from torchvision.datasets import CIFAR10

from made_cifar10 import ARCHIVE, Made, read, same, trust
from nas_cifar10.config.load import load_config
from nas_cifar10.data import download
from nas_cifar10.errors import BadDataError, CannotCreateError, MissingInputError, StorageError

OFFLINE = "--set data.source=digits --set data.image_size=32"
FOLDER = "--set data.source=image_folder --set data.root=FOLDER"
CONFIGS = [
    path for path in (Path(__file__).parents[2] / "configs").glob("*.yaml")
    if "source: cifar10" in path.read_text()
]  # fmt: skip


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
@pytest.mark.parametrize("way_out", [OFFLINE, FOLDER])
def test_the_ways_to_work_offline_suit_every_config(path: Path, way_out: str) -> None:
    overrides = way_out.replace("--set ", "").split()
    assert load_config(path, overrides).data.source in overrides[0]


@pytest.fixture
def made() -> Made:
    return Made()


@contextlib.contextmanager
def serving(content: bytes, status: int = 200) -> Iterator[str]:
    """Serve these bytes at every address of a local server; yield the archive's address."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            with contextlib.suppress(OSError):  # torchvision first looks for redirects only
                self.wfile.write(content)

        def log_message(self, *arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/{ARCHIVE}"
        finally:
            server.shutdown()
            thread.join()


def test_the_archive_is_fetched_once_and_silently(
    tmp_path: Path,
    made: Made,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    packed = made.packed()
    trust(monkeypatch, made, packed)
    root = tmp_path / "new" / "root"
    with serving(packed) as url:
        monkeypatch.setattr(CIFAR10, "url", url)
        pictures = read(root)
    assert [path.name for path in root.iterdir()] == [ARCHIVE]
    assert (root / ARCHIVE).read_bytes() == packed
    assert same(read(root), pictures)  # the server is gone
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("content", [b"<html>a login page</html>", b""])
def test_another_md5_leaves_nothing_behind(
    tmp_path: Path, made: Made, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    trust(monkeypatch, made, made.packed())
    with serving(content) as url:
        monkeypatch.setattr(CIFAR10, "url", url)
        with pytest.raises(BadDataError) as caught:
            read(tmp_path / "new" / "root")
    assert f"{url}: what came is incomplete or not the genuine file" in str(caught.value)
    assert str(tmp_path / "new" / "root" / ARCHIVE) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def missing(root: Path) -> str:
    """Fail to read, and check the line that says how to go on."""
    with pytest.raises(MissingInputError) as caught:
        read(root)
    text = str(caught.value)
    assert text.startswith(f"{root / ARCHIVE}: no such file, and {CIFAR10.url} cannot be fetched")
    assert text.endswith(f"or work offline with {OFFLINE}, or with {FOLDER}")
    assert "\n" not in text
    return text


def test_without_a_network_one_line_names_the_file_and_the_way_out(
    tmp_path: Path, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust(monkeypatch, made)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # bound, and not listening: refused
        monkeypatch.setattr(CIFAR10, "url", f"http://127.0.0.1:{free.getsockname()[1]}/x")
        assert "Connection refused" in missing(tmp_path / "root")
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_does_not_have_it_is_named(
    tmp_path: Path, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust(monkeypatch, made)
    with serving(b"", status=404) as url:
        monkeypatch.setattr(CIFAR10, "url", url)
        assert "(Not Found)" in missing(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_stays_silent_is_given_up(
    tmp_path: Path, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust(monkeypatch, made)
    monkeypatch.setattr(download, "TIMEOUT_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(CIFAR10, "url", f"http://127.0.0.1:{silent.getsockname()[1]}/x")
        assert "timed out" in missing(tmp_path)
    assert socket.getdefaulttimeout() is None


def test_a_root_that_cannot_be_made_is_named(
    tmp_path: Path, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust(monkeypatch, made)
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotCreateError, match="file: cannot be written: "):
        read(tmp_path / "file")


def test_a_full_disk_is_told_from_a_missing_network(
    tmp_path: Path, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    trust(monkeypatch, made)
    monkeypatch.setattr("torchvision.datasets.utils.download_url", full)
    with pytest.raises(StorageError, match="No space left on device; free some space"):
        read(tmp_path / "root")
    assert list(tmp_path.iterdir()) == []
