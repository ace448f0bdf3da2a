"""What the tests of this folder do less of on an emulated CPU, where an image takes a second.

`make test-avx2` is about the operations this CPU gets, which are the same for few images. Thin
graphs, each compared on 128 images as in a real preparation, would take it hours.
"""

from __future__ import annotations

import os

import pytest

from resnet50_bench.model import toolchain

EMULATED = "R50_TEST_AVX2" in os.environ
"""Set by `python -m tests.avx2`."""

CALIBRATION_IMAGES = 16 if EMULATED else 32
"""Images that int8 is calibrated with: two batches at least."""

HELD_OUT_IMAGES = 16 if EMULATED else toolchain.HELD_OUT_IMAGES
"""Images that a rounded graph is compared on."""

EXACT_IMAGES = 4 if EMULATED else toolchain.EXACT_IMAGES
"""Images that a float32 graph is compared on."""

CHECKED_IMAGES = 2 if EMULATED else toolchain.CHECKED_IMAGES
"""Images of those on which each layer is compared."""


def compare_on_fewer_images() -> None:
    """Have preparations in this process use the numbers above."""
    toolchain.HELD_OUT_IMAGES = HELD_OUT_IMAGES
    toolchain.EXACT_IMAGES = EXACT_IMAGES
    toolchain.CHECKED_IMAGES = CHECKED_IMAGES


def skip_if_emulated(work: str) -> None:
    """Skip a test for what it would have to compute."""
    if EMULATED:
        pytest.skip(f"{work}: too long on an emulated CPU")
