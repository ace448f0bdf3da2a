"""What a PyTorch file holds, read without PyTorch and without running anything in it.

A pickle is a program: it names functions and has them called. PyTorch's `weights_only` admits only
those that rebuild tensors, and so does this reader: whatever else a file names is refused by its
name, before it is looked up. The values themselves lie outside of the pickle, as plain numbers.

Two layouts (torch/serialization.py): since release 1.6 a zip archive, uncompressed, with
`NAME/data.pkl` and one `NAME/data/KEY` for each storage; before, one pickle after the other, then
the storages in the order of their sorted keys, each after its number of values.
"""

from __future__ import annotations

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from resnet50_bench.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MAX_PICKLE_BYTES = 16 << 20
"""ResNet-50's pickle has some 40 kB: one that is larger holds something else."""

ITEM_BYTES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "int64": 8, "int32": 4,
              "int16": 2, "int8": 1, "uint8": 1, "bool": 1}  # fmt: skip

_STORAGES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}
_NESTED = ("state_dict", "model_state_dict", "model", "state_dict_ema", "model_ema")
"""Where a checkpoint of a training keeps the weights, beside what it goes on with."""

_SAVE = (
    "in a Python with PyTorch: safetensors.torch.save_file(model.state_dict(), "
    '"resnet50.safetensors"); then give --model that file'
)


class Storage(NamedTuple):
    """Where a tensor's values lie: which storage, and of what type."""

    key: str
    dtype: str
    values: int


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor that was named, not read.

    Attributes:
        storage: which holds its values.
        first: the value it begins with, counted in values.
        shape: its sizes.
        strides: in values.
    """

    storage: Storage
    first: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class StateDict:
    """What a file holds.

    Attributes:
        tensors: by name.
        places: where each storage begins in the file, in bytes.
    """

    tensors: dict[str, StoredTensor]
    places: dict[str, int]


def read_zip(path: Path) -> StateDict:
    """Read what a file of PyTorch 1.6 or later holds.

    Raises:
        ModelError: it is damaged, is a program, or names what is not admitted.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = {entry.filename: entry for entry in archive.infolist()}
            program = next((name for name in entries if "/code/" in name), None)
            if program is not None:
                raise ModelError(f"the model {path} is a TorchScript program ({program})", _SAVE)
            pickled = next(name for name in entries if name.endswith("/data.pkl"))
            root = pickled.removesuffix("data.pkl")
            _require_plain(path, archive, entries, root)
            with archive.open(pickled) as file:
                content = _load(path, _Limited(file, MAX_PICKLE_BYTES))
            tensors = _find_tensors(path, content)
            keys = {tensor.storage.key for tensor in tensors.values()}
            with path.open("rb") as raw:
                places = {key: _find_data(raw, entries[f"{root}data/{key}"]) for key in keys}
    except (zipfile.BadZipFile, StopIteration, KeyError, EOFError) as error:
        raise _refuse_damaged(path, error) from error
    return StateDict(tensors, places)


def read_pickles(path: Path) -> StateDict:
    """Read what a file of PyTorch before 1.6 holds; raises as `read_zip` does."""
    try:
        with path.open("rb") as file:
            for _ in ("magic number", "version", "sizes of this machine's types"):
                _load(path, file)
            tensors = _find_tensors(path, _load(path, file))
            storages = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
            places = {}
            for key in _load(path, file):
                places[key] = file.tell() + 8
                count = int.from_bytes(file.read(8), "little")
                width = ITEM_BYTES[storages[key].dtype] if key in storages else 8
                file.seek(count * width, 1)
    except (EOFError, KeyError, TypeError) as error:
        raise _refuse_damaged(path, error) from error
    return StateDict(tensors, places)


def _refuse_damaged(path: Path, error: Exception) -> ModelError:
    size = path.stat().st_size
    return ModelError(
        f"the model {path} ({size:,} bytes) is damaged: {error or 'it ends too early'}",
        "download it again: it was cut short or changed",
    )


