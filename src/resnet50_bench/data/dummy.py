"""Generated images: seeded, image-like, all different, in the model's real input range.

Constant or identical inputs can be faster than real ones: caches hit, and values near zero become
denormals inside the network. These images have the strong low frequencies and weak texture of
photographs and the 256 levels of decoded ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from resnet50_bench.data.buffers import empty_images
from resnet50_bench.data.profiles import MLPERF

if TYPE_CHECKING:
    from resnet50_bench.engines.base import Images

_SIDE = MLPERF.crop_side
_WAVES = 12
_STRIPS = 4
_BRIGHTNESS_STD = 38.0
_COLOUR_STD = 12.0
_TEXTURE_STD = 6.0


def make_dummy_pool(batch_size: int, batches: int, seed: int | tuple[int, ...]) -> list[Images]:
    """Generate batches of distinct image-like inputs.

    The same seed gives the same pool with the same numpy on the same kind of CPU.

    Args:
        batch_size: images per batch.
        batches: number of batches.
        seed: entropy of the generator, non-negative.

    Returns:
        `batches` contiguous float32 arrays `(batch_size, 224, 224, 3)`: whole numbers from 0 to
        255 less the channel means, so no value is zero or denormal.

    """
    generator = np.random.default_rng(seed)
    waves = _cosine_basis()
    means = np.array(MLPERF.means, dtype=np.float32)
    pool: list[Images] = []
    for _ in range(batches):
        batch = empty_images(batch_size)
        for image in batch:
            for channel, levels in enumerate(_make_levels(generator, waves)):
                np.subtract(levels, means[channel], out=image[..., channel])
        pool.append(batch)
    return pool


def _cosine_basis() -> npt.NDArray[np.float32]:
    """Return `(224, _WAVES)` cosines, one frequency a column, the constant first (DCT-II)."""
    position = (np.arange(_SIDE)[:, None] + 0.5) / _SIDE
    return np.cos(np.pi * position * np.arange(_WAVES)).astype(np.float32)


def _make_levels(
    generator: np.random.Generator, waves: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Return one image, float32 `(3, 224, 224)`: whole numbers from 0 to 255.

    Amplitudes fall with the frequency, as in natural images (Field 1987, J. Opt. Soc. Am. A 4:
    1/f); brightness varies more than colour.
    """
    frequency = np.hypot(*np.meshgrid(np.arange(_WAVES), np.arange(_WAVES)))
    amplitude = 1 / np.maximum(frequency, 1)
    brightness = generator.standard_normal((1, _WAVES, _WAVES)) * _BRIGHTNESS_STD
    colour = generator.standard_normal((3, _WAVES, _WAVES)) * _COLOUR_STD
    coefficients = ((brightness + colour) * amplitude).astype(np.float32)
    # In strips: BLAS would wake a thread on every core for the whole.
    strips = (waves @ coefficients).reshape(3, _STRIPS, _SIDE // _STRIPS, _WAVES)
    levels = np.asarray(strips @ waves.T, np.float32).reshape(3, _SIDE, _SIDE)
    levels += 128
    levels += generator.standard_normal((_SIDE, _SIDE), dtype=np.float32) * _TEXTURE_STD
    np.rint(levels, out=levels)
    np.clip(levels, 0, 255, out=levels)
    return levels
