from __future__ import annotations

import numpy as np
import pytest

from resnet50_bench.data.dummy import make_dummy_pool
from resnet50_bench.data.pool import MAX_POOL_BYTES, plan_pool_batches
from resnet50_bench.data.profiles import IMAGE_BYTES

MEANS = np.array([123.68, 116.78, 103.94], dtype=np.float32)


@pytest.mark.parametrize(
    ("batch_size", "batches"),
    [
        (1, 128),
        (2, 64),
        (3, 43),
        (32, 4),
        (64, 4),
        (222, 4),
        (223, 3),
        (256, 3),
        (448, 2),
        (2000, 2),
    ],
)
def test_pool_size(batch_size, batches):
    assert plan_pool_batches(batch_size) == batches


def test_pool_stays_within_its_memory_while_it_has_more_than_two_batches():
    for batch_size in range(1, 600):
        batches = plan_pool_batches(batch_size)
        assert batches == 2 or batches * batch_size * IMAGE_BYTES <= MAX_POOL_BYTES
        assert batches * batch_size >= 128


@pytest.fixture(scope="module")
def pool():
    return make_dummy_pool(batch_size=16, batches=4, seed=11)


def test_batches_are_contiguous_float32_nhwc(pool):
    assert len(pool) == 4
    for batch in pool:
        assert batch.shape == (16, 224, 224, 3)
        assert batch.dtype == np.float32
        assert batch.flags.c_contiguous


def test_values_are_whole_levels_less_the_means(pool):
    for batch in pool:
        levels = np.rint(batch + MEANS)
        assert np.array_equal(levels - MEANS, batch)
        assert levels.min() == 0
        assert levels.max() == 255


def test_no_value_is_zero_or_denormal(pool):
    for batch in pool:
        assert np.abs(batch).min() >= np.float32(0.05)


def test_all_images_differ(pool):
    images = {image.tobytes() for batch in pool for image in batch}
    assert len(images) == 64
    levels = np.concatenate(pool).reshape(64, -1)
    between = [np.abs(levels[k] - levels[k + 1]).mean() for k in range(63)]
    assert min(between) > 10


def test_images_look_like_photographs_to_the_statistics(pool):
    """Strong low frequencies, weak texture, no large saturated part, all channels alive."""
    levels = np.concatenate(pool) + MEANS
    assert 40 < levels.std() < 90
    assert 0.5 < np.abs(np.diff(levels, axis=2)).mean() < 20
    saturated = (levels < 0.5) | (levels > 254.5)
    assert saturated.mean() < 0.15
    assert (levels.std(axis=(1, 2)) > 10).all()
    assert np.abs(levels[..., 0] - levels[..., 2]).mean() > 5


def test_the_seed_decides():
    first = make_dummy_pool(2, 2, seed=5)
    again = make_dummy_pool(2, 2, seed=5)
    other = make_dummy_pool(2, 2, seed=6)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(first, other, strict=True))
