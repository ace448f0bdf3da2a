"""Packed answers: one row per image, the five most probable classes and their scores.

A row is 34 bytes, little-endian: uint32 position of the image, five uint16 class indices, most
probable first, five float32 scores (softmax probabilities). The class indices are those of the
model's output: with 1001 classes, index 0 is background.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LABELED_CLASSES = 1000
"""Of ImageNet; a model may have outputs before them, as the background class."""

TOP = 5
ROW = struct.Struct(f"<I{TOP}H{TOP}f")


def find_class_offset(classes: int, asked: int | None = None) -> int:
    """Return what turns a label into the index of the model's output.

    Args:
        classes: of the model; with 1001 index 0 is the background class, and the offset 1.
        asked: the output that is the first class, where the user says so.
    """
    return classes - LABELED_CLASSES if asked is None else asked


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer to one image.

    Attributes:
        position: of the image in `Evaluation.images`.
        classes: the five most probable output indices, the most probable first.
        scores: their probabilities.
    """

    position: int
    classes: tuple[int, ...]
    scores: tuple[float, ...]


def unpack_rows(rows: bytes) -> Iterator[Prediction]:
    """Yield the answers in the order they were packed.

    Raises:
        ValueError: the bytes are not a whole number of rows.
    """
    _require_whole(rows)
    for position, *values in ROW.iter_unpack(rows):
        yield Prediction(position, tuple(values[:TOP]), tuple(values[TOP:]))


def split_rows(rows: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield each row with the position of its image.

    Raises:
        ValueError: the bytes are not a whole number of rows.
    """
    _require_whole(rows)
    for first in range(0, len(rows), ROW.size):
        row = rows[first : first + ROW.size]
        yield ROW.unpack(row)[0], row


def pack_row(prediction: Prediction) -> bytes:
    """Return the row of one answer."""
    return ROW.pack(prediction.position, *prediction.classes, *prediction.scores)


def _require_whole(rows: bytes) -> None:
    if len(rows) % ROW.size:
        raise ValueError(f"{len(rows)} bytes are not a whole number of rows of {ROW.size}")
