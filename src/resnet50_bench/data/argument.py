"""A data set that is a command's argument, where errors would otherwise name --dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resnet50_bench.data.sources import open_source
from resnet50_bench.errors import DatasetError

if TYPE_CHECKING:
    from pathlib import Path

    from resnet50_bench.data.sources import ImageSource


def open_argument(path: Path) -> ImageSource:
    """List the images at a path, as `open_source` does.

    Raises:
        DatasetError: as `open_source`, in the words of a command whose argument is PATH.

    """
    try:
        return open_source(path)
    except DatasetError as error:
        advice = None if error.advice is None else error.advice.replace("--dataset", "PATH")
        raise DatasetError(error.message.removeprefix("--dataset "), advice) from error
