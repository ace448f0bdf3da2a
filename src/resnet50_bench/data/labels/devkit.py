"""The ILSVRC2012 development kit: the validation images' classes, numbered its own way.

Its ground truth has a line for each validation image, an ILSVRC2012_ID of 1..1000; which WNID an id
stands for is in meta.mat, a file of MATLAB's. An archive is read in memory; nothing is extracted.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.data.labels.classes import CLASSES
from resnet50_bench.data.labels.problem import LabelProblem
from resnet50_bench.data.labels.wnids import WNID
from resnet50_bench.data.sources.tar_members import DamagedTar, walk_members
from resnet50_bench.interpreter import plan_arguments

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_TRUTH, _META = "ILSVRC2012_validation_ground_truth.txt", "meta.mat"
_ADVICE = (
    "give --labels ILSVRC2012_devkit_t12.tar.gz as image-net.org offers it (MD5 "
    "fa75699e90414af021442c21a62c3abf), or the folder it was extracted to"
)

_TAR_MAGIC, _TAR_MAGIC_AT = b"ustar", 257
_MAX_BYTES = 64 << 20
"""Of each file of an extracted devkit."""

_META_SECONDS = 60.0
_META_MODULE = "resnet50_bench.data.labels.meta"


@dataclass(frozen=True, slots=True)
class Devkit:
    """What it says.

    Attributes:
        truth: the id, 1..1000, of each validation image, in the order of their names.
        wnids: the WNID of every id; all different.
    """

    truth: tuple[int, ...]
    wnids: Mapping[int, str]


def is_archive(data: bytes) -> bool:
    """Tell whether a file, decompressed, is a tar."""
    return data[_TAR_MAGIC_AT:].startswith(_TAR_MAGIC)


def read_folder(path: Path, where: str) -> Devkit:
    """Read an extracted devkit: the folder itself, or the `data` folder in it.

    Raises:
        LabelProblem: it is not there or not right.
        OSError: it cannot be read.
    """
    for folder in (path / "data", path):
        files = {name: folder / name for name in (_TRUTH, _META)}
        if all(file.is_file() for file in files.values()):
            return _parse({name: _read(file) for name, file in files.items()}, where)
    raise LabelProblem(f"{where}: is a folder without data/{_TRUTH} and data/{_META}", _ADVICE)


def read_archive(data: bytes, where: str) -> Devkit:
    """Read the devkit's archive, decompressed.

    Raises:
        LabelProblem: it is damaged, or not the devkit.
    """
    files: dict[str, bytes] = {}
    try:
        for member in walk_members(lambda offset, count: data[offset : offset + count]):
            folder, _, name = member.name.rpartition("/")
            is_whole = member.is_file and not member.is_sparse
            if name in (_TRUTH, _META) and folder.rpartition("/")[2] == "data" and is_whole:
                files[name] = data[member.offset : member.offset + member.size_bytes]
    except DamagedTar as damage:
        raise LabelProblem(
            f"{where}: the archive is damaged at byte {damage.offset} (decompressed)", _ADVICE
        ) from damage
    missing = [name for name in (_TRUTH, _META) if name not in files]
    if missing:
        raise LabelProblem(f"{where}: is an archive without data/{missing[0]}", _ADVICE)
    return _parse(files, where)


def _read(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(_MAX_BYTES)


def _parse(files: Mapping[str, bytes], where: str) -> Devkit:
    wnids = _read_meta(files[_META], where)
    truth = []
    for number, line in enumerate(files[_TRUTH].split(), 1):
        # No int() before the length is known: a long row of digits takes it for ever.
        value = int(line) if len(line) <= len(str(CLASSES)) and line.isdigit() else 0
        if value not in wnids:
            raise LabelProblem(
                f"{where}: data/{_TRUTH}: line {number}: is not an id of 1..{CLASSES}", _ADVICE
            )
        truth.append(value)
    return Devkit(tuple(truth), wnids)


def _read_meta(data: bytes, where: str) -> dict[int, str]:
    """Return the WNID of each id of 1..1000.

    A process of its own reads the file: it bounds the memory that a crafted one can take, and it
    keeps NumPy, whose threads would take the parent's signals, out of the parent.
    """
    command = [sys.executable, *plan_arguments(_META_MODULE)]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    try:
        child = subprocess.run(
            command,
            input=data,
            capture_output=True,
            timeout=_META_SECONDS,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise LabelProblem(f"{where}: data/{_META}: takes too long to read", _ADVICE) from error
    if child.returncode != 0:
        lines = child.stderr.decode(errors="replace").strip().splitlines()
        reason = lines[-1][:200] if lines else f"exit code {child.returncode}"
        raise LabelProblem(f"{where}: data/{_META}: cannot be read: {reason}", _ADVICE)
    pairs = json.loads(child.stdout)
    leaves = [(number, wnid) for number, wnid in pairs if 1 <= number <= CLASSES]
    wnids = dict(leaves)
    is_whole = len(leaves) == len(wnids) == len(set(wnids.values())) == CLASSES
    if not is_whole or not all(WNID.fullmatch(wnid) for wnid in wnids.values()):
        raise LabelProblem(
            f"{where}: data/{_META}: does not name {CLASSES} different synsets", _ADVICE
        )
    return wnids
