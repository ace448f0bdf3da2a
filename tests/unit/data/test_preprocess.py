from __future__ import annotations

import base64
import hashlib
import io
import json
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
import simplejpeg
from PIL import Image
from tests.images import MemorySource, encode, jpegs, noise, position_coded, smooth

from resnet50_bench.data.preprocess import (
    make_crop,
    preprocess,
    preprocess_all,
    preprocess_into,
    preprocess_rgb,
)
from resnet50_bench.data.profiles import (
    IMAGE_BYTES,
    MLPERF,
    TENSORFLOW,
    TORCHVISION,
    find_profile,
    list_variants,
)
from resnet50_bench.data.sources import ImageRef, UnreadableImage

MEANS = np.array([123.68, 116.78, 103.94], dtype=np.float32)

KINDS = {item.name: item for item in (MLPERF, TENSORFLOW, TORCHVISION)}
"""The others are one of these with another resize."""

every_profile = pytest.mark.parametrize("profile", KINDS.values(), ids=list(KINDS))

SIZES = [
    (256, 256), (512, 512), (375, 500), (500, 375), (333, 500), (224, 224), (256, 301),
    (301, 256), (100, 150), (257, 256), (512, 1024), (61, 903), (903, 61), (9, 7), (1, 1),
]  # fmt: skip


def as_the_mlperf_reference(data: bytes, interpolation: int = cv2.INTER_AREA) -> np.ndarray:
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    image = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
    height, width = image.shape[:2]
    if height > width:
        width, height = 256, int(256 * height / width)
    else:
        width, height = int(256 * width / height), 256
    image = cv2.resize(image, (width, height), interpolation=interpolation)
    top, bottom = int((height - 224) / 2), int((height + 224) / 2)
    left, right = int((width - 224) / 2), int((width + 224) / 2)
    return np.asarray(image[top:bottom, left:right], np.float32) - MEANS


