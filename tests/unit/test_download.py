import socket
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from tests.file_server import ETAG, serve

from resnet50_bench.download import Wanted, download_file, plan_part
from resnet50_bench.errors import DatasetError, DownloadError

CONTENT = bytes(range(256)) * 4000
NAME = "large.bin"
BY_HAND = "carry it here"


@pytest.fixture
def server():
    with serve(CONTENT, NAME) as server:
        yield server


def get(server, folder: Path, size_bytes: int | None = len(CONTENT), accept=None) -> bytes:
    wanted = Wanted(server.url, folder / NAME, BY_HAND, size_bytes)
    download_file(wanted, lambda *_: None, accept or (lambda *_: None))
    return wanted.path.read_bytes()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def refuse(server, folder: Path, size_bytes: int | None = len(CONTENT)) -> DownloadError:
    with pytest.raises(DownloadError) as caught:
        get(server, folder, size_bytes)
    assert not (folder / NAME).exists()
    return caught.value


def test_the_file_arrives_whole_with_progress_and_nothing_beside_it(server, tmp_path):
    said: list[tuple[int, int | None]] = []
    inspected = []

    def accept(part: Path, content_type: str) -> None:
        inspected.append((part.name, part.read_bytes() == CONTENT, content_type))
        assert not (tmp_path / NAME).exists()

    wanted = Wanted(server.url, tmp_path / NAME, BY_HAND)
    download_file(wanted, lambda got, total: said.append((got, total)), accept)
    assert wanted.path.read_bytes() == CONTENT
    assert names(tmp_path) == [NAME]
    assert said[0] == (0, len(CONTENT))
    assert said[-1] == (len(CONTENT), len(CONTENT))
    assert [got for got, _ in said] == sorted(got for got, _ in said)
    assert inspected == [(NAME + ".part", True, "application/octet-stream")]


def test_a_broken_connection_is_resumed_where_it_stopped(server, tmp_path):
    server.breaks = [300_000]
    assert get(server, tmp_path) == CONTENT
    assert server.ranges == [None, "bytes=300000-"]
    assert names(tmp_path) == [NAME]


def test_after_three_breaks_the_next_call_goes_on(server, tmp_path):
    server.breaks = [30_000, 20_000, 10_000]
    error = refuse(server, tmp_path)
    assert error.advice == f"run the command again to go on after 60,000 bytes, or {BY_HAND}"
    assert names(tmp_path) == [f"{NAME}.part", f"{NAME}.part.json"]
    assert get(server, tmp_path) == CONTENT
    assert server.ranges[-1] == "bytes=60000-"


def test_an_interruption_keeps_what_was_received(server, tmp_path):
    def interrupt(received: int, total: int | None) -> None:
        if received:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download_file(Wanted(server.url, tmp_path / NAME, BY_HAND), interrupt, lambda *_: None)
    received = plan_part(tmp_path / NAME).stat().st_size
    assert 0 < received < len(CONTENT)
    assert get(server, tmp_path) == CONTENT
    assert server.ranges == [None, f"bytes={received}-"]


def test_a_server_without_ranges_sends_all_again(server, tmp_path):
    server.breaks, server.supports_range = [300_000], False
    assert get(server, tmp_path) == CONTENT


def test_a_server_that_names_no_version_is_never_resumed(server, tmp_path):
    server.breaks, server.etag = [10, 10, 300_000], 'W/"weak"'
    assert refuse(server, tmp_path).advice == BY_HAND
    assert get(server, tmp_path) == CONTENT
    assert server.ranges == [None] * 4


def test_a_file_that_changed_on_the_server_is_started_over(server, tmp_path):
    server.breaks = [3, 2, 100_000]
    server.content = b"x" * len(CONTENT)
    refuse(server, tmp_path)
    server.content, server.etag = CONTENT, '"second"'
    assert get(server, tmp_path) == CONTENT
    assert server.ranges[-1] == "bytes=100005-"


def test_a_part_from_elsewhere_is_not_gone_on_with(server, tmp_path):
    part = plan_part(tmp_path / NAME)
    part.write_bytes(b"x" * 1000)
    state = part.with_name(part.name + ".json")
    for text in (b"{", msgspec.json.encode({"url": "http://other/", "validator": ETAG})):
        state.write_bytes(text)
        assert get(server, tmp_path) == CONTENT
    assert server.ranges == [None, None]


