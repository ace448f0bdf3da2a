"""A data set that is a command's argument, where errors would otherwise name --dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resnet50_bench.errors import DatasetError

if TYPE_CHECKING:
    from pathlib import Path

    from resnet50_bench.data.sources import ImageSource
    from resnet50_bench.data.sources.index import Opener


def open_argument(path: Path, opener: Opener) -> ImageSource:
    """List the images at a path.

    Raises:
        DatasetError: as `open_source`, in the words of a command whose argument is PATH.

    """
    try:
        return opener.open(path)
    except DatasetError as error:
        advice = None if error.advice is None else error.advice.replace("--dataset", "PATH")
        raise DatasetError(error.message.removeprefix("--dataset "), advice) from error
