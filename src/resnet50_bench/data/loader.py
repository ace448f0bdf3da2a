"""Reads one image after the other, ready for the model: the seam between a worker and its images.

Imported in workers only: it needs numpy and a decoder.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from resnet50_bench.data.preprocess import preprocess
from resnet50_bench.data.profiles import PROFILES
from resnet50_bench.data.sources import reopen

if TYPE_CHECKING:
    from collections.abc import Mapping

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
        self._profile = PROFILES[preprocessing]

    def load_into(self, position: int, out: Image) -> None:
        """Read, decode and prepare one image."""
        ref = self._refs[position]
        out[:] = preprocess(self._source.read(ref), self._profile, ref.name)


def open_loader(
    path: Path, refs: Mapping[int, ImageRef], preprocessing: str, crops: str | None
) -> ImageLoader:
    """Return the loader of a dataset's images.

    Args:
        path: the dataset.
        refs: the images by position.
        preprocessing: name of the profile.
        crops: a file of images preprocessed before; None when they are to be decoded.
    """
    assert crops is None
    return DecodingLoader(path, refs, preprocessing)
