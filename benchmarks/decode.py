"""Which JPEG decoder is the quickest on one core: `python benchmarks/decode.py [FOLDER]`.

Without a folder of JPEGs it generates 40 photo-like ones of ImageNet's median size. It compares
(a) decoding alone, and (b) all of each profile's preprocessing beside the same steps written with
the reference's own library; and it tells (c) how long Python itself holds its lock per image, and
(d) how many images/s two threads preprocess on two cores beside one thread on one.

Candidates take turns in each round; medians over rounds are printed, for (d) the best rounds. Run
it on a quiet machine; it takes about a minute. TensorFlow is compared where it is installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import os
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import cv2
import numpy as np
import simplejpeg
from PIL import Image

from photos import make_photos
from resnet50_bench.data import decode, preprocess
from resnet50_bench.data.profiles import MLPERF, PROFILES, TORCHVISION

Candidate = Callable[[bytes], object]

MEANS = np.float32([123.68, 116.78, 103.94])
THREADED_S = 0.5


def by_opencv(data: bytes) -> np.ndarray:
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def by_pillow(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def by_pillow_draft(data: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(data))
    image.draft("RGB", (256, 256))
    return np.asarray(image.convert("RGB"))


def decoders() -> dict[str, Candidate]:
    return {
        "simplejpeg": lambda data: simplejpeg.decode_jpeg(data, "RGB"),
        "simplejpeg, fast DCT": lambda data: simplejpeg.decode_jpeg(
            data, "RGB", fastdct=True, fastupsample=True
        ),
        "OpenCV": by_opencv,
        "Pillow": by_pillow,
        "Pillow, draft (fewer pixels)": by_pillow_draft,
    }


def mlperf_by_opencv(data: bytes) -> np.ndarray:
    image = by_opencv(data)
    height, width = image.shape[:2]
    size = (256, int(256 * height / width)) if height > width else (int(256 * width / height), 256)
    image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    top, left = (size[1] - 224) // 2, (size[0] - 224) // 2
    return image[top : top + 224, left : left + 224].astype(np.float32) - MEANS


def torchvision_by_pillow(data: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(data)).convert("RGB")
    width, height = image.size
    size = (256, int(256 * height / width)) if height > width else (int(256 * width / height), 256)
    image = image.resize(size, Image.Resampling.BILINEAR)
    left, top = round((size[0] - 224) / 2), round((size[1] - 224) / 2)
    values = np.asarray(image.crop((left, top, left + 224, top + 224))).astype(np.float32)
    values = values / np.float32(255) - np.float32(TORCHVISION.means)
    return values / np.float32(TORCHVISION.stds)


def whole_profiles() -> dict[str, Candidate]:
    out = np.empty((224, 224, 3), np.float32)
    ours: dict[str, Candidate] = {
        name: lambda data, profile=profile: preprocess.preprocess_into(data, profile, out)
        for name, profile in PROFILES.items()
    }
    return {
        **ours,
        "mlperf by OpenCV alone": mlperf_by_opencv,
        "torchvision by Pillow alone": torchvision_by_pillow,
    }


def add_tensorflow(alone: dict[str, Candidate], whole: dict[str, Candidate]) -> None:
    """Add TensorFlow's ops, on the one core this process is pinned to."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    fast = {"channels": 3, "fancy_upscaling": False, "dct_method": "INTEGER_FAST"}
    alone["TensorFlow, accurate DCT"] = lambda data: tf.io.decode_jpeg(
        data, channels=3, dct_method="INTEGER_ACCURATE"
    )
    alone["TensorFlow, fast DCT"] = lambda data: tf.io.decode_jpeg(data, **fast)

    @tf.function(input_signature=[tf.TensorSpec([], tf.string)])
    def zoo(data: tf.Tensor) -> tf.Tensor:
        image = tf.io.decode_jpeg(data, **fast)
        height, width = tf.shape(image)[0], tf.shape(image)[1]
        shorter = tf.minimum(height, width)
        size = tf.cast([256 * height / shorter, 256 * width / shorter], tf.int32)
        image = tf.image.resize(image, size)
        image = tf.image.crop_to_bounding_box(
            image, (size[0] - 224) // 2, (size[1] - 224) // 2, 224, 224
        )
        return image - MEANS

    whole["tensorflow by TensorFlow's ops"] = zoo


