"""Preprocessing profiles: how an image becomes the model's input; plain data, no imports."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One way to turn a decoded image into the model's input.

    Attributes:
        name: as the user writes it.
        resize_side: pixels of the shorter side after the resize; the aspect ratio is kept.
        crop_side: pixels of each side of the centre crop.
        means: subtracted from the red, green and blue values, which range from 0 to 255.
        source: where the numbers come from.

    """

    name: str
    resize_side: int
    crop_side: int
    means: tuple[float, float, float]
    source: str


MLPERF = Profile(
    name="mlperf",
    resize_side=256,  # int(100 * 224 / 87.5)
    crop_side=224,
    means=(123.68, 116.78, 103.94),
    source=(
        "mlcommons/inference, vision/classification_and_detection/python/dataset.py, "
        "pre_process_vgg: AREA resize of the shorter side to 256, centre crop 224, means subtracted"
    ),
)
"""The preprocessing resnet50_v1.pb is evaluated with: 76.456 % top-1 on the 50,000 images."""

PROFILES: dict[str, Profile] = {MLPERF.name: MLPERF}
"""Profile name -> profile."""

IMAGE_BYTES = MLPERF.crop_side * MLPERF.crop_side * 3 * 4
"""Bytes of one prepared image: float32 `(224, 224, 3)`."""


@dataclass(frozen=True, slots=True)
class Variant:
    """Stub."""

    name: str
    profile_name: str
    cause: str


def list_variants(profile: str) -> tuple[Variant, ...]:
    """Stub."""
    return ()
