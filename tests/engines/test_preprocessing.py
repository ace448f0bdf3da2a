"""The profile `tensorflow` beside TensorFlow's own ops, and TensorFlow's decoder beside ours."""

import base64
import json
from pathlib import Path

import numpy as np
import pytest
from tests.images import encode, jpegs, noise, smooth, with_exif_orientation

from resnet50_bench.data.decode import decode_rgb
from resnet50_bench.data.preprocess import preprocess
from resnet50_bench.data.profiles import MLPERF, TENSORFLOW

pytestmark = pytest.mark.tensorflow

tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")

GOLDEN = json.loads((Path(__file__).parents[1] / "unit/data/golden_jpegs.json").read_text())


def as_the_model_zoo(data):
    """eval_image of the zoo's preprocessing.py with resize_method "crop"."""
    image = tf.image.decode_jpeg(data, channels=3, fancy_upscaling=False, dct_method="INTEGER_FAST")
    height, width = tf.shape(image)[0], tf.shape(image)[1]
    size = [256, 256 * width / height] if height < width else [256 * height / width, 256]
    image = tf.image.resize(image, tf.convert_to_tensor(size, dtype=tf.int32))
    top, left = (tf.shape(image)[0] - 224) // 2, (tf.shape(image)[1] - 224) // 2
    image = tf.image.crop_to_bounding_box(image, top, left, 224, 224)
    return (image - tf.constant([123.68, 116.78, 103.94])).numpy()


@pytest.mark.parametrize(
    ("height", "width"),
    [(256, 256), (512, 512), (375, 500), (500, 375), (224, 224), (100, 150), (257, 256), (9, 7),
     (1, 1), (61, 903), (903, 61)],
)  # fmt: skip
def test_the_same_values_to_the_last_bit(height, width):
    data = encode(smooth(height, height, width), ".jpg")
    assert np.array_equal(preprocess(data, TENSORFLOW), as_the_model_zoo(data))


@pytest.mark.parametrize("seed", range(30))
def test_at_any_size(seed):
    height, width = np.random.default_rng(seed).integers(20, 900, 2)
    data = encode(noise(seed, height, width), ".jpg")
    assert np.array_equal(preprocess(data, TENSORFLOW), as_the_model_zoo(data))


def test_every_kind_of_jpeg_and_png():
    files = {**jpegs(97, 130), "png": encode(noise(1, 50, 60))}
    files["turned"] = with_exif_orientation(files["0-92-221111"], 6)
    for name, data in files.items():
        assert np.array_equal(preprocess(data, TENSORFLOW), as_the_model_zoo(data)), name


@pytest.mark.parametrize("name", GOLDEN)
def test_the_stored_jpegs(name):
    data = base64.b64decode(GOLDEN[name]["jpeg"])
    bound = 1.0 if name == "cmyk" else 0.0  # OpenCV converts it, TensorFlow rounds differently
    assert np.abs(preprocess(data, TENSORFLOW) - as_the_model_zoo(data)).max() <= bound


def test_the_accurate_decoding_is_tensorflows_too():
    for name, data in jpegs(97, 130).items():
        decoded = tf.io.decode_jpeg(data, channels=3, dct_method="INTEGER_ACCURATE").numpy()
        assert np.array_equal(decode_rgb(data, name, MLPERF), decoded), name
