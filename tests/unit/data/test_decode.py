from __future__ import annotations

import contextlib
import io

import cv2
import numpy as np
import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.images import (
    cmyk_jpeg,
    encode,
    jpegs,
    noise,
    segment,
    smooth,
    with_exif_orientation,
)

from resnet50_bench.data import decode
from resnet50_bench.data.decode import decode_rgb
from resnet50_bench.data.profiles import MLPERF, PROFILES, TENSORFLOW, TORCHVISION
from resnet50_bench.data.sources import UnreadableImage


class TestDecode:
    def test_png_under_any_name_is_decoded_by_content_in_rgb_order(self):
        rgb = noise(1, 5, 7)
        assert np.array_equal(decode_rgb(encode(rgb), "n02105855_2933.JPEG"), rgb)

    def test_jpeg_is_what_imread_gives(self, tmp_path):
        path = tmp_path / "a.JPEG"
        path.write_bytes(encode(smooth(2, 60, 80), ".jpg"))
        decoded = decode_rgb(path.read_bytes())
        assert decoded.dtype == np.uint8
        assert decoded.shape == (60, 80, 3)
        assert np.array_equal(decoded[:, :, ::-1], cv2.imread(str(path)))

    def test_gray_becomes_three_equal_channels(self):
        gray = smooth(3, 40, 50)[:, :, 0]
        decoded = decode_rgb(encode(gray))
        assert np.array_equal(decoded, np.stack([gray] * 3, -1))
        jpeg = decode_rgb(encode(gray, ".jpg"))
        assert jpeg.shape == (40, 50, 3)
        assert np.array_equal(jpeg[:, :, 0], jpeg[:, :, 2])

    def test_transparency_is_dropped(self):
        rgb = noise(4, 6, 6)
        bgra = np.dstack([rgb[:, :, ::-1], np.zeros((6, 6), np.uint8)])
        assert np.array_equal(decode_rgb(cv2.imencode(".png", bgra)[1].tobytes()), rgb)

    @pytest.mark.parametrize("order", ["big", "little"])
    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_exif_orientation_is_applied(self, orientation, order, tmp_path):
        jpeg = encode(smooth(5, 64, 96), ".jpg")
        upright = decode_rgb(jpeg)
        turned = {
            1: upright,
            2: upright[:, ::-1],
            3: upright[::-1, ::-1],
            4: upright[::-1],
            5: upright.swapaxes(0, 1),
            6: np.rot90(upright, -1),
            7: upright[::-1, ::-1].swapaxes(0, 1),
            8: np.rot90(upright),
        }[orientation]
        data = with_exif_orientation(jpeg, orientation, order)
        assert np.array_equal(decode_rgb(data), turned)
        (tmp_path / "a.jpg").write_bytes(data)
        assert np.array_equal(cv2.imread(str(tmp_path / "a.jpg"))[:, :, ::-1], turned)
        assert np.array_equal(decode_rgb(data, profile=TORCHVISION), upright)

    @pytest.mark.parametrize(
        "cmyk", [(255, 255, 255, 255), (255, 0, 0, 255), (10, 200, 90, 255), (200, 100, 50, 128)]
    )
    def test_cmyk_becomes_rgb(self, cmyk):
        # Adobe stores inverted inks, so red is cyan times black, both as a share of 255.
        expected = np.array(cmyk[:3]) * cmyk[3] / 255
        decoded = decode_rgb(cmyk_jpeg(cmyk))
        assert decoded.shape == (8, 8, 3)
        assert np.abs(decoded - expected).max() <= 2

    @pytest.mark.parametrize("tail", [b"\x00", b"\r\n", b"\xff", b"\xff\xd8\xff", b"x" * 3000])
    def test_bytes_after_the_end_are_fine(self, tail):
        for suffix in (".jpg", ".png"):
            data = encode(smooth(6, 32, 32), suffix)
            assert np.array_equal(decode_rgb(data + tail), decode_rgb(data))

    def test_progressive_jpeg_with_restart_marks_is_whole(self):
        options = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_RST_INTERVAL, 2]
        data = cv2.imencode(".jpg", smooth(7, 64, 64), options)[1].tobytes()
        assert data.count(b"\xff\xda") > 1
        assert b"\xff\xd0" in data
        assert decode_rgb(data).shape == (64, 64, 3)
        with pytest.raises(UnreadableImage, match="cut short"):
            decode_rgb(data[: data.rfind(b"\xff\xda") + 20])

    def test_filling_bytes_before_markers_are_fine(self):
        data = encode(smooth(8, 32, 32), ".jpg")
        filled = data[:2] + b"\xff" + data[2:-2] + b"\xff\xff" + data[-2:]
        assert np.array_equal(decode_rgb(filled), decode_rgb(data))

    @pytest.mark.parametrize("suffix", [".jpg", ".png"])
    @pytest.mark.parametrize("kept", [0.02, 0.2, 0.5, 0.9, 0.999])
    def test_a_truncated_file_is_unreadable(self, suffix, kept):
        data = encode(smooth(9, 80, 80), suffix)
        with pytest.raises(
            UnreadableImage, match=r"^a\.JPEG: is cut short: its end marker is missing"
        ):
            decode_rgb(data[: int(len(data) * kept)], "a.JPEG")

    def test_a_whole_thumbnail_does_not_hide_a_truncated_image(self):
        data = encode(smooth(10, 80, 80), ".jpg")
        thumbnail = encode(smooth(10, 16, 16), ".jpg")
        data = data[:2] + segment(0xE1, b"Exif\x00\x00" + thumbnail) + data[2:]
        assert decode_rgb(data).shape == (80, 80, 3)
        cut = data[:-30]
        assert b"\xff\xd9" in cut
        with pytest.raises(UnreadableImage, match="cut short"):
            decode_rgb(cut)

    @pytest.mark.parametrize("data", [b"hello" * 50, bytes(4096), b"\xff", b"<html></html>"])
    def test_garbage_is_unreadable(self, data):
        with pytest.raises(UnreadableImage) as caught:
            decode_rgb(data, "x.jpg")
        assert caught.value.name == "x.jpg"
        assert caught.value.reason == "begins like no known image"

    def test_an_image_beyond_the_decoders_bounds_is_unreadable(self):
        with pytest.raises(UnreadableImage, match=r"^x: has 10,000,000,000 pixels, more than"):
            decode_rgb(b"P6 100000 100000 255 abc", "x")

    def test_empty_is_unreadable(self):
        with pytest.raises(UnreadableImage, match=r"^x.jpg: is empty$"):
            decode_rgb(b"", "x.jpg")

    def test_nothing_is_written_to_stderr_for_unreadable_images(self, capfd):
        png = encode(noise(11, 40, 40))
        jpeg = encode(noise(11, 40, 40), ".jpg")
        short_ppm = b"P6 100 100 255 abc"  # OpenCV logs this one
        for data in (b"", b"garbage", png[:-20], png[:40], jpeg[:-20], jpeg[:200], short_ppm):
            with pytest.raises(UnreadableImage):
                decode_rgb(data)
        assert capfd.readouterr() == ("", "")

    @settings(max_examples=200, deadline=None)
    @given(st.binary(max_size=300), st.sampled_from([b"", b"\xff\xd8", b"\x89PNG\r\n\x1a\n"]))
    def test_any_bytes_end_in_an_image_or_the_error(self, data, start):
        with contextlib.suppress(UnreadableImage):
            assert decode_rgb(start + data).ndim == 3

    def test_only_calling_threads_decode(self):
        assert cv2.getNumThreads() == 1


