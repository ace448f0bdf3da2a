"""The images that hold images: the archive is proven when the image is built, and used in place."""

from __future__ import annotations

import shutil
import subprocess
import tarfile

import cv2
import numpy as np
import pytest

from resnet50_bench.packaging.images import DATASET
from resnet50_bench.results.files import read_record

from .conftest import IMAGE, NULL, R50
from .engine import BASE, PROJECT

pytestmark = [pytest.mark.containers, pytest.mark.usefixtures("whole")]


def test_an_archive_that_is_not_the_published_one_ends_the_build(engine, tmp_path):
    for name in ("containers", "src"):
        shutil.copytree(
            PROJECT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in ("pyproject.toml", "README.md", ".dockerignore"):
        shutil.copy(PROJECT / name, tmp_path / name)
    (tmp_path / "dataset").mkdir()
    with tarfile.open(tmp_path / "dataset/ILSVRC2012_img_val.tar", "w"):
        pass
    command = engine.plan_build(R50, DATASET.name, source=tmp_path, arguments=[f"BASE={BASE}"])
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "ILSVRC2012_img_val.tar" in done.stdout + done.stderr
    assert "error: /dataset/ILSVRC2012_img_val.tar" in done.stderr
    assert DATASET.name not in engine.buildah("images", "--format", "{{.Name}}")


def test_the_real_image_uses_its_images_without_being_told(engine, start, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    with tarfile.open(folder / "photos.tar", "w") as archive:
        for number in range(5):
            path = tmp_path / f"ILSVRC2012_val_{number:08}.JPEG"
            pixels = np.random.default_rng(number).integers(0, 256, (240, 260, 3), np.uint8)
            assert cv2.imwrite(str(path), pixels)
            archive.add(path, path.name)
    container = engine.buildah("from", "scratch").strip()
    engine.buildah("add", container, folder, "/dataset")
    engine.buildah("commit", "--rm", container, "localhost/photos")
    engine.buildah(
        "build", "--isolation", "chroot", "--pull-never", "--layers", "--format", "docker",
        "--file", PROJECT / "containers/Dockerfile.5.inference-real", "--tag", "localhost/real",
        "--build-arg", f"INFERENCE={IMAGE}", "--build-arg", "DATASET=localhost/photos", PROJECT,
    )  # fmt: skip
    running = start(*NULL, "-e", "STEPS=20", "-e", "BATCH_SIZE=1", image="localhost/real")
    logs = running.export(tmp_path / "logs")
    assert logs["status"].splitlines()[0] == "0", logs
    (path,) = (tmp_path / "logs").glob("*/record.json")
    record = read_record(path)
    assert record.config.dataset == "/dataset/photos.tar"
    assert record.dataset.images == 5
    # Nothing was unpacked.
    assert running.exec("ls", "/dataset").split() == ["photos.tar"]
    dummy = start(*NULL, "-e", "STEPS=20", "-e", "DATA_TYPE=dummy", image="localhost/real")
    assert dummy.export(tmp_path / "dummy")["status"] == "0\n"
