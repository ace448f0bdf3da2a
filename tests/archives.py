"""Small stand-ins for the published archive of validation images."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import cv2
import numpy as np

from resnet50_bench.data.imagenet import VALIDATION, ImageArchive

IMAGES = 7


def make_jpeg(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (20, 30, 3), np.uint8)
    done, data = cv2.imencode(".jpg", pixels)
    assert done
    return data.tobytes()


def make_images(count: int = IMAGES) -> dict[str, bytes]:
    """The first validation images, by name."""
    return {VALIDATION.name_image(number): make_jpeg(number) for number in range(1, count + 1)}


def write_tar(path: Path, images: dict[str, bytes] | list[tuple[str, bytes]]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, data in images.items() if isinstance(images, dict) else images:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def write_folder(path: Path, images: dict[str, bytes]) -> Path:
    for name, data in images.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def publish(content: bytes, images: int = IMAGES, url: str = VALIDATION.url) -> ImageArchive:
    """The figures of an archive with this content, as if it were the published one."""
    return ImageArchive(
        file_name=VALIDATION.file_name,
        url=url,
        size_bytes=len(content),
        md5=hashlib.md5(content).hexdigest(),
        sha256=hashlib.sha256(content).hexdigest(),
        images=images,
    )
