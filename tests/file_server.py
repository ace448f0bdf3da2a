"""A real HTTP server on the loopback that serves one file, whole or by ranges, or breaks it."""

from __future__ import annotations

import base64
import sys
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ETAG = '"first"'


def _basic(login: str) -> str:
    return "Basic " + base64.b64encode(login.encode()).decode()


class Handler(BaseHTTPRequestHandler):
    """Serves the server's content, by ranges if asked; its attributes break it in chosen ways."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server = self.server
        asked = self.headers.get("Range")
        server.ranges.append(asked)
        server.paths.append(self.path)
        server.logins.append(self.headers.get("Authorization"))
        if server.redirect_to is not None:
            self._answer(302, b"", {"Location": server.redirect_to})
            return
        if server.login and self.headers.get("Authorization") != _basic(server.login):
            self._answer(401, b"<html>log in</html>", {"WWW-Authenticate": "Basic"})
            return
        if server.status != 200:
            self._answer(server.status, b"<html>gone</html>", {"Content-Type": "text/html"})
            return
        headers = {"ETag": server.etag, "Content-Type": server.content_type}
        start = 0
        matches = self.headers.get("If-Range") == server.etag
        if asked and matches and server.supports_range:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            total = len(server.content)
            if start >= total:
                self._answer(416, b"", {"Content-Range": f"bytes */{total}"})
                return
            headers["Content-Range"] = f"bytes {start + server.shift}-{total - 1}/{total}"
        self._answer(206 if start else 200, server.content[start:], headers)

    def _answer(self, status, body, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if self.server.names_length:
            self.send_header("Content-Length", str(len(body) + self.server.lie * bool(body)))
        else:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        with suppress(ConnectionError):  # the client may go away
            self._send(body)

    def _send(self, body):
        if self.server.stalls:  # sends this much, then nothing until the server is stopped
            self.close_connection = True
            self.wfile.write(body[: self.server.stalls])
            self.server.stopped.wait()
        elif self.server.breaks:
            self.close_connection = True
            self.wfile.write(body[: self.server.breaks.pop()])
        else:
            self.close_connection |= bool(self.server.lie)
            self.wfile.write(body)

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):  # the client went away
            super().handle_error(request, client_address)


@contextmanager
def serve(content: bytes, name: str):
    """Serve `content`; `server.url` ends in `name`, `server.ranges` tells what was asked for."""
    server = Server(("127.0.0.1", 0), Handler)
    server.content, server.etag, server.content_type = content, ETAG, "application/octet-stream"
    server.status, server.supports_range, server.shift = 200, True, 0
    server.breaks, server.ranges, server.stalls, server.names_length = [], [], 0, True
    server.lie, server.redirect_to, server.login = 0, None, None
    server.paths, server.logins = [], []
    server.stopped = threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    server.url = f"http://127.0.0.1:{server.server_port}/files/{name}"
    try:
        yield server
    finally:
        server.stopped.set()
        server.shutdown()
        server.server_close()
        thread.join()
