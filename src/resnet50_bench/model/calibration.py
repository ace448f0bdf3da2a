"""Which images calibrate int8: chosen and identified without decoding any, and no framework."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from resnet50_bench.data.sources import ImageRef, open_source
from resnet50_bench.errors import DatasetError, ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from resnet50_bench.data.sources import ImageSource

CALIBRATION_VERSION = 1
"""Raised whenever the same request would choose or generate other images, or other ranges."""

DEFAULT_IMAGES = 128
MAX_IMAGES = 500
MIN_FOUND_IMAGES = 4
HELD_OUT_IMAGES = 128
"""Images the prepared graph is compared on with its source; none of them calibrates. With as many
the interval of what is kept is about 0.05 either way at 0.95 (docs/precisions.md)."""

GENERATED_IMAGES = "generated images"
DATASET_IMAGES = "dataset"


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationRequest:
    """The images asked for; precisions that need none ignore it.

    Attributes:
        dataset: a folder of images or an uncompressed tar of them; None generates images.
        images: how many to calibrate with, 2..500; a smaller dataset gives all it has.
        seed: chooses the dataset's images, or draws the generated ones.
        preprocessing: name of the profile of the images; None for the one that models of
            so many classes were trained with.
        listed: the dataset's images, where they are listed already.
    """

    dataset: Path | None = None
    images: int = DEFAULT_IMAGES
    seed: int = 0
    preprocessing: str | None = None
    listed: tuple[ImageRef, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationIdentity:
    """What identifies a set of calibration images.

    Attributes:
        kind: `generated images` or `dataset`.
        images: how many calibrate.
        seed: of the choice or of the generator.
        version: of the choice, the generator and the statistics.
        names_sha256: of the chosen images' names and sizes; None for generated ones.
        preprocessing: as in the request.
    """

    kind: str
    images: int
    seed: int
    version: int = CALIBRATION_VERSION
    names_sha256: str | None = None
    preprocessing: str | None = None

    @classmethod
    def generated(cls) -> CalibrationIdentity:
        """No images to calibrate with; what is drawn to compare on is preprocessed by name."""
        return cls(kind=GENERATED_IMAGES, images=0, seed=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationSet:
    """The images chosen.

    Attributes:
        identity: what identifies them.
        dataset: where they are; None for generated ones.
        refs: those that calibrate.
        held_out: those the prepared graph is compared on.
    """

    identity: CalibrationIdentity
    dataset: str | None = None
    refs: tuple[ImageRef, ...] = ()
    held_out: tuple[ImageRef, ...] = ()


def select_calibration(request: CalibrationRequest) -> CalibrationSet:
    """Choose the images; a dataset is listed, and none of its images is read.

    A dataset's images are put in the order of a hash of seed and name, which is a shuffle that
    does not depend on any library's random numbers; the last of those taken are held out.

    Raises:
        ModelError: the number of images is out of range, or the dataset is unusable.
    """
    if not 2 <= request.images <= MAX_IMAGES:
        raise ModelError(
            f"calibration images: {request.images}: int8 is calibrated with 2 to {MAX_IMAGES}"
        )
    if request.dataset is None:
        identity = CalibrationIdentity(
            kind=GENERATED_IMAGES,
            images=request.images,
            seed=request.seed,
            preprocessing=request.preprocessing,
        )
        return CalibrationSet(identity=identity)
    listed = (
        request.listed
        if request.listed is not None
        else list_calibration(request.dataset, open_source)
    )
    found = sorted(listed, key=lambda ref: _rank(request.seed, ref))
    taken = found[: request.images + HELD_OUT_IMAGES]
    spare = max(len(taken) // MIN_FOUND_IMAGES, len(taken) - request.images)
    held_out_count = min(HELD_OUT_IMAGES, spare)
    refs, held_out = taken[:-held_out_count], taken[-held_out_count:]
    refs = refs[: request.images]
    identity = CalibrationIdentity(
        kind=DATASET_IMAGES,
        images=len(refs),
        seed=request.seed,
        names_sha256=_hash_refs(refs),
        preprocessing=request.preprocessing,
    )
    return CalibrationSet(
        identity=identity,
        dataset=str(request.dataset),
        refs=tuple(refs),
        held_out=tuple(held_out),
    )


def list_calibration(
    path: Path, open_images: Callable[[Path], ImageSource]
) -> tuple[ImageRef, ...]:
    """List the images named by `--calibration`.

    Raises:
        ModelError: they cannot be listed, or are too few.
    """
    try:
        refs = open_images(path).refs
    except DatasetError as error:
        # The images' source is a dataset, and its errors name that flag.
        advice = error.advice and error.advice.replace("--dataset", "--calibration")
        message = error.message.replace("--dataset", "--calibration")
        raise ModelError(message, advice) from error
    if len(refs) < MIN_FOUND_IMAGES:
        raise ModelError(
            f"--calibration {path}: holds {len(refs)} images, and calibration needs at least "
            f"{MIN_FOUND_IMAGES}",
            f"give --calibration a few hundred images; {DEFAULT_IMAGES} of them are used",
        )
    return refs


def _rank(seed: int, ref: ImageRef) -> bytes:
    return hashlib.sha256(f"{seed}\n{ref.name}".encode()).digest()


def _hash_refs(refs: Iterable[ImageRef]) -> str:
    digest = hashlib.sha256()
    for ref in refs:
        digest.update(f"{ref.name}\n{ref.size_bytes}\n".encode())
    return digest.hexdigest()
