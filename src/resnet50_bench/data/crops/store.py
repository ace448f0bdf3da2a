"""A cache of preprocessed crops: one file of bytes that later runs map instead of decoding.

    <folder>/<profile>-<key>/crops.u8     uint8 (images, 224, 224, 3), RGB, in the source's order
    <folder>/<profile>-<key>/crops.json   what they were made from, and the unreadable images

The key changes with the source's content, the profile and `PREPROCESSING_VERSION`, so that crops
of other images or of an older preprocessing are never found. The parent looks for crops with this
module, so numpy is imported only where a worker opens them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from resnet50_bench.data.profiles import (
    MLPERF,
    PREPROCESSING_VERSION,
    find_pixel_twin,
    find_profile,
)
from resnet50_bench.data.sources import UnreadableImage
from resnet50_bench.errors import DatasetError
from resnet50_bench.files.paths import is_folder

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from resnet50_bench.data.preprocess import Image
    from resnet50_bench.data.profiles import Profile
    from resnet50_bench.data.sources import ImageSource

CROP_BYTES = MLPERF.crop_side * MLPERF.crop_side * 3
"""Bytes of one stored crop: 7.5 GB for the 50,000 images."""

PIXELS_FILE = "crops.u8"
MANIFEST_FILE = "crops.json"
FORMAT_VERSION = 1

_KEY_DIGITS = 16


class UnreadableCrop(msgspec.Struct, frozen=True, kw_only=True):
    """An image of the source that has no crop; its bytes in the file are zeros.

    Attributes:
        index: its place in the source, from 0.
        name: its name in the source.
        reason: what is wrong with it.

    """

    index: int
    name: str
    reason: str


class CropsManifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a file of crops holds.

    Attributes:
        format_version: of these files.
        preprocessing: name of the profile.
        preprocessing_version: `PREPROCESSING_VERSION` when they were made.
        source: the source in one line.
        fingerprint: of the source's content, see `ImageSource.fingerprint`.
        names_sha256: of the names in the source's order.
        images: how many crops the file holds, the unreadable ones included.
        unreadable: the images without a crop.
        libraries: name -> version of what decoded and resized them.

    """

    format_version: int
    preprocessing: str
    preprocessing_version: int
    source: str
    fingerprint: str
    names_sha256: str
    images: int
    unreadable: tuple[UnreadableCrop, ...]
    libraries: dict[str, str]


@dataclass(frozen=True, slots=True)
class Crops:
    """Crops that are complete and belong to a source.

    Attributes:
        path: their folder, for `open_crops`.
        manifest: what they are.

    """

    path: Path
    manifest: CropsManifest


class CropReader:
    """Crops mapped into memory, read-only; safe to use from several threads."""

    def __init__(
        self, pixels: npt.NDArray[np.uint8], manifest: CropsManifest, profile: Profile
    ) -> None:
        from resnet50_bench.data.preprocess import normalise_into

        self._pixels = pixels
        self._profile = profile
        self._unreadable = {item.index: item for item in manifest.unreadable}
        self._normalise = normalise_into

    def __len__(self) -> int:
        return len(self._pixels)

    def load_into(self, index: int, out: Image) -> None:
        """Write an image as `preprocess_into` would, bit for bit.

        Args:
            index: the image's place in the source's `refs`, from 0.
            out: float32 `(224, 224, 3)`, contiguous; unchanged when an error is raised.

        Raises:
            UnreadableImage: the image had no crop, for the reason found when they were made.
            IndexError: the source has no such image.
            ValueError: `out` is not such an array.

        """
        if not 0 <= index < len(self._pixels):
            raise IndexError(f"image {index} of {len(self._pixels)}")
        if (found := self._unreadable.get(index)) is not None:
            raise UnreadableImage(found.name, found.reason)
        self._normalise(self._pixels[index], self._profile, out)


def plan_crops_folder(cache_dir: Path) -> Path:
    """Return where crops are kept, beside the models.

    Args:
        cache_dir: `model.cache.default_cache_dir`.

    """
    return cache_dir.with_name("crops")


def plan_crops_path(folder: Path, fingerprint: str, profile: Profile) -> Path:
    """Return the folder of one source's crops with one profile."""
    parts = (fingerprint, profile.name, str(PREPROCESSING_VERSION), str(FORMAT_VERSION))
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:_KEY_DIGITS]
    return folder / f"{profile.name.replace('/', '-')}-{key}"


def find_crops(folder: Path, source: ImageSource, preprocessing: str) -> Crops | None:
    """Return the crops of a source; None when there are none.

    A variant that only changes channels or values finds its profile's crops.

    Args:
        folder: see `plan_crops_folder`.
        source: all of its images; not a part of them.
        preprocessing: name of a profile or variant.

    Raises:
        DatasetError: they are there, but damaged.

    """
    twin = find_pixel_twin(find_profile(preprocessing))
    if not twin.is_uint8_exact or not is_folder(folder):
        return None
    path = plan_crops_path(folder, source.fingerprint(), twin)
    return Crops(path, read_manifest(path)) if path.is_dir() else None


def open_crops(path: Path, preprocessing: str | None = None) -> CropReader:
    """Map crops into memory.

    Args:
        path: `Crops.path`.
        preprocessing: the profile or variant asked for; None stands for the crops' own profile.

    Raises:
        DatasetError: they are missing, damaged, or of another preprocessing's pixels.

    """
    import numpy as np

    manifest = read_manifest(path)
    profile = find_profile(preprocessing or manifest.preprocessing)
    if find_pixel_twin(profile).name != manifest.preprocessing:
        raise DatasetError(f"{path}: holds crops of {manifest.preprocessing}, not {profile.name}")
    side = profile.crop_side
    pixels = np.memmap(path / PIXELS_FILE, np.uint8, "r", shape=(manifest.images, side, side, 3))
    return CropReader(pixels, manifest, profile)


def read_manifest(path: Path) -> CropsManifest:
    """Return what the crops in a folder are, once their file is found to be whole.

    Raises:
        DatasetError: something is missing or has another size.

    """
    try:
        data = (path / MANIFEST_FILE).read_bytes()
        manifest = msgspec.json.decode(data, type=CropsManifest)
        size_bytes = (path / PIXELS_FILE).stat().st_size
    except (OSError, msgspec.DecodeError) as error:
        raise _damaged(path, str(error)) from error
    if size_bytes != manifest.images * CROP_BYTES:
        raise _damaged(path, f"{PIXELS_FILE} has {size_bytes} bytes for {manifest.images} images")
    return manifest


def hash_names(source: ImageSource) -> str:
    """Return the SHA-256 of the images' names in their order."""
    return hashlib.sha256("\n".join(ref.name for ref in source.refs).encode()).hexdigest()


def _damaged(path: Path, what: str) -> DatasetError:
    return DatasetError(
        f"the cached crops in {path} are damaged: {what}",
        "delete that folder; `r50 dataset cache` makes it again, and without it images are decoded",
    )