def measure(candidates: dict[str, Candidate], photos: list[bytes], rounds: int) -> dict[str, float]:
    """Return the median microseconds per image of each candidate."""
    spent: dict[str, list[float]] = {name: [] for name in candidates}
    for number in range(rounds + 1):
        for name, call in candidates.items():
            begin = time.perf_counter()
            for data in photos:
                call(data)
            if number:  # the first round warms up
                spent[name].append((time.perf_counter() - begin) / len(photos) * 1e6)
    return {name: statistics.median(values) for name, values in spent.items()}


def show(title: str, found: dict[str, float], base: str) -> None:
    print(title)
    for name, spent_us in found.items():
        ratio = found[base] / spent_us
        print(f"  {name:32}{spent_us:8.0f} us{1e6 / spent_us:8.0f} images/s  {ratio:5.2f} x {base}")


def python_alone(photos: list[bytes], rounds: int) -> float:
    """Return microseconds per image of `preprocess_into` when the libraries take no time."""
    pixels, resized = np.zeros((375, 500, 3), np.uint8), np.zeros((240, 290, 3), np.uint8)
    out = np.empty((224, 224, 3), np.float32)

    def decoded(*_: object, **__: object) -> np.ndarray:
        return pixels

    def shrunk(*_: object, **__: object) -> np.ndarray:
        return resized

    with (
        mock.patch.object(decode.simplejpeg, "decode_jpeg", decoded),
        mock.patch.object(preprocess.cv2, "resize", shrunk),
        mock.patch.object(preprocess.cv2, "LUT", shrunk),
    ):
        spent = measure({"": lambda d: preprocess.preprocess_into(d, MLPERF, out)}, photos, rounds)
    return spent[""]


def count_threaded(photos: list[bytes], threads: int, profile: decode.Profile) -> float:
    """Return images/s of several threads, each writing to its own slot."""
    counts = [0] * threads
    end = time.perf_counter() + THREADED_S

    def work(index: int) -> None:
        out = np.empty((224, 224, 3), np.float32)
        while time.perf_counter() < end:
            preprocess.preprocess_into(photos[counts[index] % len(photos)], profile, out)
            counts[index] += 1

    running = [threading.Thread(target=work, args=(index,)) for index in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return sum(counts) / THREADED_S


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, help="JPEGs to decode")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[-1:])
    cv2.setNumThreads(1)
    if arguments.folder is None:
        photos = make_photos()
    else:
        files = sorted(arguments.folder.rglob("*.[jJ]*[gG]"))
        photos = [path.read_bytes() for path in files]
    sizes = statistics.median(len(data) for data in photos)
    print(
        f"{len(photos)} JPEGs, median {sizes / 1000:.0f} kB; core {cores[-1]}; "
        f"load before {os.getloadavg()[0]:.1f}"
    )
    alone, whole = decoders(), whole_profiles()
    if importlib.util.find_spec("tensorflow"):
        add_tensorflow(alone, whole)
    show("(a) decoding alone", measure(alone, photos, arguments.rounds), "OpenCV")
    show("(b) whole profiles", measure(whole, photos, arguments.rounds), "mlperf by OpenCV alone")
    print(f"(c) Python itself: {python_alone(photos, arguments.rounds):.0f} us per image")
    if len(cores) < 2:
        return
    for name, profile in PROFILES.items():
        best = {1: 0.0, 2: 0.0}
        for _ in range(arguments.rounds):
            for threads in (1, 2):
                os.sched_setaffinity(0, cores[-threads:])
                best[threads] = max(best[threads], count_threaded(photos, threads, profile))
        print(f"(d) two threads on two cores beside one, {name}: {best[2] / best[1]:.2f} x")


if __name__ == "__main__":
    main()
