"""What the converter writes for the engine: the operations of the model, and their weights.

A folder with a JSON document and NumPy's archive, from which an array is read when it is asked for.
A residual sum is a part of the convolution that is computed last of the two it adds, as oneDNN has
it; bias and ReLU are parts of theirs.
"""

from __future__ import annotations

import zipfile
from enum import Enum
from typing import TYPE_CHECKING, Any

import msgspec

from resnet50_bench.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy.typing as npt
    from numpy.lib.npyio import NpzFile

NETWORK_FILE = "network.json"
WEIGHTS_FILE = "weights.npz"

IMAGES = "images"
"""The name of what a query gives; of an 8-bit network's `Operation.limit`s, too."""


class Kind(str, Enum):
    """What an operation computes."""

    CONVOLUTION = "convolution"
    MAX_POOL = "max pooling"
    AVERAGE = "average"
    CLASSIFIER = "classifier"
    SOFTMAX = "softmax"


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One operation.

    Attributes:
        kind: what it computes.
        name: of the value that it gives.
        source: the value that it reads; `IMAGES` are the query's.
        adds: the value that is added to what a convolution gives, before its ReLU; None for none.
        side: rows and columns of what it gives; 1 from the average on.
        channels: of what it gives.
        window, stride: of a convolution or pooling.
        padding: zeros around what it reads: top, left, bottom, right.
        relu: whether what is below zero becomes zero.
    """

    kind: Kind
    name: str
    source: str
    side: int
    channels: int
    adds: str | None = None
    window: int = 1
    stride: int = 1
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    relu: bool = False


class Network(msgspec.Struct, frozen=True, kw_only=True):
    """The model.

    Attributes:
        operations: in the order in which they are computed.
        side: rows and columns of an image.
        limits: of an 8-bit network, the largest magnitude of each value between its images and its
            last convolution, `IMAGES` among them; empty where nothing is quantized.
    """

    operations: tuple[Operation, ...]
    side: int
    limits: dict[str, float] = {}


class Weights:
    """The arrays of a network, read when they are asked for.

    Args:
        archive: as `numpy.load` opens it.
    """

    def __init__(self, archive: NpzFile) -> None:
        self._archive = archive

    def kernel(self, name: str) -> npt.NDArray[Any]:
        """HWIO of a convolution, float32 or int8; float32 `(features, classes)` of a classifier."""
        return self._archive[f"{name}/kernel"]

    def bias(self, name: str) -> npt.NDArray[Any]:
        """float32, one for each filter or class."""
        return self._archive[f"{name}/bias"]

    def scales(self, name: str) -> npt.NDArray[Any]:
        """float32, what 1 in an int8 kernel stands for, of each filter."""
        return self._archive[f"{name}/scales"]

    def close(self) -> None:
        """Close the archive."""
        self._archive.close()


def write_network(folder: Path, network: Network, weights: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write a network into a folder.

    Args:
        folder: to write into.
        network: the operations.
        weights: `NAME/kernel`, `NAME/bias` and, of 8 bits, `NAME/scales`; see `Weights`.

    Raises:
        OSError: it cannot be written.
    """
    import numpy as np

    (folder / NETWORK_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(network)))
    np.savez(folder / WEIGHTS_FILE, **weights)  # type: ignore[arg-type]


def read_network(folder: Path) -> tuple[Network, Weights]:
    """Return what `write_network` wrote.

    Raises:
        ModelError: it is not there, or is something else.
    """
    import numpy as np

    path = folder / WEIGHTS_FILE
    try:
        network = msgspec.json.decode((folder / NETWORK_FILE).read_bytes(), type=Network)
        if not zipfile.is_zipfile(path):
            raise ModelError(f"the onednn engine cannot load {path}: it is no archive")
        return network, Weights(np.load(path, allow_pickle=False))
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        raise ModelError(f"the onednn engine cannot load {folder}: {error}") from error