def as_torchvision(
    data: bytes, side: int = 256, kernel: Image.Resampling = Image.Resampling.BILINEAR
) -> np.ndarray:
    """The arithmetic of Resize(side), CenterCrop(224), ToTensor, Normalize on a PIL image."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    width, height = image.size
    if width <= height:
        width, height = side, int(side * height / width)
    else:
        width, height = int(side * width / height), side
    image = image.resize((width, height), kernel)
    top, left = round((height - 224) / 2.0), round((width - 224) / 2.0)
    values = np.asarray(image)[top : top + 224, left : left + 224].astype(np.float32)
    values = values / np.float32(255)
    return (values - np.float32([0.485, 0.456, 0.406])) / np.float32([0.229, 0.224, 0.225])


def as_bilinear_by_hand(rgb: np.ndarray, height: int, width: int) -> np.ndarray:
    """Half-pixel centres, borders repeated, no antialiasing, in float64."""

    def taps(size: int, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        position = (np.arange(count) + 0.5) * size / count - 0.5
        low = np.floor(position).astype(int)
        return np.clip(low, 0, size - 1), np.clip(low + 1, 0, size - 1), position - low

    y0, y1, y = taps(rgb.shape[0], height)
    x0, x1, x = taps(rgb.shape[1], width)
    rows = rgb[y0] * (1 - y)[:, None, None] + rgb[y1] * y[:, None, None]
    return rows[:, x0] * (1 - x)[:, None] + rows[:, x1] * x[:, None]


class TestAgainstTheReferences:
    @pytest.mark.parametrize(("height", "width"), SIZES)
    def test_mlperf_to_the_last_bit(self, height, width):
        data = encode(smooth(height, height, width), ".jpg")
        assert np.array_equal(preprocess(data, MLPERF), as_the_mlperf_reference(data))

    @pytest.mark.parametrize(("height", "width"), SIZES)
    def test_opencvs_bilinear_to_the_last_bit(self, height, width):
        data = encode(smooth(height, height, width))
        image = preprocess(data, find_profile("mlperf/bilinear"))
        assert np.array_equal(image, as_the_mlperf_reference(data, cv2.INTER_LINEAR))

    @pytest.mark.parametrize("seed", range(40))
    def test_mlperf_at_any_size(self, seed):
        height, width = np.random.default_rng(seed).integers(100, 900, 2)
        data = encode(noise(seed, height, width))
        assert np.array_equal(preprocess(data, MLPERF), as_the_mlperf_reference(data))

    @pytest.mark.parametrize(("height", "width"), SIZES)
    def test_torchvision_to_the_last_bit(self, height, width):
        data = encode(smooth(height, height, width), ".jpg")
        assert np.array_equal(preprocess(data, TORCHVISION), as_torchvision(data))

    @pytest.mark.parametrize(
        ("name", "side", "kernel"),
        [
            ("torchvision-v2", 232, Image.Resampling.BILINEAR),
            ("timm-0.875", 256, Image.Resampling.BICUBIC),
            ("timm-0.95", 235, Image.Resampling.BICUBIC),
            ("timm-1.0", 224, Image.Resampling.BICUBIC),
        ],
    )
    def test_the_profiles_of_other_weights_to_the_last_bit(self, name, side, kernel):
        for height, width in SIZES[:10]:
            data = encode(smooth(height, height, width), ".jpg")
            expected = as_torchvision(data, side, kernel)
            assert np.array_equal(preprocess(data, find_profile(name)), expected)

    def test_every_kind_of_jpeg(self):
        for name, data in jpegs(97, 130).items():
            assert np.array_equal(preprocess(data, MLPERF), as_the_mlperf_reference(data)), name
            assert np.array_equal(preprocess(data, TORCHVISION), as_torchvision(data)), name

    @pytest.mark.parametrize(("height", "width"), SIZES[:10])
    def test_the_float_bilinear_resize_by_hand(self, height, width):
        """TensorFlow's own op is compared bit for bit in tests/engines."""
        rgb = smooth(height, height, width)
        side = 256 / min(height, width)
        resized = as_bilinear_by_hand(rgb, int(side * height + 1e-9), int(side * width + 1e-9))
        top, left = (resized.shape[0] - 224) // 2, (resized.shape[1] - 224) // 2
        expected = resized[top : top + 224, left : left + 224] - MEANS
        assert np.abs(preprocess_rgb(rgb, TENSORFLOW) - expected).max() < 0.01


