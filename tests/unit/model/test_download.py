import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from resnet50_bench.errors import ModelError
from resnet50_bench.model.download import fetch

CONTENT = bytes(range(256)) * 4000
ETAG = '"first"'


class Handler(BaseHTTPRequestHandler):
    """Serves CONTENT, by ranges if asked; the server's attributes break it in chosen ways."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server = self.server
        asked = self.headers.get("Range")
        server.ranges.append(asked)
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
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.server.breaks:
            self.wfile.write(body[: self.server.breaks.pop()])
            self.close_connection = True
        else:
            self.wfile.write(body)

    def log_message(self, *args):
        pass


class Report:
    def __init__(self, problems=()):
        self.problems = problems


def check(path: Path):
    if path.read_bytes() == CONTENT:
        return Report()
    raise ModelError(f"{path} is not a TensorFlow graph")


@pytest.fixture
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.content, server.etag, server.content_type = CONTENT, ETAG, "application/octet-stream"
    server.status, server.supports_range, server.shift = 200, True, 0
    server.breaks, server.ranges = [], []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    server.url = f"http://127.0.0.1:{server.server_port}/files/resnet50_v1.pb"
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def get(server, cache, said=None):
    said = [] if said is None else said
    return fetch(cache, lambda got, total: said.append((got, total)), server.url, check)


def test_the_file_arrives_whole_with_progress_and_its_identity(server, tmp_path):
    said: list[tuple[int, int | None]] = []
    path = get(server, tmp_path, said)
    assert path == tmp_path / "published" / "resnet50_v1.pb"
    assert path.read_bytes() == CONTENT
    assert said[0] == (0, len(CONTENT))
    assert said[-1] == (len(CONTENT), len(CONTENT))
    names = sorted(file.name for file in path.parent.iterdir())
    assert names == ["resnet50_v1.pb", "resnet50_v1.pb.json", "resnet50_v1.pb.lock"]


def test_a_complete_file_is_not_downloaded_again(server, tmp_path):
    get(server, tmp_path)
    get(server, tmp_path)
    assert server.ranges == [None]


def test_a_changed_complete_file_is_downloaded_again(server, tmp_path):
    get(server, tmp_path).write_bytes(b"changed")
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges == [None, None]


def test_a_broken_connection_is_resumed_where_it_stopped(server, tmp_path):
    server.breaks = [300_000]
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=300000-"]


def test_after_three_breaks_the_next_call_goes_on(server, tmp_path):
    server.breaks = [30_000, 20_000, 10_000]
    with pytest.raises(ModelError) as caught:
        get(server, tmp_path)
    assert "go on after 60,000 bytes" in (caught.value.advice or "")
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges[-1] == "bytes=60000-"


def test_a_server_without_ranges_sends_all_again(server, tmp_path):
    server.breaks, server.supports_range = [300_000], False
    assert get(server, tmp_path).read_bytes() == CONTENT


def test_a_file_that_changed_on_the_server_is_started_over(server, tmp_path):
    server.breaks = [3, 2, 100_000]
    server.content = b"x" * len(CONTENT)
    with pytest.raises(ModelError):
        get(server, tmp_path)
    server.content, server.etag = CONTENT, '"second"'
    assert get(server, tmp_path).read_bytes() == CONTENT


def test_another_part_than_asked_for_is_not_joined(server, tmp_path):
    server.breaks, server.shift = [300_000], 7
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=300000-", None]


def test_a_part_that_was_complete_is_used(server, tmp_path):
    path = get(server, tmp_path)
    path.rename(path.with_name("resnet50_v1.pb.part"))
    state = json.dumps({"url": server.url, "validator": ETAG})
    path.with_name("resnet50_v1.pb.part.json").write_text(state)
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges == [None, f"bytes={len(CONTENT)}-"]


def test_a_page_instead_of_the_file_is_named(server, tmp_path):
    server.content, server.content_type = b"<html>Log in first</html>", "text/html"
    with pytest.raises(ModelError) as caught:
        get(server, tmp_path)
    assert "25 bytes of text/html, beginning b'<html>Log in first</html>'" in caught.value.message
    assert not (tmp_path / "published" / "resnet50_v1.pb").exists()
    assert not (tmp_path / "published" / "resnet50_v1.pb.part").exists()


def test_another_network_is_refused_by_its_problems(server, tmp_path):
    with pytest.raises(ModelError, match="there are 104 convolutions, not 53"):
        fetch(
            tmp_path,
            lambda *_: None,
            server.url,
            lambda _: Report(("there are 104 convolutions, not 53",)),
        )


def test_a_missing_file_tells_the_status(server, tmp_path):
    server.status = 404
    with pytest.raises(ModelError, match="the server answered 404 Not Found"):
        get(server, tmp_path)


def test_offline_tells_what_to_download_and_where_to_name_it(tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/resnet50_v1.pb"
        with pytest.raises(ModelError) as caught:
            fetch(tmp_path, lambda *_: None, url, check)
    assert f"cannot download {url}" in caught.value.message
    assert caught.value.advice == (
        f"download resnet50_v1.pb from {url} on a machine that can, and name the file with "
        "--model PATH"
    )
