from __future__ import annotations

import numpy as np

from resnet50_bench.data.buffers import empty_images
from resnet50_bench.data.feed import make_dummy_feed


def test_images_begin_at_a_64_byte_boundary() -> None:
    for count in (1, 2, 3, 7):
        images = empty_images(count)
        assert images.ctypes.data % 64 == 0
        assert (images.shape, images.dtype) == ((count, 224, 224, 3), np.float32)
        assert images.flags.c_contiguous
        assert images.flags.writeable


def test_every_image_of_a_buffer_is_aligned() -> None:
    images = empty_images(5)
    assert [images[k:].ctypes.data % 64 for k in range(5)] == [0] * 5


def test_every_batch_of_a_feed_is_aligned() -> None:
    feed = make_dummy_feed(3, seed=1, instance=0)
    assert {batch.ctypes.data % 64 for batch in feed.batches} == {0}