class TestGeometry:
    @every_profile
    def test_a_constant_colour_stays_itself(self, profile):
        rgb = np.empty((300, 500, 3), np.uint8)
        rgb[:] = (10, 20, 30)
        image = preprocess(encode(rgb), profile)
        assert image.dtype == np.float32
        assert image.shape == (224, 224, 3)
        assert image.flags.c_contiguous
        assert image.nbytes == IMAGE_BYTES
        level = np.array([10, 20, 30], np.float32) / np.float32(profile.divisor)
        expected = (level - np.float32(profile.means)) / np.float32(profile.stds)
        assert np.array_equal(image, np.broadcast_to(expected, image.shape))

    @pytest.mark.parametrize(
        ("height", "width", "down", "even"),
        [
            (256, 256, (16, 16), (16, 16)),
            (256, 340, (16, 58), (16, 58)),
            (256, 301, (16, 38), (16, 38)),  # 38.5
            (301, 256, (38, 16), (38, 16)),
            (256, 303, (16, 39), (16, 40)),  # 39.5
            (480, 256, (128, 16), (128, 16)),
            (256, 257, (16, 16), (16, 16)),  # 16.5
            (256, 259, (16, 17), (16, 18)),  # 17.5
        ],
    )
    def test_centre_crop_without_a_resize(self, height, width, down, even):
        coded = position_coded(height, width)
        for profile in KINDS.values():
            top, left = even if profile is TORCHVISION else down
            crop = make_crop(encode(coded), profile)
            assert np.array_equal(crop, coded[top : top + 224, left : left + 224]), profile.name

    @every_profile
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
    def test_the_longer_side_is_cut_to_whole_pixels(self, height, width, resized, profile):
        """On a ramp along the longer side the crop tells its place and its scale."""
        along = np.linspace(0, 255, max(height, width))
        ramp = np.repeat(along[None, :] if width >= height else along[:, None], min(height, width),
                         axis=0 if width >= height else 1)  # fmt: skip
        crop = make_crop(encode(np.stack([ramp.astype(np.uint8)] * 3, -1)), profile)
        line = crop[112, :, 0] if width >= height else crop[:, 112, 0]
        longer = max(resized)
        first = (longer - 224) / 2
        assert line[0] == pytest.approx((first + 0.5) / longer * 255, abs=1.6)
        assert line[-1] == pytest.approx((first + 223.5) / longer * 255, abs=1.6)

    def test_halving_takes_the_mean_of_each_two_by_two_block(self):
        rgb = noise(12, 512, 512)
        means = rgb.reshape(256, 2, 256, 2, 3).mean(axis=(1, 3))[16:240, 16:240]
        image = preprocess_rgb(rgb, MLPERF)
        assert np.abs(image + MEANS - means).max() <= 0.5 + 1e-4

    @every_profile
    def test_a_thread_of_an_image_is_unreadable(self, profile):
        data = encode(noise(1, 1, 60_000))
        with pytest.raises(UnreadableImage, match=r"^x: is too narrow: 60000 x 1 pixels$"):
            preprocess(data, profile, "x")


class TestTheInterpretersLock:
    @pytest.mark.parametrize(
        ("owner", "function", "profile"),
        [
            (simplejpeg, "decode_jpeg", MLPERF),
            (cv2, "resize", MLPERF),
            (Image.Image, "resize", TORCHVISION),
        ],
        ids=["decode", "resize by OpenCV", "resize by Pillow"],
    )
    def test_other_threads_run_while_a_library_works(self, owner, function, profile, monkeypatch):
        """A call that kept the lock would end with the count it began with."""
        count = 0
        seen = []
        real = getattr(owner, function)

        def call(*positional, **named):
            before = count
            result = real(*positional, **named)
            seen.append(count - before)
            return result

        data = encode(noise(9, 4000, 4000), ".jpg")
        monkeypatch.setattr(owner, function, call)
        thread = threading.Thread(target=preprocess, args=(data, profile))
        thread.start()
        while thread.is_alive():
            count += 1
        assert len(seen) == 1
        assert seen[0] > 0


class TestVariants:
    DATA = encode(smooth(3, 300, 451), ".jpg")

    @pytest.mark.parametrize("base", KINDS.values(), ids=list(KINDS))
    def test_bgr_is_the_reverse(self, base):
        image = preprocess(self.DATA, find_profile(f"{base.name}/bgr"))
        assert image.flags.c_contiguous
        assert np.array_equal(image, preprocess(self.DATA, base)[:, :, ::-1])

    @pytest.mark.parametrize("base", KINDS.values(), ids=list(KINDS))
    def test_values(self, base):
        crop = make_crop(self.DATA, base).astype(np.float32)
        expected = {
            "no-mean": crop,
            "unit": crop / np.float32(255),
            "symmetric": crop / np.float32(127.5) - 1,
        }
        for change, values in expected.items():
            image = preprocess(self.DATA, find_profile(f"{base.name}/{change}"))
            assert np.array_equal(image, values), change

    def test_standardised(self):
        image = preprocess(self.DATA, find_profile("mlperf/standardised"))
        crop = make_crop(self.DATA, MLPERF) / np.float32(255)
        means, stds = np.float32(TORCHVISION.means), np.float32(TORCHVISION.stds)
        assert np.array_equal(image, (crop - means) / stds)

    def test_squash_shows_the_whole_image(self):
        rgb = smooth(4, 448, 896)
        image = preprocess_rgb(rgb, find_profile("mlperf/squash"))
        expected = cv2.resize(rgb, (224, 224), interpolation=cv2.INTER_AREA)
        assert np.array_equal(image, expected.astype(np.float32) - MEANS)

    def test_no_crop_margin_shows_the_whole_shorter_side(self):
        rgb = smooth(5, 448, 896)
        image = preprocess_rgb(rgb, find_profile("mlperf/no-crop-margin"))
        expected = cv2.resize(rgb, (448, 224), interpolation=cv2.INTER_AREA)[:, 112:336]
        assert np.array_equal(image, expected.astype(np.float32) - MEANS)

    @pytest.mark.parametrize("base", KINDS.values(), ids=list(KINDS))
    def test_every_variant_gives_another_image(self, base):
        seen = {preprocess(self.DATA, base).tobytes()}
        for variant in list_variants(base):
            image = preprocess(self.DATA, find_profile(variant.profile_name))
            assert np.isfinite(image).all()
            assert image.tobytes() not in seen, variant
            seen.add(image.tobytes())


