"""Generated JPEGs as large, and as hard to decode, as ImageNet's photographs."""

from __future__ import annotations

import numpy as np
import simplejpeg

IMAGES = 40
HEIGHT, WIDTH = 375, 500  # the commonest size in ImageNet's validation set


def make_photos() -> list[bytes]:
    """Return JPEGs with the spectrum of photographs (1/f amplitudes), of about 110 kB each."""
    generator = np.random.default_rng(0)
    rows, columns = np.fft.fftfreq(HEIGHT)[:, None], np.fft.rfftfreq(WIDTH)[None, :]
    frequency = np.maximum(np.hypot(rows, columns), 1 / WIDTH)[..., None]
    photos = []
    for _ in range(IMAGES):
        white = generator.standard_normal((HEIGHT, WIDTH, 3))
        white += 2 * white[:, :, :1]
        pink = np.fft.irfft2(np.fft.rfft2(white, axes=(0, 1)) / frequency, (HEIGHT, WIDTH), (0, 1))
        pixels = np.clip(128 + pink / pink.std() * 55, 0, 255).astype(np.uint8)
        photos.append(simplejpeg.encode_jpeg(pixels, quality=88, colorsubsampling="420"))
    return photos
