"""The server of `r50 serve`: three addresses, read only, for this machine alone.

Python's own `http.server`: what is served is one page to one person on the same machine, and a
framework would bring more code than it saves. What makes it safe is here: it is bound to 127.0.0.1,
answers GET and HEAD only, opens no path that a request names (`Watch.find_record` looks it up among
the records that were found), and answers nobody who came by another name: a page of some other site
that has its name resolve to 127.0.0.1 would come by its own (DNS rebinding).
"""

from __future__ import annotations

import json
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from resnet50_bench.cli.serve.watch import Watch, summarize_progress
from resnet50_bench.errors import HostError, R50Error, RequestError

if TYPE_CHECKING:
    from collections.abc import Callable

ADDRESS = "127.0.0.1"
_NAMES = frozenset({ADDRESS, "localhost"})


class Server(ThreadingHTTPServer):
    """Serves the page of one folder.

    Args:
        watch: what is in the folder.
        port: to listen on; 0 for any that is free.
    """

    daemon_threads = True

    def __init__(self, watch: Watch, port: int) -> None:
        self.watch = watch
        super().__init__((ADDRESS, port), _Handler)


def open_server(watch: Watch, port: int) -> Server:
    """Return a server that listens.

    Raises:
        RequestError: the port is taken, or nobody may listen on it.
        HostError: there is no network on this machine, not even its own.
    """
    try:
        return Server(watch, port)
    except PermissionError as error:
        raise RequestError(
            f"--port {port}: {error.strerror}", "name one above 1023, or 0 for any that is free"
        ) from error
    except OSError as error:
        if port:
            raise RequestError(
                f"--port {port}: {error.strerror}", "name another one, or 0 for any that is free"
            ) from error
        raise HostError(f"cannot listen on {ADDRESS}: {error.strerror}") from error


class _Handler(BaseHTTPRequestHandler):
    server: Server
    server_version = "r50"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer with what is at the address."""
        self._answer()

    def do_HEAD(self) -> None:
        """Answer as to GET, without the content."""
        self._answer()

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - its own name
        """Say nothing: the page asks every other second."""

    def _answer(self) -> None:
        if not _is_own_name(self.headers.get("Host") or ""):
            self._send(HTTPStatus.FORBIDDEN, "text/plain", b"ask for 127.0.0.1\n")
            return
        path = unquote(urlsplit(self.path).path, errors="surrogateescape")
        places: dict[str, Callable[[], tuple[str, bytes]]] = {
            "/": lambda: ("text/html; charset=utf-8", self.server.watch.render()),
            "/favicon.ico": lambda: ("image/x-icon", b""),  # browsers ask for it beside a record
            "/state.json": lambda: ("application/json", self._read_state()),
        }
        try:
            if path in places:
                self._send(HTTPStatus.OK, *places[path]())
                return
            record = self.server.watch.find_record(path.removeprefix("/"))
        except R50Error as error:
            text = f"{error.message}\n".encode(errors="backslashreplace")
            self._send(HTTPStatus.SERVICE_UNAVAILABLE, "text/plain; charset=utf-8", text)
            return
        if record is None:
            self._send(HTTPStatus.NOT_FOUND, "text/plain", b"there is nothing here\n")
        else:
            self._send(HTTPStatus.OK, "application/json", record)

    def _read_state(self) -> bytes:
        return json.dumps(summarize_progress(self.server.watch.look())).encode()

    def _send(self, status: HTTPStatus, kind: str, content: bytes) -> None:
        self.send_response(status)
        headers = {
            "Content-Type": kind,
            "Content-Length": str(len(content)),
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "X-Frame-Options": "DENY",
        }
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _is_own_name(host: str) -> bool:
    """Whether a request came by a name of this machine alone, with a port or without one."""
    try:
        return urlsplit(f"//{host}").hostname in _NAMES
    except ValueError:
        return False
