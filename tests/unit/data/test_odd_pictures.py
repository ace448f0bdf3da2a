"""Pictures that are in people's data sets and are no plain JPEG of a few hundred pixels a side."""

from __future__ import annotations

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image
from tests.images import encode, noise, with_exif_orientation

from resnet50_bench.data import decode
from resnet50_bench.data.decode import decode_rgb
from resnet50_bench.data.feed import RealFeedRequest, make_real_feed
from resnet50_bench.data.preprocess import make_crop, preprocess
from resnet50_bench.data.profiles import find_profile
from resnet50_bench.data.sources import UnreadableImage, open_source

PROFILES = ("mlperf", "tensorflow", "torchvision")


def by_pillow(image: Image.Image, kind: str) -> bytes:
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def png_that_states(width: int, height: int) -> bytes:
    """Build a PNG of a few bytes whose header promises a picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def tiff_that_states(side: int) -> bytes:
    entries = [(256, 4, side), (257, 4, side), (258, 3, 8), (259, 3, 1), (262, 3, 1),
               (273, 4, 8), (277, 3, 1), (278, 4, side), (279, 4, 0)]  # fmt: skip
    rows = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + rows + bytes(4)


def bmp_that_states(side: int) -> bytes:
    return (
        b"BM"
        + struct.pack("<IHHI", 54, 0, 0, 54)
        + struct.pack("<IiiHHIIiiII", 40, side, side, 1, 24, 0, 0, 0, 0, 0, 0)
    )


def gif_that_states(side: int) -> bytes:
    frame = b"," + struct.pack("<HHHHB", 0, 0, side, side, 0) + b"\2\2\x4c\1\0"
    return b"GIF89a" + struct.pack("<HHBBB", side, side, 0x80, 0, 0) + bytes(6) + frame + b";"


SIDE = 20_000
HUGE = {
    "png": png_that_states(SIDE, SIDE),
    "tiff": tiff_that_states(SIDE),
    "bmp": bmp_that_states(SIDE),
    "gif": gif_that_states(SIDE),
}


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("kind", HUGE)
def test_a_picture_of_20000_a_side_is_refused_before_it_is_decoded(kind, profile, monkeypatch):
    monkeypatch.setattr(decode, "_decode_by_opencv", None)
    monkeypatch.setattr(decode, "_decode_by_pillow", None)
    with pytest.raises(UnreadableImage, match="has 400,000,000 pixels, more than 134,217,728"):
        decode_rgb(HUGE[kind], "big.JPEG", find_profile(profile))


def test_a_feed_leaves_the_huge_one_out_with_the_reason_and_uses_the_others(tmp_path):
    (tmp_path / "a.JPEG").write_bytes(HUGE["png"])
    (tmp_path / "b.JPEG").write_bytes(encode(noise(1, 60, 50), ".jpg"))
    request = RealFeedRequest(
        path=str(tmp_path), refs=open_source(tmp_path).refs, batch_size=1, profile="mlperf",
        threads=1, max_pool_bytes=10**7,
    )  # fmt: skip
    report = make_real_feed(request).report
    assert report.images == 1
    assert [(item.name, item.reason) for item in report.skipped] == [
        ("a.JPEG", "has 400,000,000 pixels, more than 134,217,728")
    ]


@pytest.mark.parametrize("profile", PROFILES)
def test_one_pixel_fills_the_whole_crop(profile):
    data = encode(np.full((1, 1, 3), (200, 100, 50), np.uint8))
    crop = make_crop(data, find_profile(profile))
    assert crop.shape == (224, 224, 3)
    assert np.array_equal(np.unique(crop.reshape(-1, 3), axis=0), [[200, 100, 50]])
    assert np.ptp(preprocess(data, find_profile(profile)), axis=(0, 1)).max() == 0


@pytest.mark.parametrize("profile", ["mlperf", "tensorflow"])
def test_a_png_of_16_bits_named_jpeg_keeps_its_high_bytes_as_imread_does(profile, tmp_path):
    deep = np.random.default_rng(1).integers(0, 65536, (40, 50, 3)).astype(np.uint16)
    done, data = cv2.imencode(".png", deep[:, :, ::-1])
    assert done
    (tmp_path / "x.JPEG").write_bytes(data.tobytes())
    found = decode_rgb(data.tobytes(), "x.JPEG", find_profile(profile))
    assert np.array_equal(found, (deep >> 8).astype(np.uint8))
    assert np.array_equal(found, cv2.imread(str(tmp_path / "x.JPEG"))[:, :, ::-1])


@pytest.mark.parametrize("profile", PROFILES)
def test_grey_has_three_equal_channels(profile):
    grey = noise(2, 30, 40)[:, :, 0]
    for data in (by_pillow(Image.fromarray(grey), "PNG"), by_pillow(Image.fromarray(grey), "JPEG")):
        found = decode_rgb(data, "x.JPEG", find_profile(profile))
        assert found.shape == (30, 40, 3)
        assert (np.ptp(found, axis=2) == 0).all()
    assert np.array_equal(decode_rgb(by_pillow(Image.fromarray(grey), "PNG"))[:, :, 0], grey)


@pytest.mark.parametrize("profile", PROFILES)
def test_white_and_black_of_a_cmyk_jpeg_stay_white_and_black(profile):
    ink = np.zeros((32, 64, 4), np.uint8)
    ink[:, 32:, 3] = 255  # the right half has all of the key ink
    found = decode_rgb(by_pillow(Image.fromarray(ink, "CMYK"), "JPEG"), "x", find_profile(profile))
    assert found[:, :24].min() >= 250
    assert found[:, 40:].max() <= 5


def test_mlperfs_reference_turns_photographs_and_the_others_do_not(tmp_path):
    upright = encode(noise(3, 40, 60), ".jpg")
    turned = with_exif_orientation(upright, 6)
    (tmp_path / "x.JPEG").write_bytes(turned)
    mlperf = decode_rgb(turned, "x", find_profile("mlperf"))
    assert mlperf.shape == (60, 40, 3)
    assert np.array_equal(mlperf, cv2.imread(str(tmp_path / "x.JPEG"))[:, :, ::-1])
    for name in ("tensorflow", "torchvision"):
        profile = find_profile(name)
        assert np.array_equal(decode_rgb(turned, "x", profile), decode_rgb(upright, "x", profile))


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_what_is_cut_short_is_told(suffix, profile):
    data = encode(noise(4, 60, 60), suffix)
    with pytest.raises(UnreadableImage, match="is cut short: its end marker is missing"):
        decode_rgb(data[: len(data) // 2], "x.JPEG", find_profile(profile))
