"""A small web server in this process, to read, on the loopback address unless told otherwise."""

from __future__ import annotations

import ipaddress
import json
import socket
import warnings
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from nas.errors import NasError

LOOPBACK = "127.0.0.1"
Start = Callable[..., Any]
App = Callable[[dict[str, Any], Start], Iterable[bytes]]


class Server:
    """Listens from the moment it is made; `serve` until Ctrl-C. `address` is what a browser is told, without a path."""

    def __init__(self, app: App, host: str = LOOPBACK, port: int = 0, verb: str = "nas dashboard") -> None:
        """Port 0: one that is free; `verb` is who answers. Raises `NasError` where it cannot listen there."""
        self.loopback = is_loopback(host)
        try:
            kind = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
            server = type("_Server", (_Server,), {"address_family": kind})
            self._server: WSGIServer = make_server(host, port, only_reading(app, host, verb), server_class=server, handler_class=_Handler)
        except (OSError, OverflowError, UnicodeError) as error:
            text, allowed = getattr(error, "strerror", None) or error, "an address of this machine, a free port"
            raise NasError(f"--host {host} --port {port}: cannot listen there ({text}); allowed: {allowed}") from None
        self.port = int(self._server.server_port)
        name = f"[{host}]" if ":" in host else host
        self.address = f"http://{name}:{self.port}"

    def serve(self) -> None:
        """Until an exception, such as Ctrl-C."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of Optuna, of few trials
                self._server.serve_forever()
        finally:
            self._server.server_close()

    def stop(self) -> None:
        """From another thread."""
        self._server.shutdown()


def is_loopback(host: str) -> bool:
    """Whether this machine alone reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def only_reading(app: App, host: str, verb: str = "nas dashboard") -> App:
    """The application without anything that would write, whatever it would do with it.

    On the loopback address it answers to that name alone: a web page that gave this address a name of its own could
    otherwise read it through the browser of whoever looks at that page.
    """
    names = {host, "localhost", LOOPBACK, "::1"} if is_loopback(host) else None

    def guarded(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        asked = _without_port(environ.get("HTTP_HOST", ""))
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return _refused(start, f"read-only: `{verb}` shows the record, and changes nothing")
        if names is not None and asked not in names:
            return _refused(start, f"asked for as {asked!r:.60}; allowed: {', '.join(sorted(names))}")
        return app(environ, start)

    return guarded


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _refused(start: Start, reason: str) -> Iterable[bytes]:
    body = json.dumps({"reason": reason}).encode()
    start("403 Forbidden", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def server_bind(self) -> None:
        """Without looking its own name up, which takes seconds where no name server answers."""
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: a browser that goes away is no error."""


class _Handler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the terminal is the person's."""

    def address_string(self) -> str:
        """Without looking a name up."""
        return str(self.client_address[0])
