"""Seeded inputs that look like preprocessed photographs, for calibration and for comparisons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from resnet50_bench.engines.base import Images

SIDE = 224
"""Height and width of an input image, in pixels."""

CHANNEL_MEANS = (123.68, 116.78, 103.94)
"""R, G, B means subtracted by the published model's preprocessing, in 0..255 units."""


def plan_probe_images(count: int, seed: int | tuple[int, ...]) -> Images:
    """Draw `count` images: float32 `(count, 224, 224, 3)`, RGB, channel means subtracted.

    Each has its own background gradient, a dozen flat rectangles (edges at all scales, as objects
    have), two gratings (texture) and grain, clipped to 0..255 before the means are subtracted:
    images differ in brightness, contrast and colour, so that a network tells them apart. Every
    fourth is mostly grain, so that a model calibrated on them stays sane on noise too.
    """
    rng = np.random.default_rng(seed)
    grains = [(30, 90) if index % 4 == 3 else (1, 8) for index in range(count)]
    images = np.stack([_draw_image(rng, rng.uniform(*grain)) for grain in grains])
    means: Images = np.asarray(CHANNEL_MEANS, dtype=np.float32)
    centred: Images = np.subtract(images, means, dtype=np.float32)
    return centred


def _draw_image(rng: np.random.Generator, grain: float) -> Images:
    rows, columns = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) / SIDE
    slope = rng.uniform(-90, 90, size=(2, 3))
    image = (
        rng.uniform(30, 225, size=3) + rows[..., None] * slope[0] + columns[..., None] * slope[1]
    )
    for _ in range(12):
        top, left = rng.integers(0, SIDE - 8, size=2)
        height, width = rng.integers(8, SIDE // 2, size=2)
        image[top : top + height, left : left + width] = rng.uniform(0, 255, size=3)
    for _ in range(2):
        across, down = rng.uniform(-60, 60, size=2)
        wave = np.sin(2 * np.pi * (across * columns + down * rows) + rng.uniform(0, 2 * np.pi))
        image += wave[..., None] * rng.uniform(0, 40, size=3)
    image += rng.normal(0, grain, size=image.shape)
    clipped: Images = np.clip(image, 0, 255).astype(np.float32)
    return clipped
