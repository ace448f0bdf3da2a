"""`r50 dataset cache` as a process: interrupted, killed, and gone on with."""

from __future__ import annotations

import json
import os
import signal
import sys

import numpy as np
import pytest
from tests.images import encode, noise

from resnet50_bench.data.crops.store import CROP_BYTES, MANIFEST_FILE, PIXELS_FILE
from resnet50_bench.data.crops.writer import PROGRESS_FILE
from resnet50_bench.data.preprocess import make_crop
from resnet50_bench.data.profiles import MLPERF

from .conftest import wait_until

IMAGES = 40

# The command by itself; it notes its progress after every image, so that there is always some.
COMMAND = [
    sys.executable,
    "-c",
    "from resnet50_bench import cli\n"
    "from resnet50_bench.data.crops import writer as crop_writer\n"
    "crop_writer.SAVE_SECONDS = 0\n"
    "cli.main()",
]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Large pictures, so that there is time to interrupt; one is broken."""
    folder = tmp_path_factory.mktemp("photos")
    data = encode(noise(1, 1200, 1600), ".jpg")
    for number in range(IMAGES):
        (folder / f"{number:03}.jpg").write_bytes(data)
    (folder / "002.jpg").write_bytes(data[:1000])
    return folder


@pytest.fixture
def expected(photos):
    return make_crop((photos / "000.jpg").read_bytes(), MLPERF)


@pytest.fixture
def start(r50, photos):
    def start():
        environment = {"R50_CACHE_DIR": str(r50.root / "cache")}
        return r50.start("dataset", "cache", photos, command=COMMAND, env=environment)

    return start


def find_partial(r50):
    return next(iter((r50.root / "cache" / "crops").glob("*.partial")), None)


def read_done(r50) -> int:
    partial = find_partial(r50)
    path = partial and partial / PROGRESS_FILE
    return json.loads(path.read_bytes())["done"] if path and path.exists() else 0


def wait_for_some(r50, process):
    wait_until(lambda: read_done(r50) >= 5 or process.poll() is not None, "progress")
    assert process.poll() is None


def assert_complete(r50, ended, expected):
    assert ended.code == 0, ended.stderr
    text, path = ended.stdout.splitlines()[-2:]
    assert text == "40 images, 1 unreadable, preprocessed as mlperf: 6 MB"
    assert "unreadable: 002.jpg: is cut short: its end marker is missing" in ended.stdout
    (folder,) = (r50.root / "cache" / "crops").iterdir()
    assert str(folder) == path
    pixels = np.fromfile(folder / PIXELS_FILE, np.uint8).reshape(IMAGES, 224, 224, 3)
    for index, crop in enumerate(pixels):
        assert np.array_equal(crop, np.zeros_like(expected) if index == 2 else expected)
    manifest = json.loads((folder / MANIFEST_FILE).read_bytes())
    assert [item["index"] for item in manifest["unreadable"]] == [2]


def test_it_makes_the_crops_once(r50, start, expected):
    assert_complete(r50, r50.end(start()), expected)
    assert_complete(r50, r50.end(start()), expected)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_process_is_gone_on_with(r50, start, expected, number):
    process = start()
    wait_for_some(r50, process)
    process.send_signal(number)
    assert r50.end(process).code == -number
    done = read_done(r50)
    assert 5 <= done < IMAGES
    assert (find_partial(r50) / PIXELS_FILE).stat().st_size >= done * CROP_BYTES
    ended = r50.end(start())
    assert f"{done} of them are there from an earlier attempt" in ended.stderr
    assert_complete(r50, ended, expected)


@pytest.mark.parametrize("whole_group", [False, True])
def test_ctrl_c(r50, start, expected, whole_group):
    process = start()
    wait_for_some(r50, process)
    (os.killpg if whole_group else os.kill)(process.pid, signal.SIGINT)
    ended = r50.end(process)
    assert ended.code == 130
    assert "Traceback" not in ended.stderr
    done = read_done(r50)
    assert f"{done} of {IMAGES} images are kept; the same command goes on" in ended.stderr
    assert ended.stderr.endswith("interrupted\n")
    assert 5 <= done < IMAGES
    assert_complete(r50, r50.end(start()), expected)


def test_json_and_another_folder(r50, picture):
    output = r50.root / "elsewhere"
    ended = r50("dataset", "cache", picture, "--preprocessing", "torchvision", "--output", output, "--json",
                "--threads", "1", command=COMMAND)  # fmt: skip
    found = json.loads(ended.stdout)
    assert found["preprocessing"] == "torchvision"
    assert found["images"] == 1
    assert found["bytes"] == CROP_BYTES
    assert found["unreadable"] == []
    assert [str(item) for item in output.iterdir()] == [found["path"]]


def test_wrong_requests_end_in_exit_code_2(r50, picture):
    output = ["--output", r50.root / "crops"]
    ended = r50(
        "dataset", "cache", picture, "--preprocessing", "tensorflow", *output, command=COMMAND
    )
    assert ended.code == 2
    assert "error: --preprocessing tensorflow: its resize gives fractions" in ended.stderr
    ended = r50("dataset", "cache", r50.root / "nowhere", *output, command=COMMAND)
    assert ended.code == 2
    assert "nowhere: does not exist" in ended.stderr
    assert not (r50.root / "crops").exists()
