"""The nodes of a frozen graph, read without any framework.

What a graph holds shows in the outer layers of its encoding
(https://protobuf.dev/programming-guides/encoding): TensorFlow's graph.proto has nodes as field 1,
and node_def.proto a node's name and operation as fields 1 and 2. The toolchain looks closer; this
much is known before anything is started.
"""

from __future__ import annotations

import mmap
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    Bytes = bytes | mmap.mmap

_OPERATION = re.compile(rb"[A-Z_][A-Za-z0-9_.>]*")

_NODE, _NAME, _OP = 1, 1, 2
_GRAPH_FIELDS = {1: 2, 2: 2, 3: 0, 4: 2, 5: 2}
"""Of GraphDef: field -> wire type."""

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


class DamageError(Exception):
    """The bytes are no message: where, and why."""

    def __init__(self, at: int, reason: str) -> None:
        super().__init__(reason)
        self.at = at


class _Field(NamedTuple):
    """Field number, wire type, and where its value lies."""

    number: int
    wire_type: int
    begin: int
    end: int


def read_nodes(content: Bytes) -> Iterator[tuple[str, str]]:
    """Yield the name and the operation of every node.

    Raises:
        DamageError: it is no GraphDef, with the begin of what cannot be read.
    """
    for field in _read_fields(content, 0, len(content)):
        if _GRAPH_FIELDS.get(field.number) != field.wire_type:
            raise DamageError(field.begin, "there is no such field in a graph")
        if field.number == _NODE:
            yield _read_node(content, field)


def _read_node(content: Bytes, node: _Field) -> tuple[str, str]:
    texts = {_NAME: b"", _OP: b""}
    for field in _read_fields(content, node.begin, node.end):
        if field.number in texts and field.wire_type == _LENGTH:
            texts[field.number] = content[field.begin : field.end]
    if not _OPERATION.fullmatch(texts[_OP]):
        raise DamageError(node.begin, "a node names no operation")
    return texts[_NAME].decode(errors="replace"), texts[_OP].decode()


def _read_fields(content: Bytes, begin: int, end: int) -> Iterator[_Field]:
    """Yield the fields of a message one after the other."""
    at = begin
    while at < end:
        key, value = _read_varint(content, at, end)
        wire_type = key & 7
        if wire_type == _LENGTH:
            length, value = _read_varint(content, value, end)
            last = value + length
        elif wire_type == _VARINT:
            _, last = _read_varint(content, value, end)
        elif wire_type in (_FIXED64, _FIXED32):
            last = value + (8 if wire_type == _FIXED64 else 4)
        else:
            raise DamageError(at, f"there is no wire type {wire_type}")
        if key >> 3 == 0:
            raise DamageError(at, "there is no field 0")
        if last > end:
            raise DamageError(at, f"{last - end:,} bytes are missing")
        yield _Field(key >> 3, wire_type, value, last)
        at = last


def _read_varint(content: Bytes, at: int, end: int) -> tuple[int, int]:
    """Return a number and where it ends."""
    number = 0
    for place in range(10):
        if at + place >= end:
            raise DamageError(at, "it ends within a number")
        byte = content[at + place]
        number |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return number, at + place + 1
    raise DamageError(at, "a number has no end")