class TestInto:
    @every_profile
    def test_a_slot_of_a_batch(self, profile):
        batch = np.full((3, 224, 224, 3), 7, np.float32)
        data = encode(smooth(6, 260, 300), ".jpg")
        preprocess_into(data, profile, batch[1])
        assert np.array_equal(batch[1], preprocess(data, profile))
        assert (batch[[0, 2]] == 7).all()

    @every_profile
    def test_an_unreadable_image_leaves_the_slot_as_it_was(self, profile):
        slot = np.full((224, 224, 3), 7, np.float32)
        with pytest.raises(UnreadableImage):
            preprocess_into(b"garbage", profile, slot, "x")
        assert (slot == 7).all()

    @every_profile
    @pytest.mark.parametrize(
        "out",
        [
            np.empty((224, 224, 3), np.float64),
            np.empty((223, 224, 3), np.float32),
            np.empty((3, 224, 224), np.float32).transpose(1, 2, 0),
        ],
    )
    def test_a_slot_that_cannot_be_written_is_refused(self, profile, out):
        with pytest.raises(ValueError, match="not contiguous float32"):
            preprocess_into(encode(noise(7, 256, 256)), profile, out)

    @every_profile
    def test_many_threads_at_once(self, profile):
        files = [encode(smooth(k, 230 + 9 * k, 300), ".jpg") for k in range(6)]
        expected = [preprocess(data, profile) for data in files]
        batch = np.empty((48, 224, 224, 3), np.float32)

        def fill(start: int) -> None:
            for position in range(start, 48, 4):
                preprocess_into(files[position % 6], profile, batch[position])

        threads = [threading.Thread(target=fill, args=(start,)) for start in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for position in range(48):
            assert np.array_equal(batch[position], expected[position % 6])


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


GOLDEN = json.loads(Path(__file__).with_name("golden_jpegs.json").read_text())
"""JPEG files, since encoders differ, and the SHA-256 of the float32 image each profile makes."""


class TestGolden:
    @every_profile
    @pytest.mark.parametrize("name", GOLDEN)
    def test_values(self, name, profile):
        image = preprocess(base64.b64decode(GOLDEN[name]["jpeg"]), profile)
        assert hashlib.sha256(image.tobytes()).hexdigest() == GOLDEN[name]["sha256"][profile.name]

    @pytest.mark.parametrize("name", GOLDEN)
    def test_they_are_what_the_references_give(self, name):
        data = base64.b64decode(GOLDEN[name]["jpeg"])
        references = {"mlperf": as_the_mlperf_reference(data), "torchvision": as_torchvision(data)}
        for profile, image in references.items():
            assert hashlib.sha256(image.tobytes()).hexdigest() == GOLDEN[name]["sha256"][profile]
