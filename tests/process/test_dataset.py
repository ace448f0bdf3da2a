"""Real `r50 dataset ...` processes."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import pytest
from tests.archives import make_images, make_jpeg, publish, write_folder, write_tar
from tests.file_server import serve
from tests.tfrecords import write_shards

from resnet50_bench.data.imagenet import VALIDATION

NAME = VALIDATION.file_name


@pytest.fixture
def dataset(r50):
    """Runs `r50 dataset` with a cache of its own."""

    def run(*arguments, start=False, published=None, limit_bytes=None):
        env = {"R50_CACHE_DIR": str(r50.root / "cache")}
        command = (
            None if published is None else [sys.executable, "-c", program(published, limit_bytes)]
        )
        function = r50.start if start else r50
        return function("dataset", *arguments, env=env, command=command)

    return run


def program(published, limit_bytes: int | None) -> str:
    """An `r50` for which another archive is the published one, in files of limited size."""
    limit = f"(resource.RLIMIT_FSIZE, ({limit_bytes}, {limit_bytes}))" if limit_bytes else ""
    return (
        "import resource\n"
        "import resnet50_bench.data.imagenet as imagenet\n"
        f"imagenet.VALIDATION = imagenet.{published!r}\n"
        + (f"resource.setrlimit{limit}\n" if limit else "")
        + "from resnet50_bench.cli import main\n"
        "main()"
    )


@pytest.fixture
def large(r50) -> Path:
    """A file with the published name and size that takes long to read and little of the disk."""
    path = write_tar(r50.root / NAME, make_images())
    with path.open("r+b") as file:
        file.truncate(VALIDATION.size_bytes)
    return path


def listing(folder: Path) -> dict[str, tuple[int, int, int]]:
    """What must not change in a user's folder."""
    return {
        str(path.relative_to(folder)): (status.st_ino, status.st_size, status.st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if (status := path.stat())
    }


def test_photos_are_no_error(r50, dataset):
    folder = write_folder(r50.root / "photos", {"a.jpg": make_jpeg(1), "b/c.jpg": make_jpeg(2)})
    before = listing(folder)
    first = dataset("verify", folder)
    assert (first.code, first.stdout.splitlines()) == (
        0,
        [
            "note     names       not the 50,000 validation images: 2 images",
            "ok       images      2 read: begin and end as they should",
            "WHOLE, but not the 50,000 validation images: 2 images",
        ],
    )
    assert "read every image" in first.stderr
    second = dataset("verify", folder)
    assert second.stdout.splitlines()[1:] == first.stdout.splitlines()
    assert second.stdout.splitlines()[0].endswith("and unchanged since; --again reads it anew")
    assert "read every image" not in second.stderr
    assert "read every image" in dataset("verify", "--again", folder).stderr
    assert listing(folder) == before


def test_damage_ends_in_1_and_names_the_file(r50, dataset):
    folder = write_folder(
        r50.root / "photos", {"a.jpg": make_jpeg(1), "cut.jpg": make_jpeg(2)[:-9]}
    )
    ended = dataset("verify", folder)
    assert ended.code == 1
    assert ended.stdout.splitlines()[-3:] == [
        "failed   images      1 of 2 images damaged",
        "                     cut.jpg: is cut short: its end marker is missing",
        "DAMAGED: look at images",
    ]


def test_the_published_archive_as_json(r50, dataset):
    path = write_tar(r50.root / NAME, make_images())
    published = publish(path.read_bytes())
    ended = dataset("verify", "--json", path, published=published)
    assert ended.code == 0
    found = json.loads(ended.stdout)
    assert found["verdict"] == "published"
    assert found["path"] == str(path)
    assert found["facts"]["hashes"] == {"md5": published.md5, "sha256": published.sha256}
    assert found["facts"]["contents"]["missing"] == {"count": 0, "first": []}
    assert {check["status"] for check in found["checks"]} == {"ok"}


def test_a_file_that_only_has_its_name_ends_in_1(r50, dataset):
    path = write_tar(r50.root / NAME, make_images())
    ended = dataset("verify", "--quick", path)
    assert ended.code == 1
    assert "DIFFERS: not the published ILSVRC2012_img_val.tar" in ended.stdout
    assert "not the published 6,744,924,160" in ended.stdout


def test_records(r50, dataset):
    shards = write_shards(r50.root / "records", [[b"one", b"two"], [b"three"]])
    assert dataset("verify", r50.root / "records").code == 0
    content = bytearray(shards[0].read_bytes())
    content[13] ^= 1
    shards[0].write_bytes(content)
    ended = dataset("verify", r50.root / "records")
    assert ended.code == 1
    assert "validation-00000-of-00002: record 0 at byte 0 has damaged data" in ended.stdout


@pytest.mark.parametrize("command", ["verify", "info"])
def test_nothing_there(r50, dataset, command):
    ended = dataset(command, r50.root / "gone")
    assert (ended.code, ended.stdout) == (2, "")
    assert f"error: {r50.root / 'gone'}: does not exist" in ended.stderr
    assert "--dataset" not in ended.stderr


@pytest.mark.parametrize("as_json", [False, True])
def test_ctrl_c_while_it_hashes_tells_what_is_unknown_and_leaves_nothing(
    r50, dataset, large, as_json
):
    before = listing(large.parent)[NAME]
    process = dataset("verify", *["--json"] * as_json, large, start=True)
    r50.wait_for_stderr(process, "compute MD5 and SHA-256")
    process.send_signal(signal.SIGINT)
    ended = r50.end(process)
    assert ended.code == 130
    assert "Traceback" not in ended.stderr
    assert "a hash cannot be gone on with, so the next time it begins anew" in ended.stderr
    if as_json:
        states = {check["name"]: check["status"] for check in json.loads(ended.stdout)["checks"]}
    else:
        words = [line.split() for line in ended.stdout.splitlines()]
        states = {line[1]: line[0] for line in words if len(line) > 1}
    assert states["size"] == "ok"
    assert states["MD5"] == states["SHA-256"] == states["images"] == "unknown"
    assert r50.live() == {}
    assert listing(large.parent)[NAME] == before
    assert {path.name for path in r50.root.iterdir()} == {
        "cache", "cwd", "tmp", NAME, "0.stdout", "0.stderr",
    }  # fmt: skip


def test_info(r50, dataset):
    path = write_tar(r50.root / "val.tar", make_images())
    ended = dataset("info", path)
    assert (ended.code, ended.stderr) == (0, f"[1/1] list the images of {path}\n")
    assert "names     ILSVRC2012_val_0000000#.JPEG (7)" in ended.stdout.splitlines()
    assert "sizes     30 .. 30 wide, 20 .. 20 high, in a sample of 7" in ended.stdout.splitlines()
    found = json.loads(dataset("info", "--json", path).stdout)
    assert found["images"] == 7
    assert found["sizes"] == {"images": 7, "unknown": 0, "width": [30, 30], "height": [20, 20]}


@pytest.fixture
def server(r50):
    with serve(write_tar(r50.root / "original.tar", make_images()).read_bytes(), NAME) as server:
        yield server


def test_fetch_verify_and_fetch_again(r50, dataset, server):
    published = publish(server.content, url=server.url)
    folder = r50.root / "imagenet"
    ended = dataset("fetch", folder, published=published)
    assert ended.code == 0, ended.stderr
    assert ended.stdout.splitlines() == [
        str(folder / NAME),
        "downloaded: the published archive, by its MD5 and SHA-256",
        f"use it with: r50 run --dataset {folder / NAME}",
    ]
    assert [path.name for path in folder.iterdir()] == [NAME]
    verified = dataset("verify", folder / NAME, published=published)
    assert verified.code == 0
    assert "compute" not in verified.stderr
    again = dataset("fetch", folder, published=published)
    assert "was there already: the published archive" in again.stdout
    assert server.ranges == [None]


def test_ctrl_c_while_it_downloads_and_the_same_command_goes_on(r50, dataset, server):
    published = publish(server.content, url=server.url)
    folder = r50.root / "imagenet"
    part = folder / f"{NAME}.part"
    server.stalls = 5000
    process = dataset("fetch", folder, published=published, start=True)
    r50.wait_for_stderr(process, "download")
    process.send_signal(signal.SIGINT)
    ended = r50.end(process)
    assert ended.code == 130
    assert "Traceback" not in ended.stderr
    assert "the same command goes on" in ended.stderr
    received = part.stat().st_size if part.exists() else 0
    assert not (folder / NAME).exists()
    server.stalls = 0
    assert dataset("fetch", folder, published=published).code == 0
    assert server.ranges == [None, f"bytes={received}-" if received else None]
    assert [path.name for path in folder.iterdir()] == [NAME]


def test_a_refusal_says_where_to_put_the_file_by_hand(r50, dataset, server):
    server.status = 404
    ended = dataset("fetch", r50.root / "imagenet", "--url", server.url)
    assert ended.code == 2
    assert f"error: cannot download {server.url}: the server answered 404 Not Found" in ended.stderr
    assert f"put it at {r50.root / 'imagenet' / NAME}" in ended.stderr


def test_a_full_disk_in_the_middle_keeps_what_was_received(r50, dataset, server):
    """A limit on the size of files stands in for the disk: the same failure of a write."""
    published = publish(server.content, url=server.url)
    folder = r50.root / "imagenet"
    ended = dataset("fetch", folder, published=published, limit_bytes=4096)
    assert ended.code == 2
    assert f"cannot write {folder / NAME}.part: File too large" in ended.stderr
    assert "run the command again to go on after 4,096 bytes, or " in ended.stderr
    assert dataset("fetch", folder, published=published).code == 0
    assert server.ranges == [None, "bytes=4096-"]


@pytest.mark.parametrize("command", ["verify", "info", "fetch"])
def test_help_has_examples(r50, dataset, command):
    ended = dataset(command, "--help")
    assert ended.code == 0
    assert f"r50 dataset {command} " in ended.stdout.partition("Examples:")[2]
