from __future__ import annotations

import contextlib
import hashlib
import threading

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resnet50_bench.data.preprocess import (
    decode_rgb,
    preprocess,
    preprocess_all,
    preprocess_rgb,
)
from resnet50_bench.data.profiles import IMAGE_BYTES, MLPERF, PROFILES
from resnet50_bench.data.sources import ImageRef, UnreadableImage

MEANS = np.array([123.68, 116.78, 103.94], dtype=np.float32)


def encode(rgb: np.ndarray, suffix: str = ".png") -> bytes:
    done, data = cv2.imencode(suffix, rgb[:, :, ::-1] if rgb.ndim == 3 else rgb)
    assert done
    return data.tobytes()


def noise(seed: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def smooth(seed: int, height: int, width: int) -> np.ndarray:
    return cv2.GaussianBlur(noise(seed, height, width), (0, 0), 3)


def position_coded(height: int, width: int) -> np.ndarray:
    """Red and green are the low bytes of the row and column; blue holds their ninth bits."""
    row, column = np.mgrid[:height, :width]
    return np.stack([row & 255, column & 255, (row >> 8) * 2 + (column >> 8)], -1).astype(np.uint8)


def corner(image: np.ndarray) -> tuple[int, int]:
    """The (row, column) a position-coded image's first pixel came from."""
    red, green, blue = np.rint(image[0, 0] + MEANS).astype(int)
    return red + 256 * (blue >> 1), green + 256 * (blue & 1)


def with_exif_orientation(jpeg: bytes, orientation: int) -> bytes:
    """Put an EXIF segment with one entry (tag 0x0112) behind the start marker."""
    entry = b"\x01\x12\x00\x03\x00\x00\x00\x01" + bytes([0, orientation, 0, 0])
    tiff = b"MM\x00\x2a\x00\x00\x00\x08" + b"\x00\x01" + entry + b"\x00\x00\x00\x00"
    return jpeg[:2] + segment(0xE1, b"Exif\x00\x00" + tiff) + jpeg[2:]


def segment(marker: int, payload: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(payload) + 2).to_bytes(2, "big") + payload


def cmyk_jpeg(values: tuple[int, int, int, int]) -> bytes:
    """An 8x8 baseline JPEG of one colour with four components, as Adobe stores CMYK.

    With every quantiser at 8 the DC coefficient of a constant block is its value - 128.
    """
    dc_codes = bytes([0, 0, 0, 9] + [0] * 12) + bytes(range(9))  # nine codes of 4 bits
    ac_codes = bytes([1] + [0] * 15) + b"\x00"  # one code of 1 bit: end of block
    bits = ""
    for value in values:
        level = value - 128
        size = abs(level).bit_length()
        bits += f"{size:04b}"
        if size:
            bits += f"{level if level > 0 else level + (1 << size) - 1:0{size}b}"
        bits += "0"
    bits += "1" * (-len(bits) % 8)
    scan = bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)).replace(
        b"\xff", b"\xff\x00"
    )
    parts = b"".join(bytes([k, 0x11, 0]) for k in (1, 2, 3, 4))
    return (
        b"\xff\xd8"
        + segment(0xEE, b"Adobe\x00\x64\x00\x00\x00\x00\x00")
        + segment(0xDB, b"\x00" + b"\x08" * 64)
        + segment(0xC0, b"\x08\x00\x08\x00\x08\x04" + parts)
        + segment(0xC4, b"\x00" + dc_codes)
        + segment(0xC4, b"\x10" + ac_codes)
        + segment(0xDA, b"\x04" + b"".join(bytes([k, 0]) for k in (1, 2, 3, 4)) + b"\x00\x3f\x00")
        + scan
        + b"\xff\xd9"
    )


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

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_exif_orientation_is_applied(self, orientation, tmp_path):
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
        data = with_exif_orientation(jpeg, orientation)
        assert np.array_equal(decode_rgb(data), turned)
        (tmp_path / "a.jpg").write_bytes(data)
        assert np.array_equal(cv2.imread(str(tmp_path / "a.jpg"))[:, :, ::-1], turned)

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
        assert caught.value.reason == "is not an image OpenCV can decode"

    def test_an_image_beyond_the_decoders_bounds_is_unreadable(self):
        with pytest.raises(UnreadableImage, match=r"^x: cannot be decoded: pixels <= "):
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