def by_opencv(data: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]


def by_pillow(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


REFERENCES = {MLPERF: by_opencv, TORCHVISION: by_pillow}

SIZES = [(1, 1), (7, 9), (8, 16), (17, 33), (97, 130), (2, 65), (65, 2)]


@pytest.fixture
def no_fallback(monkeypatch):
    """A fallback would hide that simplejpeg had refused."""

    def refuse(data, name):
        raise AssertionError(f"{name} went to the fallback")

    monkeypatch.setattr(decode, "_decode_by_opencv", refuse)
    monkeypatch.setattr(decode, "_decode_by_pillow", refuse)


class TestTheSamePixelsAsTheReference:
    @pytest.mark.parametrize(("height", "width"), SIZES)
    @pytest.mark.parametrize("profile", REFERENCES, ids=lambda profile: profile.name)
    def test_of_every_kind_of_jpeg(self, profile, height, width, no_fallback):
        for name, data in jpegs(height, width).items():
            decoded = decode_rgb(data, name, profile)
            assert np.array_equal(decoded, REFERENCES[profile](data)), name

    @pytest.mark.parametrize("profile", REFERENCES, ids=lambda profile: profile.name)
    def test_of_what_the_reference_must_decode_itself(self, profile):
        rgb = noise(20, 20, 30)
        jpeg = encode(smooth(21, 40, 60), ".jpg")
        turned = with_exif_orientation(jpeg, 6)
        transparent = cv2.imencode(".png", np.dstack([rgb, rgb[:, :, 0]]))[1].tobytes()
        files = [
            cmyk_jpeg((10, 200, 90, 255)),
            turned,
            transparent,
            encode(rgb),
            encode(rgb, ".bmp"),
        ]
        for data in files:
            assert np.array_equal(decode_rgb(data, profile=profile), REFERENCES[profile](data))

    @pytest.mark.parametrize("profile", REFERENCES, ids=lambda profile: profile.name)
    def test_of_a_jpeg_damaged_in_the_middle(self, profile):
        data = bytearray(encode(smooth(22, 200, 200), ".jpg"))
        del data[-400:-100]
        with pytest.raises(ValueError, match="Corrupt JPEG data"):
            simplejpeg.decode_jpeg(bytes(data), "RGB")
        decoded = decode_rgb(bytes(data), profile=profile)
        assert np.array_equal(decoded, REFERENCES[profile](bytes(data)))

    def test_whether_an_orientation_in_a_later_segment_counts_is_opencvs_to_say(self):
        """5.0 applies it, 4.9 does not."""
        jpeg = encode(smooth(23, 40, 60), ".jpg")
        turned = with_exif_orientation(jpeg, 8)
        late = turned[:2] + segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x/>") + turned[2:]
        assert np.array_equal(decode_rgb(late), by_opencv(late))

    def test_an_upright_photograph_with_exif_needs_no_fallback(self, no_fallback):
        jpeg = encode(smooth(24, 40, 60), ".jpg")
        for order in ("big", "little"):
            assert decode_rgb(with_exif_orientation(jpeg, 1, order)).shape == (40, 60, 3)


class TestFastDecoding:
    def test_differs_from_the_accurate_one_by_a_little(self, no_fallback):
        data = jpegs(97, 130)["0-92-221111"]
        fast = decode_rgb(data, profile=TENSORFLOW).astype(int)
        accurate = decode_rgb(data).astype(int)
        assert not np.array_equal(fast, accurate)
        assert np.abs(fast - accurate).mean() < 4

    def test_a_damaged_jpeg_is_still_decoded_fast(self, no_fallback):
        data = bytearray(encode(smooth(22, 200, 200), ".jpg"))
        whole = decode_rgb(bytes(data), profile=TENSORFLOW)
        del data[-400:-100]
        damaged = decode_rgb(bytes(data), profile=TENSORFLOW)
        assert np.array_equal(damaged[:64], whole[:64])

    def test_what_simplejpeg_cannot_decode_goes_to_opencv(self):
        rgb = noise(25, 20, 30)
        assert np.array_equal(decode_rgb(encode(rgb), profile=TENSORFLOW), rgb)
        cmyk = cmyk_jpeg((10, 200, 90, 255))
        assert np.array_equal(decode_rgb(cmyk, profile=TENSORFLOW), by_opencv(cmyk))


class TestDamage:
    def test_by_pillow_has_reasons_too(self):
        for data in (b"hello" * 50, b"\xff", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"):
            with pytest.raises(UnreadableImage, match=r"^x: begins like no known image$"):
                decode_rgb(data, "x", TORCHVISION)
        with pytest.raises(UnreadableImage, match=r"pixels, more than 134,217,728$"):
            decode_rgb(b"P6 100000 100000 255 abc", "x", TORCHVISION)

    @pytest.mark.parametrize("profile", PROFILES.values(), ids=list(PROFILES))
    def test_a_header_that_promises_too_much_is_refused_before_decoding(self, profile):
        data = bytearray(encode(smooth(26, 16, 16), ".jpg"))
        frame = data.index(b"\xff\xc0")
        data[frame + 5 : frame + 9] = b"\xff\xff\xff\xff"
        with pytest.raises(UnreadableImage, match=r"^x: has 4,294,836,225 pixels, more than"):
            decode_rgb(bytes(data), "x", profile)

    @pytest.mark.parametrize("profile", PROFILES.values(), ids=list(PROFILES))
    def test_every_cut_is_noticed(self, profile):
        data = encode(smooth(27, 40, 40), ".jpg")
        for length in range(1, len(data)):
            with pytest.raises(UnreadableImage):
                decode_rgb(data[:length], profile=profile)

    @pytest.mark.parametrize("profile", PROFILES.values(), ids=list(PROFILES))
    @settings(max_examples=100, deadline=None)
    @given(st.data())
    def test_changed_bytes_end_in_an_image_or_the_error(self, profile, data):
        picture = bytearray(JPEG)
        for _ in range(data.draw(st.integers(1, 4))):
            where = data.draw(st.integers(2, len(picture) - 1))
            picture[where] = data.draw(st.integers(0, 255))
        with contextlib.suppress(UnreadableImage):
            decoded = decode_rgb(bytes(picture), profile=profile)
            assert decoded.ndim == 3
            assert decoded.shape[2] == 3


JPEG = encode(smooth(28, 24, 24), ".jpg")
