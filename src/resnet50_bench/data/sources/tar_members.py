"""The members of a tar, found by its headers alone, however damaged it is.

The library's own walk follows what headers claim: on damaged bytes it can go back, take any amount
of memory or never end, and it stops without a word at a header it cannot read. So it parses the
single blocks here, and the way from one to the next is ours: always forward, never beyond the end.
"""

from __future__ import annotations

import tarfile
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    ReadAt = Callable[[int, int], bytes]
    """Returns so many bytes at an offset, fewer at the end of the archive."""

BLOCK = tarfile.BLOCKSIZE

_MAX_EXTENSION_BYTES = 1 << 20
"""Of a long name or a set of pax attributes; real ones have a few hundred bytes."""

_MAX_NUMBER_DIGITS = 20

_MAX_PADDING_BYTES = 1 << 20
"""Zeros after the end mark: writers fill the last record, of 10,240 bytes unless asked."""

_PAX = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)
_LONG = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
_WITHOUT_DATA = (
    tarfile.LNKTYPE,
    tarfile.SYMTYPE,
    tarfile.CHRTYPE,
    tarfile.BLKTYPE,
    tarfile.DIRTYPE,
    tarfile.FIFOTYPE,
)

# Where a GNU sparse header, and each block that continues it, says whether another follows.
_SPARSE_MORE_AT = 482
_SPARSE_MORE_AT_IN_BLOCK = 504


@dataclass(frozen=True, slots=True)
class Member:
    """One member, as its header describes it.

    Attributes:
        name: as stored; bytes that are not UTF-8 are surrogates.
        type: the header's type flag, e.g. `tarfile.REGTYPE`.
        offset: byte position of its data.
        size_bytes: length of its data, which the archive need not have.
        is_sparse: its data is not the file's content but pieces of it.

    """

    name: str
    type: bytes
    offset: int
    size_bytes: int
    is_sparse: bool

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file, sparse ones included."""
        return self.type in tarfile.REGULAR_TYPES

    def moved(self, offset: int) -> Member:
        """Return it as seen from the file in which its archive begins at this byte."""
        return replace(self, offset=self.offset + offset)


class DamagedTar(Exception):
    """The walk cannot go on.

    Attributes:
        offset: byte position of the header that cannot be used.
        is_cut: the archive ends there, without the block of zeros that marks an end.

    """

    def __init__(self, offset: int, *, is_cut: bool) -> None:
        super().__init__(offset, is_cut)
        self.offset = offset
        self.is_cut = is_cut


def walk_members(read_at: ReadAt) -> Iterator[Member]:
    """Yield the members up to the archive's end mark.

    Raises:
        DamagedTar: there is no header where one should be, or the archive goes on after the mark:
            a header was lost to zeros, or a download stopped. At offset 0: this is no tar.

    """
    offset = 0
    shared: dict[str, str] = {}
    own: dict[str, str] = {}
    while (block := read_at(offset, BLOCK)) != bytes(BLOCK):
        header = _parse_header(block, offset)
        data = offset + BLOCK
        if header.type in _PAX or header.type in _LONG:
            found = _read_attributes(read_at, header, offset)
            (shared if header.type == tarfile.XGLTYPE else own).update(found)
            offset = data + _padded(header.size)
            continue
        if header.type == tarfile.GNUTYPE_SPARSE:
            data = _skip_sparse_map(read_at, block, data)
        member = _describe(header, shared | own, data, offset)
        own = {}
        yield member
        offset = data + (0 if member.type in _WITHOUT_DATA else _padded(member.size_bytes))
    rest = read_at(offset + BLOCK, _MAX_PADDING_BYTES + 1)
    if len(rest) > _MAX_PADDING_BYTES or any(rest):
        raise DamagedTar(offset, is_cut=False)


def _parse_header(block: bytes, offset: int) -> tarfile.TarInfo:
    if len(block) < BLOCK:
        raise DamagedTar(offset, is_cut=True)
    try:
        header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError) as error:
        raise DamagedTar(offset, is_cut=False) from error
    if header.size < 0:
        raise DamagedTar(offset, is_cut=False)
    return header


def _describe(
    header: tarfile.TarInfo, attributes: dict[str, str], data: int, offset: int
) -> Member:
    size = attributes.get("size")
    if size is not None and not (size.isascii() and size.isdigit()):
        raise DamagedTar(offset, is_cut=False)
    is_sparse = header.type == tarfile.GNUTYPE_SPARSE or any(
        key.startswith("GNU.sparse.") for key in attributes
    )
    return Member(
        name=attributes.get("path", header.name).rstrip("/"),
        type=header.type,
        offset=data,
        size_bytes=header.size if size is None else int(size),
        is_sparse=is_sparse,
    )


def _read_attributes(read_at: ReadAt, header: tarfile.TarInfo, offset: int) -> dict[str, str]:
    """Read what a long name or pax header says of the member after it."""
    if header.size > _MAX_EXTENSION_BYTES:
        raise DamagedTar(offset, is_cut=False)
    data = read_at(offset + BLOCK, header.size)
    if len(data) < header.size:
        raise DamagedTar(offset, is_cut=True)
    if header.type == tarfile.GNUTYPE_LONGNAME:
        return {"path": data.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")}
    if header.type == tarfile.GNUTYPE_LONGLINK:
        return {}
    try:
        return _parse_pax(data)
    except ValueError as error:
        raise DamagedTar(offset, is_cut=False) from error


def _parse_pax(data: bytes) -> dict[str, str]:
    """Parse records of the form `LENGTH KEY=VALUE` and a line feed, LENGTH counting all of it.

    Raises:
        ValueError: a record is not of this form.

    """
    found = {}
    position = 0
    while position < len(data) and data[position] != 0:
        space = data.index(b" ", position, position + _MAX_NUMBER_DIGITS)
        number = data[position:space]
        end = position + (int(number) if number.isdigit() else 0)
        if not space < end - 1 < len(data) or data[end - 1 : end] != b"\n":
            raise ValueError(position)
        key, _, value = data[space + 1 : end - 1].partition(b"=")
        found[key.decode("utf-8", "replace")] = value.decode("utf-8", "surrogateescape")
        position = end
    if len(found.get("size", "")) > _MAX_NUMBER_DIGITS:
        raise ValueError(position)
    return found


def _skip_sparse_map(read_at: ReadAt, block: bytes, data: int) -> int:
    """Return where a GNU sparse member's data begins, after the blocks that continue its map."""
    more = block[_SPARSE_MORE_AT] != 0
    while more:
        block = read_at(data, BLOCK)
        if len(block) < BLOCK:
            raise DamagedTar(data, is_cut=True)
        data += BLOCK
        more = block[_SPARSE_MORE_AT_IN_BLOCK] != 0
    return data


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK
