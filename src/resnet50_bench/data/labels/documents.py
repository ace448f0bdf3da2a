"""What a label file holds, as bytes and as text: read once, decompressed, and bounded."""

from __future__ import annotations

import codecs
import zlib
from typing import TYPE_CHECKING

from resnet50_bench.data.labels.problem import LabelProblem

if TYPE_CHECKING:
    from pathlib import Path

GZIP = b"\x1f\x8b"

_MAX_BYTES = 64 << 20
"""Of a label file, decompressed: val_map.txt has 1.6 MB, the devkit 2.6 MB."""

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_document(path: Path, where: str) -> tuple[bytes, bool]:
    """Return what a file holds, decompressed, and whether it was compressed.

    Raises:
        LabelProblem: it cannot be read, or is too large for labels.
    """
    try:
        data = _read(path, where)
    except OSError as error:
        raise LabelProblem(f"{where}: cannot be read: {error.strerror}") from error
    return (decompress(data, where), True) if data.startswith(GZIP) else (data, False)


def read_text(path: Path, where: str) -> str:
    """Return the text of a file, compressed with gzip or not; raises as `read_document` does."""
    return decode(read_document(path, where)[0])


def decode(data: bytes) -> str:
    """Return the text: UTF-16 where its mark says so, else UTF-8; other bytes are escaped."""
    if data.startswith(_UTF16):
        return data.decode("utf-16", "backslashreplace")
    return data.decode("utf-8-sig", "backslashreplace")


def decompress(data: bytes, where: str) -> bytes:
    """Return what gzip has compressed, as far as it is of a size for labels.

    Raises:
        LabelProblem: it is damaged, cut short or too large.
    """
    decompressor = zlib.decompressobj(zlib.MAX_WBITS | 16)  # 16: with a gzip header
    try:
        found = decompressor.decompress(data, _MAX_BYTES + 1)
    except zlib.error as error:
        raise LabelProblem(f"{where}: cannot be decompressed: {error}") from error
    if len(found) > _MAX_BYTES:
        raise _too_large(where)
    if not decompressor.eof:
        raise LabelProblem(f"{where}: is cut short")
    return found


def _read(path: Path, where: str) -> bytes:
    if not path.exists():
        raise LabelProblem(f"{where}: does not exist")
    if not path.is_file():
        raise LabelProblem(f"{where}: is not a regular file")
    with path.open("rb") as file:
        data = file.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise _too_large(where)
    return data


def _too_large(where: str) -> LabelProblem:
    return LabelProblem(f"{where}: is larger than {_MAX_BYTES >> 20} MiB, too large for labels")
