"""optuna-dashboard on a study, for this machine alone and for reading alone; knows no run.

A search owns its study: the dashboard's own buttons would rename or delete it under the driver's
feet. And a page from elsewhere must not read it through a name that it lets point to this machine.
"""

from __future__ import annotations

from collections.abc import Iterable
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from nas_cifar10 import interrupts
from nas_cifar10.errors import CannotCreateError, ConfigError, MissingPackageError
from nas_cifar10.runs.database import Database
from nas_cifar10.study.storage import open_storage, open_study

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

HOST = "127.0.0.1"
_HTTP = 80  # the port that a browser leaves out


class _Server(ThreadingMixIn, WSGIServer):
    """Answers each request in a thread of its own, and ends when a signal says so."""

    daemon_threads = True

    def service_actions(self) -> None:
        """Ask, at least twice a second, whether to end."""
        interrupts.check()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a reader that went away in the middle of an answer."""


class _Silent(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


def open_server(database: Database, study_name: str | None, port: int) -> tuple[WSGIServer, str]:
    """Return a server that listens already, and the study's address on it.

    Args:
        port: 0: any free one.

    Raises:
        MissingPackageError: optuna-dashboard is not installed.
        CannotCreateError: the port is taken, or not ours to take.
        NasError: as `open_study`.
    """
    try:
        from optuna_dashboard import wsgi
    except ImportError:
        raise MissingPackageError("nas dashboard", "optuna-dashboard", "dashboard") from None
    if not 0 <= port < 2**16:
        raise ConfigError(f"--port: must be 0 (any free one) to 65535, got {port}")
    name, storage = open_study(database, study_name).name, open_storage(database)
    try:
        server = _Server((HOST, port), _Silent)
    except OSError as error:
        raise CannotCreateError(
            f"--port: cannot listen at {HOST}:{port}: {error.strerror}; name another, or 0 for any"
        ) from None
    server.set_app(reading_only(wsgi(storage), server.server_port))
    number = storage.get_study_id_from_name(name)
    return server, f"http://{HOST}:{server.server_port}/dashboard/studies/{number}"


def reading_only(application: WSGIApplication, port: int) -> WSGIApplication:
    """Let through what reads, and what was addressed to this machine by its own name."""
    names = {f"{HOST}:{port}", f"localhost:{port}"}
    names |= {HOST, "localhost"} if port == _HTTP else set()

    def guarded(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("HTTP_HOST") not in names:
            return _refuse(start_response, "403 Forbidden", f"open http://{HOST}:{port}/")
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return _refuse(start_response, "405 Method Not Allowed", "this dashboard only reads")
        return application(environ, start_response)

    return guarded


def _refuse(start_response: StartResponse, status: str, reason: str) -> list[bytes]:
    start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
    return [f"{reason}\n".encode()]
