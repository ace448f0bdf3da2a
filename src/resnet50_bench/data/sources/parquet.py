"""Parquet shards with columns `image` and `label`, as the Hugging Face hub keeps data sets.

An image is a struct of its file's bytes and its path. Listing reads paths and labels only; images
are read row group by row group, since a column's values are compressed together.
"""

from __future__ import annotations

import bisect
import itertools
import json
import re
from collections import Counter, OrderedDict
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import TYPE_CHECKING, ClassVar

from resnet50_bench.data.sources.base import (
    ImageRef,
    Kind,
    ShardSource,
    Skipped,
    UnreadableImage,
    find_root,
)
from resnet50_bench.data.sources.other_formats import recognise_file
from resnet50_bench.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import Any

    from resnet50_bench.data.sources.base import OnListing

PARQUET_SUFFIX = ".parquet"

_IMAGE, _LABEL = "image", "label"
_NO_LABEL = -1
"""What the hub's test sets have for a label."""

_NUMBERED = re.compile(r"(.+)-(\d{5})-of-(\d{5})\.parquet", re.ASCII)

MAX_GROUP_BYTES = 1 << 30
"""Images of a row group at the most: the hub's have 10 to 100 MB."""

_KEPT_BYTES = 256 << 20
"""Row groups kept in memory, the one read last in any case: threads read them a little out of
order."""

_ADVICE = (
    "the columns are image, a struct of bytes and path, and label, a whole number, as "
    "datasets.Dataset.to_parquet writes them; or give --dataset the images as files"
)


@dataclass(frozen=True, slots=True)
class ParquetSource(ShardSource):
    """The images in Parquet files, read row group by row group."""

    kind: ClassVar[Kind] = "parquet"
    form: ClassVar[str] = "Parquet"
    labels: ClassVar[str] = "column label of the Parquet shards"
    _groups: RowGroups = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        ShardSource.__post_init__(self)
        object.__setattr__(self, "_groups", RowGroups(self.root))

    def read(self, ref: ImageRef) -> bytes:
        """Return one image's encoded bytes."""
        return self._groups.read(ref)