def _require_plain(
    path: Path, archive: zipfile.ZipFile, entries: Mapping[str, zipfile.ZipInfo], root: str
) -> None:
    """Values must lie in the file as they are."""
    packed = [name for name, entry in entries.items() if entry.compress_type != zipfile.ZIP_STORED]
    order = f"{root}byteorder"
    if packed:
        raise ModelError(f"the model {path} holds {packed[0]} compressed", _SAVE)
    if order in entries and archive.read(order).strip() != b"little":
        raise ModelError(f"the model {path} was written on a big-endian machine", _SAVE)


def _find_data(file: BinaryIO, entry: zipfile.ZipInfo) -> int:
    """Return where an entry's bytes begin: behind its local header, of 30 bytes and two texts."""
    file.seek(entry.header_offset + 26)
    name, extra = (int.from_bytes(file.read(2), "little") for _ in range(2))
    return entry.header_offset + 30 + name + extra


class _Limited:
    """A file of which no more is read than is allowed."""

    def __init__(self, file: Any, most: int) -> None:
        self._file, self._left = file, most

    def read(self, size: int = -1) -> bytes:
        return self._count(self._file.read(size if size >= 0 else self._left + 1))

    def readline(self) -> bytes:
        return self._count(self._file.readline())

    def _count(self, content: bytes) -> bytes:
        self._left -= len(content)
        if self._left < 0:
            raise pickle.UnpicklingError(f"its pickle has more than {MAX_PICKLE_BYTES:,} bytes")
        return content


def _load(path: Path, file: Any) -> Any:
    try:
        return _Unpickler(file).load()
    except _NotAdmittedError as error:
        raise ModelError(
            f"the model {path} is a pickle that calls {error}: nothing in it was run, and it is "
            "not opened", _SAVE,
        ) from None  # fmt: skip
    except (pickle.UnpicklingError, AttributeError, ValueError, TypeError, IndexError) as error:
        raise _refuse_damaged(path, error) from error


class _NotAdmittedError(Exception):
    """A pickle names what only running it would give."""


class _Unpickler(pickle.Unpickler):
    """Knows what rebuilds tensors, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """Return what stands for a name; called for each that the pickle holds."""
        if (module, name) in _ADMITTED:
            return _ADMITTED[module, name]
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        raise _NotAdmittedError(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> Storage:
        """Return the storage that a persistent id names, without reading it."""
        kind, dtype, key, _, count, *_ = pid
        if kind != "storage" or dtype not in ITEM_BYTES:
            raise pickle.UnpicklingError(f"it refers to {kind} of {dtype}")
        return Storage(str(key), dtype, int(count))


def _rebuild_tensor(
    storage: Storage, first: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any
) -> StoredTensor:
    """Stand for torch._utils._rebuild_tensor_v2."""
    if not isinstance(storage, Storage):
        raise pickle.UnpicklingError("a tensor has no storage")
    whole = [first, *shape, *strides]
    if any(type(size) is not int or size < 0 for size in whole) or len(shape) != len(strides):
        raise pickle.UnpicklingError("a tensor has sizes that are none")
    last = first + sum((size - 1) * step for size, step in zip(shape, strides, strict=True))
    if 0 not in shape and last >= storage.values:
        raise pickle.UnpicklingError("a tensor reaches beyond its storage")
    return StoredTensor(storage, first, tuple(shape), tuple(strides))


def _rebuild_parameter(tensor: StoredTensor, *_: Any) -> StoredTensor:
    """Stand for torch._utils._rebuild_parameter."""
    return tensor


_ADMITTED: dict[tuple[str, str], Callable[..., Any]] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
    ("torch", "Size"): tuple,
}


def _find_tensors(path: Path, content: Any) -> dict[str, StoredTensor]:
    """Return the tensors of a state dict, or of the one that a checkpoint holds."""
    if isinstance(content, Mapping):
        inner = next(
            (content[name] for name in _NESTED if isinstance(content.get(name), Mapping)), content
        )
        found = {
            name: value
            for name, value in inner.items()
            if isinstance(name, str) and isinstance(value, StoredTensor)
        }
        if found:
            return found
    raise ModelError(f"the model {path} holds no tensors by name, as a state dict does", _SAVE)
