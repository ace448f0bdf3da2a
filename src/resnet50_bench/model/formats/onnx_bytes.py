"""Which files beside an ONNX model hold its weights, found without the library.

Exporters keep large weights in a file of their own, `NAME.onnx.data`. The model names it in a
StringStringEntryProto (onnx.proto): key `location` as field 1, the file's name as field 2.
"""

from __future__ import annotations

import mmap
import re
from typing import TYPE_CHECKING

from resnet50_bench.errors import ModelError
from resnet50_bench.model.formats.kinds import HEAD_BYTES, Form, find_kind

if TYPE_CHECKING:
    from pathlib import Path

_LOCATION = re.compile(rb"\x0a\x08location\x12([\x01-\x7f])")
"""With the length of the name, which is one byte up to 127."""


def list_weight_files(path: Path) -> tuple[Path, ...]:
    """Return the files that hold an ONNX model's weights; none for another file.

    Raises:
        OSError: the model cannot be read.
    """
    with path.open("rb") as file:
        kind = find_kind(file.read(HEAD_BYTES))
        if kind is None or kind.form is not Form.ONNX:
            return ()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            names = {
                content[found.end() : found.end() + found.group(1)[0]].decode(errors="replace")
                for found in _LOCATION.finditer(content)
            }
    return tuple(path.with_name(name) for name in sorted(names) if _is_beside(name))


def require_weight_files(path: Path) -> None:
    """Refuse an ONNX model whose weights are not beside it.

    Raises:
        ModelError: a file is missing.
    """
    missing = [file.name for file in list_weight_files(path) if not file.is_file()]
    if missing:
        raise ModelError(
            f"the model {path} keeps its weights in {', '.join(missing)}, which is not beside it",
            "put both into one folder, by the names that they were exported with",
        )


def _is_beside(name: str) -> bool:
    """Whether a name stays in the model's folder; the library refuses others, too."""
    return "/" not in name and "\0" not in name and name not in ("", ".", "..")