class RowGroups:
    """Reads images from Parquet files, and keeps the row groups that were read last.

    Args:
        root: the folder that the files' paths begin in.

    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = Lock()
        self._starts: dict[str, list[int]] = {}
        self._kept: OrderedDict[tuple[str, int], Any] = OrderedDict()

    def read(self, ref: ImageRef) -> bytes:
        """Return one image's encoded bytes; safe to call from several threads.

        Raises:
            UnreadableImage: the file or the row cannot be read, or the row holds no bytes.

        """
        if ref.shard is None or ref.row is None:
            raise UnreadableImage(ref.name, "has no place in a Parquet file")
        import pyarrow as pa

        try:
            with self._lock:
                images, place = self._find(ref.shard, ref.row)
            data = images[place].as_py()
        except (OSError, pa.ArrowException, IndexError) as error:
            text = " ".join(str(error).split())
            raise UnreadableImage(ref.name, f"cannot be read from {ref.shard}: {text}") from error
        if data is None:
            raise UnreadableImage(ref.name, "is not in the Parquet file: its bytes are null")
        return bytes(data)

    def _find(self, shard: str, row: int) -> tuple[Any, int]:
        """Return a row group's images and the row's place among them."""
        if shard not in self._starts:
            self._starts[shard] = _find_starts(_open(self._root / shard))
        starts = self._starts[shard]
        group = bisect.bisect_right(starts, row) - 1
        key = shard, group
        if key in self._kept:
            self._kept.move_to_end(key)
        else:
            file = _open(self._root / shard)
            table = file.read_row_group(group, columns=[f"{_IMAGE}.bytes"], use_threads=False)
            self._kept[key] = _take(table, "bytes")
            self._drop_oldest()
        return self._kept[key], row - starts[group]

    def _drop_oldest(self) -> None:
        while len(self._kept) > 1 and sum(i.nbytes for i in self._kept.values()) > _KEPT_BYTES:
            self._kept.popitem(last=False)


def find_parquet(folder: Path) -> tuple[str, ...]:
    """Return the paths of the Parquet files right in a folder, or in its folder `data`, sorted."""
    for inner in (folder, folder / "data"):
        names = sorted(
            path.relative_to(folder).as_posix()
            for path in inner.glob(f"*{PARQUET_SUFFIX}")
            if path.is_file() and not path.name.startswith(".")
        )
        if names:
            return tuple(names)
    return ()


def list_parquet(path: Path, names: Sequence[str], on_listing: OnListing) -> ParquetSource:
    """List the rows of Parquet files, in their order, so that each row group is read once.

    An image is named after its path, or `FILE#N` (N from 0) where that is missing, holds a `#`, or
    an earlier row has it.

    Args:
        path: one file, a folder, or a range of files in it.
        names: of the files, as paths from the folder.
        on_listing: called after each row group.

    Raises:
        DatasetError: pyarrow is not installed; or a file is no Parquet, has other columns, or has
            other classes than the first.
        OSError: a file cannot be read.

    """
    try:
        import pyarrow as pa
    except ImportError as error:
        raise DatasetError(
            f"--dataset {path}: Parquet files are read by pyarrow, which is not installed",
            "install it, about 45 MB to download and 165 MB on the disk: "
            "pip install 'resnet50-bench[parquet]'",
        ) from error

    root = find_root(path)
    rows: list[ImageRef] = []
    classes: dict[tuple[str, ...] | None, str] = {}
    for number, name in enumerate(names):
        where = f"--dataset {path}: {name}"
        try:
            file = _open(root / name)
            classes.setdefault(_read_classes(file.schema_arrow.metadata), name)
            for ref in _list_rows(file, name, where):
                rows.append(ref)
                on_listing(len(rows), number / len(names))
        except pa.ArrowException as error:
            raise _no_parquet(root / name, where, error) from error
    if len(classes) > 1:
        first, second = list(classes.values())[:2]
        raise DatasetError(
            f"--dataset {path}: {first} and {second} name different classes in their metadata",
            "give --dataset the files of one data set",
        )
    # Who names one file or a range of them does not ask for the rest.
    missing = _find_missing(names) if path.is_dir() else ()
    return ParquetSource(path, _rename(rows), tuple(missing), next(iter(classes)))


def _open(path: Path) -> Any:
    import pyarrow.parquet as pq

    return pq.ParquetFile(path, pre_buffer=False)


def _no_parquet(path: Path, where: str, error: Exception) -> DatasetError:
    other = recognise_file(path)
    if other is not None:
        return DatasetError(f"{where}: is {other.what}", other.advice)
    return DatasetError(
        f"{where}: is no Parquet file: {' '.join(str(error).split())}",
        "fetch it again: a download that was cut short lacks the index at the file's end",
    )


def _list_rows(file: Any, name: str, where: str) -> Iterator[ImageRef]:
    """Yield the rows of a file, with neither sizes nor images read.

    A label that is null, or -1 as in the hub's test sets, is none.
    """
    columns = _plan_columns(file, where)
    row = 0
    for group in range(file.num_row_groups):
        _require_group(file.metadata.row_group(group), f"{where}: row group {group}")
        table = file.read_row_group(group, columns=columns, use_threads=False)
        count = table.num_rows
        paths = _take(table, "path").to_pylist() if f"{_IMAGE}.path" in columns else [None] * count
        labels = table[_LABEL].to_pylist() if _LABEL in columns else [None] * count
        for path, label in zip(paths, labels, strict=True):
            yield ImageRef(
                name=_name_row(path, f"{name}#{row}"),
                size_bytes=None,
                offset=None,
                shard=name,
                label=None if label == _NO_LABEL else label,
                row=row,
            )
            row += 1


def _plan_columns(file: Any, where: str) -> list[str]:
    """Return what is read to list a file.

    Raises:
        DatasetError: it does not have the columns of the hub's data sets.

    """
    import pyarrow.types as kinds

    schema = file.schema_arrow
    image = schema.field(_IMAGE).type if _IMAGE in schema.names else None
    fields = {} if image is None or not kinds.is_struct(image) else {f.name: f.type for f in image}
    is_binary = "bytes" in fields and (
        kinds.is_binary(fields["bytes"]) or kinds.is_large_binary(fields["bytes"])
    )
    if not is_binary:
        shown = ", ".join(f"{item.name}: {item.type}" for item in schema)
        raise DatasetError(f"{where}: has no column image with bytes, but {shown}", _ADVICE)
    label = schema.field(_LABEL).type if _LABEL in schema.names else None
    if label is not None and not kinds.is_integer(label):
        raise DatasetError(f"{where}: its column label is {label}, not a whole number", _ADVICE)
    wanted = [f"{_IMAGE}.path"] * ("path" in fields) + [_LABEL] * (label is not None)
    return wanted or [f"{_IMAGE}.bytes"]


def _require_group(group: Any, where: str) -> None:
    sizes = [
        group.column(number).total_uncompressed_size
        for number in range(group.num_columns)
        if group.column(number).path_in_schema == f"{_IMAGE}.bytes"
    ]
    if sum(sizes) > MAX_GROUP_BYTES:
        raise DatasetError(
            f"{where}: holds {sum(sizes) / 1e9:.1f} GB of images, which are read at once; the most "
            f"is {MAX_GROUP_BYTES / 1e9:.1f} GB",
            "write the file again with a row_group_size of 100 (pyarrow.parquet.write_table)",
        )


def _find_starts(file: Any) -> list[int]:
    """Return the number of the first row of each row group."""
    counts = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
    return list(itertools.accumulate(counts, initial=0))[:-1]


def _take(table: Any, name: str) -> Any:
    """Return one part of the images' struct, as one array."""
    import pyarrow.compute as pc

    return pc.struct_field(table[_IMAGE].combine_chunks(), name)


def _name_row(path: str | None, own_name: str) -> str:
    name = "/".join(part for part in (path or "").split("/") if part not in ("", ".", ".."))
    return own_name if not name or "#" in name else name


def _rename(rows: list[ImageRef]) -> tuple[ImageRef, ...]:
    """Give the rows whose name an earlier one has their own, `FILE#N`."""
    seen: Counter[str] = Counter()
    named = []
    for ref in rows:
        taken = seen[ref.name] > 0
        seen[ref.name] += 1
        named.append(replace(ref, name=f"{ref.shard}#{ref.row}") if taken else ref)
    return tuple(named)


def _read_classes(metadata: dict[bytes, bytes] | None) -> tuple[str, ...] | None:
    """Return the names of the classes that the hub's metadata states; None when it states none."""
    try:
        hub = json.loads((metadata or {}).get(b"huggingface", b"{}"))
        names = hub["info"]["features"][_LABEL]["names"]
    except (ValueError, LookupError, TypeError):
        return None
    return tuple(map(str, names)) if isinstance(names, list) else None


def _find_missing(names: Sequence[str]) -> list[Skipped]:
    """Return the files that are missing by the numbering of the others."""
    sets = {(match[1], match[3]) for match in map(_NUMBERED.fullmatch, names) if match is not None}
    expected = (
        f"{stem}-{number:05d}-of-{total}{PARQUET_SUFFIX}"
        for stem, total in sorted(sets)
        for number in range(int(total))
    )
    found = set(names)
    return [Skipped(name, "this shard is missing") for name in expected if name not in found]