class TestProfile:
    def test_constants(self):
        assert PROFILES == {"mlperf": MLPERF}
        assert MLPERF.resize_side == int(100.0 * 224 / 87.5) == 256
        assert MLPERF.crop_side == 224
        assert MLPERF.means == (123.68, 116.78, 103.94)
        assert IMAGE_BYTES == 602_112

    def test_a_constant_colour_stays_itself_minus_the_means(self):
        rgb = np.empty((300, 500, 3), np.uint8)
        rgb[:] = (10, 20, 30)
        image = preprocess(encode(rgb), MLPERF)
        assert image.dtype == np.float32
        assert image.shape == (224, 224, 3)
        assert image.flags.c_contiguous
        assert image.nbytes == IMAGE_BYTES
        expected = np.array([10, 20, 30], np.float32) - MEANS
        assert np.array_equal(image, np.broadcast_to(expected, image.shape))

    @pytest.mark.parametrize(
        ("height", "width", "expected"),
        [
            (256, 256, (16, 16)),
            (256, 340, (16, 58)),
            (256, 301, (16, 38)),
            (301, 256, (38, 16)),
            (480, 256, (128, 16)),
            (256, 257, (16, 16)),
        ],
    )
    def test_centre_crop(self, height, width, expected):
        coded = position_coded(height, width)
        image = preprocess_rgb(coded, MLPERF)
        assert corner(image) == expected
        top, left = expected
        crop = coded[top : top + 224, left : left + 224]
        assert np.array_equal(image, crop.astype(np.float32) - MEANS)

    def test_halving_takes_the_mean_of_each_two_by_two_block(self):
        rgb = noise(12, 512, 512)
        means = rgb.reshape(256, 2, 256, 2, 3).mean(axis=(1, 3))[16:240, 16:240]
        image = preprocess_rgb(rgb, MLPERF)
        assert np.abs(image + MEANS - means).max() <= 0.5 + 1e-4

    @pytest.mark.parametrize(
        ("height", "width", "resized"),
        [
            (375, 500, (256, 341)),  # 256 * 500 / 375 = 341.33
            (500, 375, (341, 256)),
            (600, 1000, (256, 426)),  # 426.67
            (1000, 600, (426, 256)),
            (300, 333, (256, 284)),  # 284.16
            (100, 150, (256, 384)),
            (333, 333, (256, 256)),
            (500, 499, (256, 256)),  # 256.51
        ],
    )
    def test_the_shorter_side_becomes_256_and_the_longer_is_cut_to_whole_pixels(
        self, height, width, resized, monkeypatch
    ):
        sizes = []
        real = cv2.resize

        def resize(image, size, **options):
            sizes.append((size, options))
            return real(image, size, **options)

        monkeypatch.setattr(cv2, "resize", resize)
        assert preprocess_rgb(noise(13, height, width), MLPERF).shape == (224, 224, 3)
        assert sizes == [(resized[::-1], {"interpolation": cv2.INTER_AREA})]

    def test_golden(self):
        """Made from a decoded array: JPEG bytes may decode differently between libjpeg versions.

        OpenCV 4.9.0 and 5.0.0 give the same.
        """
        image = preprocess_rgb(noise(0, 300, 400), MLPERF)
        assert hashlib.sha256(image.tobytes()).hexdigest() == GOLDEN


GOLDEN = "ea0158e5db0cfba7bf5841d2e5bcaacae55fc5e3c8ac35b05ed42f7690e06be4"


class MemorySource:
    skipped = ()

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.refs = tuple(ImageRef(name, len(data), None) for name, data in files.items())
        self.threads: set[str] = set()
        self.reads: list[str] = []

    def describe(self) -> str:
        return "memory"

    def read(self, ref: ImageRef) -> bytes:
        self.threads.add(threading.current_thread().name)
        self.reads.append(ref.name)
        return self.files[ref.name]


class TestPreprocessAll:
    @pytest.mark.parametrize("threads", [1, 3])
    def test_results_come_in_order_with_the_errors_in_place(self, threads):
        files = {f"{k}.png": encode(noise(k, 256, 260)) for k in range(20)}
        files["7.png"] = b"garbage"
        source = MemorySource(files)
        results = list(preprocess_all(source, source.refs, MLPERF, threads))
        assert [ref for ref, _ in results] == list(source.refs)
        for ref, result in results:
            if ref.name == "7.png":
                assert isinstance(result, UnreadableImage)
                assert result.name == "7.png"
            else:
                assert np.array_equal(result, preprocess(files[ref.name], MLPERF))
        assert 1 <= len(source.threads) <= threads
        assert all(name.startswith("decode") for name in source.threads)

    def test_stopping_early_reads_only_a_few_more(self):
        data = encode(noise(0, 256, 256))
        source = MemorySource({f"{k:03}.png": data for k in range(200)})
        results = preprocess_all(source, source.refs, MLPERF, 2)
        assert next(results)[0].name == "000.png"
        results.close()
        assert len(source.reads) <= 8

    def test_a_fault_of_the_program_is_not_an_unreadable_image(self):
        source = MemorySource({})
        with pytest.raises(KeyError):
            list(preprocess_all(source, [ImageRef("gone.png", 1, None)], MLPERF, 1))
