"""What a model's file or folder is, and whether it can be ResNet-50 v1.5: asked before a start."""

from __future__ import annotations

import mmap
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.errors import ModelError
from resnet50_bench.files.paths import is_folder
from resnet50_bench.model.formats.graph_bytes import DamageError, read_nodes
from resnet50_bench.model.formats.kinds import AGAIN, GIVE, HEAD_BYTES, Form, find_kind

if TYPE_CHECKING:
    from pathlib import Path

    from resnet50_bench.model.formats.graph_bytes import Bytes

FLOAT32_BYTES = 102_000_000
"""Of the 25.6 million values of ResNet-50, about: what every form of it in float32 has."""

_SMALL = 20_000_000
"""Bytes below which not even the int8 values would fit."""

_SHOWN_BYTES = 40
_TEXT = re.compile(rb"[\t\n\r\x20-\x7e]+")
_POINTED_BYTES = re.compile(rb"^size (\d+)$", re.MULTILINE)

_ANSWERING = frozenset({"Softmax", "MatMul", "BiasAdd"})

SAVED_MODEL_FILE = "saved_model.pb"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """What was found.

    Attributes:
        path: the file or folder.
        form: how it is read.
        is_quantized: whether it is a graph that computes in 8 bits already.
    """

    path: Path
    form: Form
    is_quantized: bool = False


def check_model_file(
    path: Path, input_name: str | None = None, output_name: str | None = None
) -> ModelFile:
    """Refuse what cannot be ResNet-50 v1.5 in a form that is read.

    Args:
        path: the file, or the folder of a SavedModel.
        input_name: the node that takes the images, where one was asked for.
        output_name: the node that gives the answers, likewise.

    Raises:
        ModelError: it cannot be read, is something else (it says what), is cut short, or lacks
            what it needs.
    """
    try:
        if is_folder(path):
            return _check_folder(path)
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
            if not head:
                raise ModelError(f"the model {path} is empty (0 bytes)", f"{AGAIN}{GIVE}")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                found = _check_content(path, head, content)
                if found is None:
                    found = _check_graph(path, content, (input_name, output_name))
                return found
    except OSError as error:
        raise ModelError(
            f"cannot read the model {path}: {error.strerror}", "check the path after --model"
        ) from error


def describe_size(size: int) -> str:
    """Say how large a file is and, where that is too little, how large it should be."""
    expected = f"; ResNet-50 in float32 has about {FLOAT32_BYTES:,}" * (size < _SMALL)
    return f"{size:,} bytes{expected}"


def _check_folder(path: Path) -> ModelFile:
    if (path / SAVED_MODEL_FILE).is_file():
        return ModelFile(path, Form.SAVED_MODEL)
    raise ModelError(
        f"--model {path} is a folder without {SAVED_MODEL_FILE}, so no SavedModel",
        f"name the file in it, if there is one: {GIVE}",
    )


def _check_content(path: Path, head: bytes, content: Bytes) -> ModelFile | None:
    """Return what the first bytes say; None where they may be a frozen graph's."""
    kind = find_kind(head)
    if kind is None:
        return None
    if kind.form is None:
        pointed = _POINTED_BYTES.search(head)
        size = describe_size(len(content))
        if pointed is not None:
            size = f"{len(content):,} bytes, in place of {int(pointed[1]):,}"
        raise ModelError(f"the model {path} ({size}) is {kind.name}", kind.advice)
    return ModelFile(path, kind.form)


def _check_graph(path: Path, content: Bytes, asked: tuple[str | None, str | None]) -> ModelFile:
    operations = _read_operations(path, content)
    missing = [
        f"{flag} {name}: there is no such node"
        for flag, name in zip(("--input-name", "--output-name"), asked, strict=True)
        if name is not None and name.partition(":")[0] not in operations
    ]
    inputs = [name for name, op in operations.items() if op.startswith("Placeholder")]
    if not inputs and asked[0] is None:
        missing.append("it takes no input: no node is a Placeholder")
    if not _ANSWERING.intersection(operations.values()) and asked[1] is None:
        missing.append("it gives no answers: no node is a Softmax, a MatMul or a BiasAdd")
    if missing:
        described = f"; its inputs are {', '.join(inputs)}" if inputs else ""
        raise ModelError(f"{path} is not ResNet-50 v1.5: {'; '.join(missing)}{described}", GIVE)
    return ModelFile(
        path,
        Form.FROZEN_GRAPH,
        is_quantized=any("Quantized" in op for op in operations.values()),
    )


def _read_operations(path: Path, content: Bytes) -> dict[str, str]:
    """Map the name of each node to its operation."""
    operations: dict[str, str] = {}
    try:
        for name, operation in read_nodes(content):
            operations[name] = operation
    except DamageError as damage:
        size = describe_size(len(content))
        if operations:  # those before the damage
            raise ModelError(
                f"the model {path} ({size}) is damaged at byte {damage.at:,}: {damage}",
                f"{AGAIN}it was cut short or changed",
            ) from None
        raise ModelError(
            f"the model {path} ({size}) is no TensorFlow graph but {_quote(content[:HEAD_BYTES])}",
            GIVE,
        ) from None
    return operations


def _quote(head: bytes) -> str:
    kind = "text" if _TEXT.fullmatch(head) else "bytes"
    return f"{kind} that begin{'s' * (kind == 'text')} with {head[:_SHOWN_BYTES]!r}"
