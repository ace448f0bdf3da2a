"""What has been read of a data set so far: facts only, without a judgement."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from itertools import islice
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

LISTED = 5
"""Of what may be many, so many are named."""

Kind = Literal["tar", "folder", "tfrecord"]


class Step(Enum):
    """What takes its time."""

    LIST = "list"
    DOWNLOAD = "download"
    HASH = "hash"
    IMAGES = "images"
    RECORDS = "records"


OnProgress: TypeAlias = "Callable[[Step, int, int | None], None]"
"""Called with the step, how much of it is done and how much there is: bytes, or images in the step
of that name."""


@dataclass(frozen=True, slots=True)
class Found:
    """How many there are, and the first `LISTED` of them."""

    count: int
    first: tuple[str, ...]


def found(items: Iterable[str]) -> Found:
    """Count items and keep the first, in their order."""
    left = iter(items)
    first = tuple(islice(left, LISTED))
    return Found(len(first) + sum(1 for _ in left), first)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a tar or folder holds, by its names and sizes.

    Attributes:
        images: how many it holds.
        total_bytes: of their files; None in Parquet.
        expected: how many of the validation set's names are among them.
        missing: of the validation set's names.
        surplus: images of other names.
        duplicates: of the validation set's names, those there more than once.
        empty: images of no bytes.
        damaged: files that cannot be used because something is wrong with them, and what.
        unused: files that are not used because of what they are, such as links in a tar.

    """

    images: int
    total_bytes: int | None
    expected: int
    missing: Found
    surplus: Found
    duplicates: Found
    empty: Found
    damaged: Found
    unused: Found


@dataclass(frozen=True, slots=True)
class Hashes:
    """Of an archive's bytes, in hexadecimal digits."""

    md5: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Shards:
    """Files of TFRecords, and those that their numbering says should be there too."""

    files: int
    total_bytes: int
    missing: Found


@dataclass(frozen=True, slots=True)
class Damage:
    """What reading every image or record showed.

    Attributes:
        checked: how many were read, whole or not.
        damaged: those that are not whole, and why.

    """

    checked: int
    damaged: Found


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that is known; what is None has not been read.

    Attributes:
        size_bytes: of the archive; None for the other kinds.
        unlistable: why the archive's images cannot be listed.
        read_at: when the bytes were read, UTC, ISO 8601.

    """

    kind: Kind
    size_bytes: int | None = None
    unlistable: str | None = None
    contents: Contents | None = None
    hashes: Hashes | None = None
    shards: Shards | None = None
    damage: Damage | None = None
    read_at: str | None = None
