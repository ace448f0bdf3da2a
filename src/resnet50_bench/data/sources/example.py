"""Where an image, its label and its name lie in a serialized tf.train.Example.

A walk of the wire format that reads only what it passes: it skips the image, whose position is all
that is wanted. The messages are those of tensorflow/core/example/{example,feature}.proto.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

IMAGE, LABEL, FILENAME = b"image/encoded", b"image/class/label", b"image/filename"
"""The names that TensorFlow's own conversion of ImageNet gives them."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED_BYTES = {_FIXED64: 8, _FIXED32: 4}

# Field numbers. Example.features, Features.feature and *List.value are all 1.
_FIRST = 1
_KEY, _VALUE = 1, 2
_BYTES_LIST, _INT64_LIST = 1, 3

_READ_AHEAD_BYTES = 1024
"""Holds all of an ImageNet Example but its image."""

_MAX_NAME_BYTES = 4096
_VARINT_BITS = 64


class DamagedExample(Exception):
    """The bytes are not an Example; the argument says what is wrong."""


@dataclass(frozen=True, slots=True)
class ExampleParts:
    """What an Example holds.

    Attributes:
        image: first byte and end of `image/encoded` in the file; None when there is none.
        label: `image/class/label`; None when there is none.
        filename: `image/filename`; None when there is none, or it is empty or not UTF-8.

    """

    image: tuple[int, int] | None
    label: int | None
    filename: str | None


class Window:
    """A file's bytes by position, read ahead a little at a time."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._start = 0
        self._data = b""

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes from `start` to `end`.

        Raises:
            DamagedExample: the file ends before.

        """
        first = start - self._start
        if first < 0 or end - self._start > len(self._data):
            count = max(end - start, _READ_AHEAD_BYTES)
            self._start, self._data, first = start, os.pread(self._descriptor, count, start), 0
        found = self._data[first : first + end - start]
        if len(found) < end - start:
            raise DamagedExample("the file ends inside it")
        return found

    def read_varint(self, position: int, end: int) -> tuple[int, int]:
        """Return a variable-length integer, unsigned, and where it ends."""
        value = shift = 0
        while position < end and shift < _VARINT_BITS:
            (byte,) = self.read(position, position + 1)
            position += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & (1 << _VARINT_BITS) - 1, position
            shift += 7
        raise DamagedExample("a number in it does not end")


def read_example(window: Window, start: int, end: int) -> ExampleParts:
    """Find the parts of the Example at bytes `start` to `end`.

    As in a protocol buffer, the last of several values of a name counts.

    Raises:
        DamagedExample: the bytes are not an Example.

    """
    image = label = name = None
    for features in _find(window, (start, end), _FIRST):
        for entry in _find(window, features, _FIRST):
            key, value = _read_entry(window, entry)
            if key == IMAGE:
                image = _find_bytes(window, value)
            elif key == LABEL:
                label = _read_int64(window, value)
            elif key == FILENAME:
                name = _find_bytes(window, value)
    return ExampleParts(image, label, _read_name(window, name))


def _walk(window: Window, span: tuple[int, int]) -> Iterator[tuple[int, int, int, int]]:
    """Yield each field of a message: number, wire type, first byte and end of its value."""
    position, end = span
    while position < end:
        tag, position = window.read_varint(position, end)
        wire = tag & 7
        if wire == _BYTES:
            size, position = window.read_varint(position, end)
            after = position + size
        elif wire == _VARINT:
            _, after = window.read_varint(position, end)
        elif wire in _FIXED_BYTES:
            after = position + _FIXED_BYTES[wire]
        else:
            raise DamagedExample(f"it has a field of wire type {wire}")
        if after > end:
            raise DamagedExample("a field of it is longer than what holds it")
        yield tag >> 3, wire, position, after
        position = after


def _find(window: Window, span: tuple[int, int], number: int) -> Iterator[tuple[int, int]]:
    """Yield first byte and end of the messages or byte strings with this field number."""
    for found, wire, first, end in _walk(window, span):
        if found == number:
            if wire != _BYTES:
                raise DamagedExample(f"its field {number} has wire type {wire}")
            yield first, end


def _read_entry(window: Window, entry: tuple[int, int]) -> tuple[bytes, tuple[int, int]]:
    """Return the name of a feature and where its value lies."""
    key, value = b"", (entry[1], entry[1])
    for number, wire, first, end in _walk(window, entry):
        if number == _KEY and wire == _BYTES:
            key = window.read(first, end) if end - first <= len(LABEL) else b""
        elif number == _VALUE and wire == _BYTES:
            value = first, end
    return key, value


def _find_bytes(window: Window, feature: tuple[int, int]) -> tuple[int, int] | None:
    for values in _find(window, feature, _BYTES_LIST):
        for value in _find(window, values, _FIRST):
            return value
    return None


def _read_int64(window: Window, feature: tuple[int, int]) -> int | None:
    for values in _find(window, feature, _INT64_LIST):
        # Packed or not, a value's first bytes are its number.
        for number, _, position, end in _walk(window, values):
            if number == _FIRST and position < end:
                value, _ = window.read_varint(position, end)
                return value - (1 << _VARINT_BITS) if value >> (_VARINT_BITS - 1) else value
    return None


def _read_name(window: Window, span: tuple[int, int] | None) -> str | None:
    if span is None or not 0 < span[1] - span[0] <= _MAX_NAME_BYTES:
        return None
    try:
        return window.read(*span).decode()
    except UnicodeDecodeError:
        return None
