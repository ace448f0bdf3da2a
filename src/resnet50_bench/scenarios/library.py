"""The images in memory: loaded when LoadGen says which, shared with the instances."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from resnet50_bench.data.dummy import make_dummy_pool
from resnet50_bench.data.preprocess import preprocess_all
from resnet50_bench.data.profiles import find_profile
from resnet50_bench.data.sources import UnreadableImage, reopen
from resnet50_bench.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from resnet50_bench.data.preprocess import Image
    from resnet50_bench.engines import Images
    from resnet50_bench.scenarios.messages import IssuerJob


class Library:
    """Images by their index in the data set.

    Attributes:
        places: where each image lies that is in memory.
    """

    def __init__(self, images: Images, job: IssuerJob) -> None:
        self._images = images
        self._job = job
        self.places: dict[int, int] = {}

    def load(self, indices: Sequence[int]) -> None:
        """Put these images into memory, in place of those that were there.

        Args:
            indices: MultiStream names some twice, so that the last query is whole.

        Raises:
            DatasetError: one of them cannot be read: LoadGen takes no answer but to all.
        """
        distinct = list(dict.fromkeys(indices))
        self.places = {index: place for place, index in enumerate(distinct)}
        for place, image in enumerate(self._read(distinct)):
            self._images[place] = image

    def _read(self, indices: Sequence[int]) -> Iterator[Image]:
        real = self._job.real
        if real is None:
            for index in indices:
                yield make_dummy_pool(1, 1, (self._job.seed or 0, index))[0][0]
            return
        refs = [real.refs[index] for index in indices]
        source = reopen(Path(real.path), tuple(refs))
        profile = find_profile(real.profile)
        threads = len(self._job.loading_cpus)
        with closing(preprocess_all(source, refs, profile, threads)) as loaded:
            for ref, image in loaded:
                if isinstance(image, UnreadableImage):
                    raise DatasetError(
                        f"--dataset: {ref.name} cannot be read: {image.reason}",
                        "LoadGen asks for every image: leave it out of the data set",
                    )
                yield image
