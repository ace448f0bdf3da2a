"""What is the model's own in its download; the rest is in test_download.py a folder above."""

import threading
from pathlib import Path

import pytest
from tests.file_server import serve

from resnet50_bench.errors import DownloadError, ModelError
from resnet50_bench.model.download import Origin, fetch

CONTENT = bytes(range(256)) * 4000


class Report:
    def __init__(self, problems=()):
        self.problems = problems


def check(path: Path):
    if path.read_bytes() == CONTENT:
        return Report()
    raise ModelError(f"{path} is not a TensorFlow graph")


@pytest.fixture
def server():
    with serve(CONTENT, "resnet50_v1.pb") as server:
        yield server


def get(server, cache, said=None):
    said = [] if said is None else said
    return fetch(cache, lambda got, total: said.append((got, total)), Origin(server.url), check)


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


def test_a_page_instead_of_the_file_is_named(server, tmp_path):
    server.content, server.content_type = b"<html>Log in first</html>", "text/html"
    with pytest.raises(ModelError) as caught:
        get(server, tmp_path)
    assert "25 bytes of text/html, beginning b'<html>Log in first</html>'" in caught.value.message
    left = [path.name for path in (tmp_path / "published").iterdir()]
    assert left == ["resnet50_v1.pb.lock"]


def test_another_network_is_refused_by_its_problems(server, tmp_path):
    with pytest.raises(ModelError, match="there are 104 convolutions, not 53"):
        fetch(
            tmp_path,
            lambda *_: None,
            Origin(server.url),
            lambda _: Report(("there are 104 convolutions, not 53",)),
        )


def test_when_it_cannot_be_downloaded_the_user_is_told_where_to_name_a_file(server, tmp_path):
    server.status = 503
    with pytest.raises(DownloadError, match="the server answered 503") as caught:
        get(server, tmp_path)
    assert caught.value.advice == (
        f"download resnet50_v1.pb from {server.url} on a machine that can, and name the file "
        "with --model PATH; or name a mirror with --url"
    )


def test_a_shared_cache_that_is_only_read_spares_the_download(server, tmp_path):
    shared = tmp_path / "shared"
    first = get(server, shared)
    folder = first.parent
    (folder / "resnet50_v1.pb.lock").unlink()
    before = sorted(folder.iterdir())
    origin = Origin(server.url, shared=(tmp_path / "none", shared))
    assert fetch(tmp_path / "own", lambda *_: None, origin, check) == first
    assert server.ranges == [None]
    assert sorted(folder.iterdir()) == before
    assert not (tmp_path / "own").exists()


def test_two_at_once_download_it_once(server, tmp_path):
    """The second waits for the first, says so, and finds the file."""
    waited, found = [], []
    path = tmp_path / "published" / "resnet50_v1.pb"

    def fetch_second():
        found.append(fetch(tmp_path, lambda *_: None, Origin(server.url), check, on_wait))

    def on_wait(wanted):
        waited.append(wanted)
        is_waiting.set()

    is_waiting = threading.Event()
    second = threading.Thread(target=fetch_second)

    def on_progress(received, total):
        if not second.ident:
            second.start()
            assert is_waiting.wait(60)

    assert fetch(tmp_path, on_progress, Origin(server.url), check) == path
    second.join()
    assert found == [path]
    assert waited == [path]
    assert server.ranges == [None]


def test_a_url_that_names_no_file_is_refused(tmp_path):
    with pytest.raises(ModelError, match="ends in no name of a file"):
        fetch(tmp_path, lambda *_: None, Origin("http://mirror.example/"))