def test_another_part_than_asked_for_is_not_joined(server, tmp_path):
    server.breaks, server.shift = [300_000], 7
    assert get(server, tmp_path) == CONTENT
    assert server.ranges == [None, "bytes=300000-", None]


def leave_part(server, folder: Path, content: bytes) -> None:
    part = plan_part(folder / NAME)
    part.write_bytes(content)
    state = msgspec.json.encode({"url": server.url, "validator": ETAG})
    part.with_name(part.name + ".json").write_bytes(state)


def test_a_part_that_was_complete_is_used(server, tmp_path):
    leave_part(server, tmp_path, CONTENT)
    assert get(server, tmp_path, size_bytes=None) == CONTENT
    assert server.ranges == [f"bytes={len(CONTENT)}-"]


def test_a_part_of_the_published_size_goes_to_the_inspection_at_once(server, tmp_path):
    plan_part(tmp_path / NAME).write_bytes(CONTENT)
    inspected = []
    get(server, tmp_path, accept=lambda part, _: inspected.append(part.read_bytes()))
    assert inspected == [CONTENT]
    assert server.ranges == []
    assert names(tmp_path) == [NAME]


def test_a_part_longer_than_the_file_is_started_over(server, tmp_path):
    leave_part(server, tmp_path, CONTENT + b"more")
    assert get(server, tmp_path) == CONTENT
    assert server.ranges == [f"bytes={len(CONTENT) + 4}-", None]


def test_a_file_of_another_size_is_refused_before_it_is_received(server, tmp_path):
    server.content, server.content_type = b"<html>Log in first</html>", "text/html"
    error = refuse(server, tmp_path)
    assert error.message == (
        f"cannot download {server.url}: the server offers 25 bytes of text/html, not the file's "
        "1,024,000"
    )
    assert error.advice == BY_HAND
    assert names(tmp_path) == []


def test_a_server_that_sends_without_end_is_stopped(server, tmp_path):
    server.names_length, server.content = False, CONTENT * 40
    error = refuse(server, tmp_path)
    assert ", not the file's 1,024,000" in error.message
    assert plan_part(tmp_path / NAME).stat().st_size < 2 * len(CONTENT)


def test_without_a_length_the_size_is_the_published_one(server, tmp_path):
    server.names_length = False
    said: list[tuple[int, int | None]] = []
    wanted = Wanted(server.url, tmp_path / NAME, BY_HAND, len(CONTENT))
    download_file(wanted, lambda got, total: said.append((got, total)), lambda *_: None)
    assert said[0] == (0, len(CONTENT))
    assert wanted.path.read_bytes() == CONTENT


@pytest.mark.parametrize("keeps", [True, False])
def test_a_refused_file_is_not_put_in_place(server, tmp_path, keeps):
    def reject(part: Path, content_type: str) -> None:
        if not keeps:
            part.unlink()
        raise DatasetError("not what it should be")

    with pytest.raises(DatasetError, match="not what it should be"):
        get(server, tmp_path, accept=reject)
    assert names(tmp_path) == ([f"{NAME}.part", f"{NAME}.part.json"] if keeps else [])


@pytest.mark.parametrize(("status", "words"), [(404, "404 Not Found"), (403, "403 Forbidden")])
def test_a_refusal_tells_the_status(server, tmp_path, status, words):
    server.status = status
    error = refuse(server, tmp_path)
    assert error.message == f"cannot download {server.url}: the server answered {words}"
    assert error.advice == BY_HAND
    assert server.ranges == [None]
    assert names(tmp_path) == []


def test_a_folder_that_cannot_be_written(server, tmp_path):
    with suppress(FileExistsError):
        plan_part(tmp_path / NAME).mkdir()
    with pytest.raises(DownloadError, match=r"cannot write .*large\.bin\.part: Is a directory"):
        get(server, tmp_path)


def test_offline(tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/{NAME}"
        with pytest.raises(DownloadError) as caught:
            download_file(Wanted(url, tmp_path / NAME, BY_HAND), lambda *_: None, lambda *_: None)
    assert caught.value.message.startswith(f"cannot download {url}: ")
    assert "Connection refused" in caught.value.message
    assert caught.value.advice == BY_HAND
