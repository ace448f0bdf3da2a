from __future__ import annotations

import fcntl
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.archives import make_images, publish, write_tar
from tests.file_server import serve

from resnet50_bench.data.fetch import Mirror, fetch_archive
from resnet50_bench.data.verify.facts import Step
from resnet50_bench.data.verify.inquiry import Inquiry
from resnet50_bench.data.verify.memory import Memory
from resnet50_bench.errors import DatasetError, DownloadError, R50Error

NAME = "ILSVRC2012_img_val.tar"


class Shop:
    """A server of the archive, and the folder it is fetched to."""

    def __init__(self, server, root: Path) -> None:
        self.server = server
        self.published = publish(server.content, url=server.url)
        self.folder = root / "deep" / "imagenet"
        self.memory = Memory(root / "memory")
        self.steps: list[Step] = []

    @property
    def path(self) -> Path:
        return self.folder / NAME

    def fetch(self, url: str | None = None):
        self.steps.clear()
        return fetch_archive(
            self.folder,
            self.published,
            self.memory,
            lambda step, *_: self.steps.append(step),
            Mirror(url),
        )

    def refuse(self, kind: type[R50Error] = DatasetError) -> R50Error:
        with pytest.raises(kind) as caught:
            self.fetch()
        return caught.value

    def names(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture
def shop(tmp_path):
    content = write_tar(tmp_path / "original.tar", make_images()).read_bytes()
    with serve(content, NAME) as server:
        yield Shop(server, tmp_path)


def test_the_archive_is_put_in_place_when_it_is_proven(shop):
    fetched = shop.fetch()
    assert fetched.path == shop.path
    assert not fetched.was_there
    assert shop.path.read_bytes() == shop.server.content
    assert shop.names() == [NAME]
    assert list(dict.fromkeys(shop.steps)) == [Step.DOWNLOAD, Step.HASH]


def test_a_second_call_finds_it_without_reading_it(shop):
    shop.fetch()
    assert shop.fetch().was_there
    assert shop.steps == []
    assert shop.server.ranges == [None]
    assert shop.names() == [NAME]


def test_verifying_it_afterwards_computes_no_hash_again(shop):
    shop.fetch()
    steps = []
    Inquiry(shop.path, shop.published, shop.memory).gather(lambda step, *_: steps.append(step))
    assert steps == [Step.LIST]


def test_a_file_put_there_by_hand_is_proven_and_used(shop):
    shop.folder.mkdir(parents=True)
    shop.path.write_bytes(shop.server.content)
    assert shop.fetch().was_there
    assert set(shop.steps) == {Step.HASH}
    assert shop.server.ranges == []


@pytest.mark.parametrize(
    ("change", "difference"),
    [(lambda data: data[:-5], "bytes, not"), (lambda data: data[:-1] + b"x", "its SHA-256 is")],
)
def test_another_file_in_its_place_is_left_alone(shop, change, difference):
    shop.folder.mkdir(parents=True)
    other = change(shop.server.content)
    shop.path.write_bytes(other)
    error = shop.refuse()
    assert f"{shop.path} is there and is not the published archive" in error.message
    assert difference in error.message
    assert shop.path.read_bytes() == other
    assert shop.names() == [NAME]
    assert shop.server.ranges == []


def test_an_interrupted_download_goes_on(shop):
    shop.server.breaks = [0, 0, 0, 300, 200, 100]
    error = shop.refuse(DownloadError)
    assert error.advice.startswith("run the command again to go on after 600 bytes, or ")
    assert shop.names() == [f"{NAME}.part", f"{NAME}.part.json"]
    shop.fetch()
    assert shop.server.ranges[-1] == "bytes=600-"
    assert shop.names() == [NAME]


def test_an_interruption_while_it_is_hashed_costs_no_second_download(shop):
    def interrupt(step: Step, done: int, total: int | None) -> None:
        if step is Step.HASH:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_archive(shop.folder, shop.published, shop.memory, interrupt)
    assert shop.names() == [f"{NAME}.part", f"{NAME}.part.json"]
    shop.fetch()
    assert shop.server.ranges == [None]
    assert shop.names() == [NAME]


def test_what_is_not_the_archive_is_kept_aside_and_the_next_call_starts_anew(shop):
    good = shop.server.content
    shop.server.content = b"x" * len(good)
    error = shop.refuse()
    assert "what was received is not the published archive: its SHA-256 is" in error.message
    assert f"it is kept as {shop.path}.corrupt" in error.message
    assert shop.names() == [f"{NAME}.corrupt"]
    assert Path(f"{shop.path}.corrupt").read_bytes() == shop.server.content
    shop.server.content = good
    assert not shop.fetch().was_there
    assert shop.path.read_bytes() == good
    assert shop.server.ranges == [None, None]


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_tells_of_the_account_and_where_to_put_the_file(shop, status):
    shop.server.status = status
    error = shop.refuse(DownloadError)
    assert f"cannot download {shop.server.url}: the server answered {status}" in error.message
    login = "--netrc logs in with what ~/.netrc has for 127.0.0.1; " if status in (401, 403) else ""
    assert error.advice == login + (
        "ImageNet's files need an account and the acceptance of its terms: log in at "
        f"https://image-net.org/download.php, download {NAME} with the browser and put it at "
        f"{shop.path}; or name a mirror with --url"
    )
    assert shop.names() == []


def test_a_log_in_page_is_not_taken_for_the_archive(shop):
    shop.server.content, shop.server.content_type = b"<html>Log in</html>", "text/html"
    error = shop.refuse(DownloadError)
    assert "the server offers 19 bytes of text/html, not the file's" in error.message
    assert shop.names() == []


def test_a_mirror(shop):
    shop.published = publish(shop.server.content, url="http://127.0.0.1:1/nowhere")
    assert shop.fetch(shop.server.url).path.exists()


def test_too_little_space_is_said_before_anything_is_asked_for(shop, monkeypatch):
    needed = shop.published.size_bytes
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=needed - 1))
    error = shop.refuse()
    assert f"DIR {shop.folder} has " in error.message
    assert error.advice == "make room, or name a DIR on another disk"
    assert shop.server.ranges == []
    assert shop.names() == []
    # What was received already needs no room again.
    part = Path(f"{shop.path}.part")
    part.write_bytes(b"x")
    assert not shop.fetch().was_there


def test_two_at_once(shop):
    shop.folder.mkdir(parents=True)
    part = Path(f"{shop.path}.part")
    with part.open("wb") as other:
        other.write(b"some")
        other.flush()
        fcntl.flock(other, fcntl.LOCK_EX)
        assert shop.refuse().message == f"another process is downloading to {part}"
    assert part.read_bytes() == b"some"
    assert shop.server.ranges == []


def test_a_place_that_cannot_be_written(shop):
    shop.folder.parent.mkdir()
    shop.folder.write_bytes(b"")
    error = shop.refuse()
    assert error.message.startswith(f"cannot write to DIR {shop.folder}: ")
