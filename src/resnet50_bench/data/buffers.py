"""Memory for images, placed so that a runtime can read it where it lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from resnet50_bench.data.profiles import IMAGE_BYTES, MLPERF

if TYPE_CHECKING:
    from resnet50_bench.engines.base import Images

ALIGNMENT_BYTES = 64
"""TensorFlow copies a fed array that does not begin at a multiple of this (EIGEN_MAX_ALIGN_BYTES
with AVX-512). An image is a whole number of these, so every batch of an aligned pool is aligned."""


def empty_images(count: int) -> Images:
    """Return uninitialised float32 `(count, 224, 224, 3)` beginning at a 64-byte boundary."""
    raw = np.empty(count * IMAGE_BYTES + ALIGNMENT_BYTES, dtype=np.uint8)
    first = -raw.ctypes.data % ALIGNMENT_BYTES
    side = MLPERF.crop_side
    images = raw[first : first + count * IMAGE_BYTES].view(np.float32)
    return images.reshape(count, side, side, 3)
