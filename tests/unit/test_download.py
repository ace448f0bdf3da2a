import os
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


def test_after_three_breaks_that_brought_nothing_the_next_call_goes_on(server, tmp_path):
    server.breaks = [0, 0, 0, 20_000, 10_000, 30_000]
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
    server.breaks = [0, 0, 0, 3, 2, 100_000]
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


@pytest.mark.parametrize(
    ("status", "words"), [(404, "404 Not Found"), (503, "503 Service Unavailable")]
)
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


def test_a_length_that_is_too_long_is_a_cut_and_ends_at_the_real_one(server, tmp_path):
    server.lie = 5000
    assert get(server, tmp_path, size_bytes=None) == CONTENT
    assert server.ranges == [None, f"bytes={len(CONTENT)}-"]


def test_a_length_that_is_not_the_published_one_is_refused_before_anything_comes(server, tmp_path):
    server.lie = -5000
    error = refuse(server, tmp_path)
    assert "the server offers 1,019,000 bytes" in error.message
    assert names(tmp_path) == []


class TestLogin:
    @pytest.fixture
    def netrc(self, tmp_path):
        path = tmp_path / "home" / "netrc"
        path.parent.mkdir()
        path.write_text("machine 127.0.0.1 login me password secret\n")
        path.chmod(0o600)
        return path

    def get(self, server, folder, netrc):
        folder.mkdir(exist_ok=True)
        wanted = Wanted(server.url, folder / NAME, BY_HAND, netrc=netrc)
        download_file(wanted, lambda *_: None, lambda *_: None)
        return wanted.path.read_bytes()

    def test_the_login_of_the_host_is_used(self, server, tmp_path, netrc):
        server.login = "me:secret"
        assert self.get(server, tmp_path / "to", netrc) == CONTENT

    def test_without_it_the_flag_is_named(self, server, tmp_path):
        server.login = "me:secret"
        with pytest.raises(DownloadError) as caught:
            self.get(server, tmp_path / "to", None)
        assert caught.value.message.endswith("the server answered 401 Unauthorized")
        assert caught.value.advice == (
            f"--netrc logs in with what ~/.netrc has for 127.0.0.1; {BY_HAND}"
        )

    def test_a_login_that_is_not_taken(self, server, tmp_path, netrc):
        server.login = "me:other"
        with pytest.raises(DownloadError) as caught:
            self.get(server, tmp_path / "to", netrc)
        assert f"the login for 127.0.0.1 in {netrc} was not taken" in caught.value.advice

    def test_no_login_is_sent_on_to_another_host(self, server, tmp_path, netrc):
        with serve(CONTENT, NAME) as other:
            server.redirect_to = other.url.replace("127.0.0.1", "localhost")
            assert self.get(server, tmp_path / "to", netrc) == CONTENT
            assert server.logins[0] is not None
            assert other.logins == [None]

    @pytest.mark.parametrize("text", [None, "machine x nonsense y\n"])
    def test_a_file_that_cannot_be_used(self, server, tmp_path, text):
        path = tmp_path / "netrc"
        if text is not None:
            path.write_text(text)
        with pytest.raises(DownloadError) as caught:
            self.get(server, tmp_path / "to", path)
        assert caught.value.message.startswith(f"--netrc: {path} cannot be read: ")
        assert "machine HOST login NAME" in caught.value.advice
        assert server.ranges == []


class TestProxy:
    def test_the_usual_variable_is_followed(self, server, tmp_path, monkeypatch):
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_port}")
        wanted = Wanted(f"http://mirror.invalid/{NAME}", tmp_path / NAME, BY_HAND)
        download_file(wanted, lambda *_: None, lambda *_: None)
        assert wanted.path.read_bytes() == CONTENT
        assert server.paths == [f"http://mirror.invalid/{NAME}"]

    def test_no_proxy_is_followed(self, server, tmp_path, monkeypatch):
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert get(server, tmp_path) == CONTENT

    @pytest.mark.parametrize("proxy", ["nonsense://x:1", "socks5://127.0.0.1:9"])
    def test_one_that_cannot_be_used_is_said(self, server, tmp_path, monkeypatch, proxy):
        monkeypatch.setenv("http_proxy", proxy)
        assert "the proxy in the environment cannot be used" in refuse(server, tmp_path).message


class TestLocalFile:
    def wanted(self, tmp_path, size_bytes=None):
        return Wanted((tmp_path / "my mirror").as_uri(), tmp_path / NAME, BY_HAND, size_bytes)

    def test_it_is_copied_with_progress(self, tmp_path):
        (tmp_path / "my mirror").write_bytes(CONTENT)
        said = []
        download_file(self.wanted(tmp_path), lambda *amount: said.append(amount), lambda *_: None)
        assert (tmp_path / NAME).read_bytes() == CONTENT
        assert said == [(0, len(CONTENT)), (len(CONTENT), len(CONTENT))]
        assert names(tmp_path) == [NAME, "my mirror"]

    def test_an_interrupted_copy_goes_on_and_a_changed_file_starts_anew(self, tmp_path):
        mirror = tmp_path / "my mirror"
        mirror.write_bytes(CONTENT)

        def interrupt(received, total):
            if received:
                raise KeyboardInterrupt

        wanted, said = self.wanted(tmp_path), []
        for begins_at in (1000, 0):
            with suppress(KeyboardInterrupt):
                download_file(wanted, interrupt, lambda *_: None)
            os.truncate(plan_part(wanted.path), 1000)
            if begins_at == 0:
                os.utime(mirror, (1, 1))
            said.clear()
            download_file(wanted, lambda got, _: said.append(got), lambda *_: None)
            assert said[0] == begins_at
            assert wanted.path.read_bytes() == CONTENT
            wanted.path.unlink()

    def test_what_is_not_there_or_of_another_size(self, tmp_path):
        with pytest.raises(DownloadError, match="cannot be read: No such file"):
            download_file(self.wanted(tmp_path), lambda *_: None, lambda *_: None)
        (tmp_path / "my mirror").write_bytes(b"x")
        with pytest.raises(DownloadError, match="offers 1 bytes"):
            download_file(self.wanted(tmp_path, 7), lambda *_: None, lambda *_: None)


def test_a_full_disk_is_said_and_what_came_is_kept(server, tmp_path):
    plan_part(tmp_path / NAME).symlink_to("/dev/full")  # every write to it fails as on a full disk
    error = refuse(server, tmp_path)
    assert f"cannot write {plan_part(tmp_path / NAME)}: No space left on device" in error.message
