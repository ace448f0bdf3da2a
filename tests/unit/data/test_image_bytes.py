from __future__ import annotations

import cv2
import numpy as np
import pytest

from resnet50_bench.data.image_bytes import has_known_start, is_cut_short, read_dimensions


def encode(suffix: str, *options: int) -> bytes:
    pixels = np.random.default_rng(3).integers(0, 256, (40, 60, 3), np.uint8)
    done, data = cv2.imencode(suffix, pixels, list(options))
    assert done
    return data.tobytes()


IMAGES = {
    "baseline": encode(".jpg"),
    "progressive": encode(".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    "restart marks": encode(".jpg", cv2.IMWRITE_JPEG_RST_INTERVAL, 1),
    "png": encode(".png"),
}
PARAMETERS = pytest.mark.parametrize("data", IMAGES.values(), ids=IMAGES)


def with_thumbnail(jpeg: bytes, thumbnail: bytes) -> bytes:
    """Put a whole JPEG of another size into an application segment, as cameras do."""
    return jpeg[:2] + b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail + jpeg[2:]


@PARAMETERS
def test_whole_at_its_full_length_only(data):
    assert has_known_start(data)
    assert not is_cut_short(data)
    assert not is_cut_short(data + b"\r\n")
    for length in range(8, len(data)):
        assert is_cut_short(data[:length]), length


@PARAMETERS
def test_dimensions_are_the_headers(data):
    assert read_dimensions(data) == (60, 40)
    assert read_dimensions(data[:20]) is None


def test_a_thumbnail_is_not_the_picture():
    thumbnail = cv2.imencode(".jpg", np.zeros((8, 16, 3), np.uint8))[1].tobytes()
    data = with_thumbnail(IMAGES["baseline"], thumbnail)
    assert read_dimensions(data) == (60, 40)
    assert is_cut_short(data[: len(thumbnail) + 100])


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"<html>", b"RIFF\0\0\0\0WEBP"])
def test_nothing_is_claimed_of_other_formats(data):
    assert not has_known_start(data)
    assert not is_cut_short(data)
    assert read_dimensions(data) is None
