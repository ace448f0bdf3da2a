"""Reads one image after the other, ready for the model: the seam between a worker and its images.

Imported in workers only: it needs numpy and a decoder.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from resnet50_bench.data.crops.store import open_crops
from resnet50_bench.data.preprocess import preprocess_into
from resnet50_bench.data.profiles import find_profile
from resnet50_bench.data.sources import reopen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resnet50_bench.data.crops.store import CropReader
    from resnet50_bench.data.preprocess import Image
    from resnet50_bench.data.sources import ImageRef


class ImageLoader(Protocol):
    """Images by their position in an evaluation."""

    def load_into(self, position: int, out: Image) -> None:
        """Write one image, float32 `(224, 224, 3)`, into `out`; safe in several threads at once.

        Raises:
            UnreadableImage: it cannot be read; `out` is then undefined.
        """


class DecodingLoader:
    """Reads and decodes the encoded files of a dataset."""

    def __init__(self, path: Path, refs: Mapping[int, ImageRef], preprocessing: str) -> None:
        self._refs = refs
        self._source = reopen(path, tuple(refs.values()))
        self._profile = find_profile(preprocessing)

    def load_into(self, position: int, out: Image) -> None:
        """Read, decode and prepare one image."""
        ref = self._refs[position]
        preprocess_into(self._source.read(ref), self._profile, out, ref.name)


class CropLoader:
    """Reads images that were decoded and cropped before."""

    def __init__(self, crops: CropReader, places: Mapping[int, int]) -> None:
        self._crops = crops
        self._places = places

    def load_into(self, position: int, out: Image) -> None:
        """Prepare one image from its crop."""
        self._crops.load_into(self._places[position], out)


def open_loader(path: Path, refs: Mapping[int, ImageRef], preprocessing: str) -> ImageLoader:
    """Return the loader that decodes a dataset's images.

    Args:
        path: the dataset.
        refs: the images by position.
        preprocessing: name of the profile, or of one of its variants.
    """
    return DecodingLoader(path, refs, preprocessing)


def open_crop_loader(path: Path, places: Mapping[int, int], preprocessing: str) -> ImageLoader:
    """Return the loader of images from a file of crops.

    Args:
        path: the crops' folder.
        places: of the images in that file, by position.
        preprocessing: name of the profile.
    """
    return CropLoader(open_crops(path, preprocessing), places)
