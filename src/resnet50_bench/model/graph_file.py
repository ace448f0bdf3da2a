"""Whether a file can be the frozen graph of a ResNet-50, read without any framework.

What a file is not shows in its first bytes, and what a graph holds in the outer layers of its
encoding (https://protobuf.dev/programming-guides/encoding): TensorFlow's graph.proto has nodes as
field 1, and node_def.proto a node's name and operation as fields 1 and 2. The toolchain looks
closer; this much is known before anything is started.
"""

from __future__ import annotations

import mmap
import re
from typing import TYPE_CHECKING, NamedTuple

from resnet50_bench.engines.tensorflow import INPUT_NAME, OUTPUT_NAME
from resnet50_bench.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    Bytes = bytes | mmap.mmap

_HEAD_BYTES = 512
_SHOWN_BYTES = 40

_GIVE = "give --model a frozen TensorFlow graph, a .pb file"
_FREEZE = f"{_GIVE}: this one has to be frozen or converted first"
_UNPACK = "unpack it, and give --model the .pb file in it"
_AGAIN = "download it again: "


class Kind(NamedTuple):
    """A kind of file that is no graph: how it begins, what it is, what to do."""

    begin: re.Pattern[bytes]
    name: str
    advice: str


def _kind(begin: bytes, name: str, advice: str = _FREEZE) -> Kind:
    return Kind(re.compile(begin, re.DOTALL), name, advice)


_KINDS = (
    _kind(rb"version https://git-lfs\.", "a Git LFS pointer: the graph itself was not downloaded",
          "run `git lfs pull` where it was cloned"),
    _kind(rb"\s*<(?i:!doctype html|html|head|body)", "a web page: the download got no file",
          f"{_AGAIN}the address may need a login, or be that of a page about the file"),
    _kind(rb"\s*<\?xml", "XML, as an OpenVINO model is"),
    _kind(rb"\x89HDF\r\n\x1a\n", "HDF5, as Keras saves weights"),
    _kind(rb"PK\x03\x04.{26}(?:metadata\.json|config\.json)", "a Keras model (.keras)"),
    _kind(rb"PK\x03\x04.{26}[^/]*/(?:data\.pkl|\.format_version|\.data/)", "a PyTorch model"),
    _kind(rb"PK\x03\x04", "a zip archive", _UNPACK),
    _kind(rb"\x1f\x8b", "compressed with gzip", _UNPACK),
    _kind(rb"BZh[1-9]", "compressed with bzip2", _UNPACK),
    _kind(rb"\xfd7zXZ\0", "compressed with xz", _UNPACK),
    _kind(rb"\x28\xb5\x2f\xfd", "compressed with zstd", _UNPACK),
    _kind(rb".{257}ustar", "a tar archive", _UNPACK),
    _kind(rb".{4}TFL3", "a TensorFlow Lite model"),
    _kind(rb"(?=.{8}\{)[^\0].{0,6}\0{1,7}\{", "weights in the safetensors format"),
    _kind(rb"\x80[\x02-\x05][\x95\x8a}\]cX(]", "a Python pickle, as PyTorch saves models"),
    _kind(rb"\x93NUMPY", "a NumPy array"),
    _kind(rb"\x08\x01\x12", "a SavedModel of TensorFlow, which is not frozen"),
    _kind(rb"\x08[\x02-\x20][\x12\x1a\x22\x2a\x32\x3a\x42]", "an ONNX model"),
    _kind(rb"\s*(?:#[^\n]*\n\s*)*node\s*\{", "a graph as text (.pbtxt), not in binary form"),
)  # fmt: skip
"""In this order: the first that fits."""

_OPERATION = re.compile(rb"[A-Z][A-Za-z0-9_.>]*")
_TEXT = re.compile(rb"[\t\n\r\x20-\x7e]+")

_NODE, _NAME, _OP = 1, 1, 2
_GRAPH_FIELDS = {1: 2, 2: 2, 3: 0, 4: 2, 5: 2}
"""Of GraphDef: field -> wire type."""

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


class _DamageError(Exception):
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


def check_graph_file(path: Path) -> None:
    """Refuse a file that cannot be ResNet-50 v1.5 as a frozen TensorFlow graph.

    Raises:
        ModelError: it cannot be read, is something else (it says what), is cut short, or lacks the
            input or the output.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
            if not head:
                raise ModelError(f"the model {path} is empty (0 bytes)", f"{_AGAIN}{_GIVE}")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                _check(path, head, content)
    except OSError as error:
        raise ModelError(
            f"cannot read the model {path}: {error.strerror}", "check the path after --model"
        ) from error


def find_kind(head: bytes) -> Kind | None:
    """Return what a file is that begins so; None when it may be a graph."""
    return next((kind for kind in _KINDS if kind.begin.match(head)), None)


def _check(path: Path, head: bytes, content: mmap.mmap) -> None:
    size = f"{len(content):,} bytes"
    kind = find_kind(head)
    if kind is not None:
        raise ModelError(f"the model {path} ({size}) is {kind.name}", kind.advice)
    operations: dict[bytes, bytes] = {}
    try:
        operations.update(_read_nodes(content))
    except _DamageError as damage:
        if operations:  # those before the damage
            raise ModelError(
                f"the model {path} ({size}) is damaged at byte {damage.at:,}: {damage}",
                f"{_AGAIN}it was cut short or changed",
            ) from None
        raise ModelError(
            f"the model {path} ({size}) is no TensorFlow graph but {_quote(head)}", _GIVE
        ) from None
    problems = [
        f"there is no {what} named {name}"
        for what, name in (("input", INPUT_NAME), ("output", OUTPUT_NAME))
        if name.encode() not in operations
    ]
    if problems:
        raise ModelError(
            f"{path} is not ResNet-50 v1.5: {'; '.join(problems)}",
            f"{_GIVE} whose input and output have these names",
        )


def _quote(head: bytes) -> str:
    kind = "text" if _TEXT.fullmatch(head) else "bytes"
    return f"{kind} that begin{'s' * (kind == 'text')} with {head[:_SHOWN_BYTES]!r}"


def _read_nodes(content: Bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the name and the operation of every node.

    Raises:
        _DamageError: it is no GraphDef, with the begin of what cannot be read.
    """
    for field in _read_fields(content, 0, len(content)):
        if _GRAPH_FIELDS.get(field.number) != field.wire_type:
            raise _DamageError(field.begin, "there is no such field in a graph")
        if field.number == _NODE:
            yield _read_node(content, field)


def _read_node(content: Bytes, node: _Field) -> tuple[bytes, bytes]:
    texts = {_NAME: b"", _OP: b""}
    for field in _read_fields(content, node.begin, node.end):
        if field.number in texts and field.wire_type == _LENGTH:
            texts[field.number] = content[field.begin : field.end]
    if not _OPERATION.fullmatch(texts[_OP]):
        raise _DamageError(node.begin, "a node names no operation")
    return texts[_NAME], texts[_OP]


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
            raise _DamageError(at, f"there is no wire type {wire_type}")
        if key >> 3 == 0:
            raise _DamageError(at, "there is no field 0")
        if last > end:
            raise _DamageError(at, f"{last - end:,} bytes are missing")
        yield _Field(key >> 3, wire_type, value, last)
        at = last


def _read_varint(content: Bytes, at: int, end: int) -> tuple[int, int]:
    """Return a number and where it ends."""
    number = 0
    for place in range(10):
        if at + place >= end:
            raise _DamageError(at, "it ends within a number")
        byte = content[at + place]
        number |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return number, at + place + 1
    raise _DamageError(at, "a number has no end")
