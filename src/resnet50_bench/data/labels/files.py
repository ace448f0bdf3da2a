"""Label files, told apart by what they hold: names with classes, synsets in order, the devkit."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from resnet50_bench.data.labels.devkit import Devkit, is_archive, read_archive, read_folder
from resnet50_bench.data.labels.installed import PACKAGE, order_classes
from resnet50_bench.data.labels.matching import (
    CLASSES,
    WNID,
    LabelProblem,
    Labels,
    NameTable,
    number_by_synset,
    pick_in_order,
    require_all,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_MAX_BYTES = 64 << 20
"""Of a label file: val_map.txt has 1.6 MB, the devkit 2.6 MB."""

_LINES_LOOKED_AT = 10
_NAME_AND_CLASS = re.compile(r"\S.*\s-?\d+", re.ASCII)
_NUMBER = re.compile(r"-?\d{1,9}", re.ASCII)


def read_label_file(path: Path, where: str, names: Sequence[str]) -> Labels:
    """Return the labels of images from a file or folder.

    Args:
        path: the file or folder.
        where: what to call it in an error.
        names: of the images.

    Raises:
        LabelProblem: it cannot be read, is none of the known kinds, is wrong, or lacks an image.
    """
    try:
        if path.is_dir():
            return _use_devkit(read_folder(path, where), where, names)
        data = _read(path, where)
    except OSError as error:
        raise LabelProblem(f"{where}: cannot be read: {error.strerror}") from error
    if is_archive(data):
        return _use_devkit(read_archive(data, where), where, names)
    lines = _split_lines(data)
    # Several lines: a wrong first one, such as a heading, is then told by its number.
    begin = [line for _, line in lines[:_LINES_LOOKED_AT]]
    if any(map(WNID.fullmatch, begin)):
        return _use_synsets(lines, where, names)
    if any(map(_NAME_AND_CLASS.fullmatch, begin)) and b"\0" not in data:
        return _use_val_map(lines, where, names)
    if any(map(_NUMBER.fullmatch, begin)):
        raise LabelProblem(
            f"{where}: has numbers without names, as the devkit's ground truth, whose numbers are "
            "not in the order of the synsets",
            "give --labels the whole ILSVRC2012_devkit_t12.tar.gz or the folder it was extracted "
            "to",
        )
    raise LabelProblem(f"{where}: is not a list of labels and not the devkit")


def _read(path: Path, where: str) -> bytes:
    if not path.exists():
        raise LabelProblem(f"{where}: does not exist")
    if not path.is_file():
        raise LabelProblem(f"{where}: is not a regular file")
    with path.open("rb") as file:
        data = file.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise LabelProblem(f"{where}: is larger than {_MAX_BYTES >> 20} MiB, too large for labels")
    return data


def _split_lines(data: bytes) -> list[tuple[int, str]]:
    """Return the lines that are not empty, each with its number."""
    text = data.decode("utf-8-sig", "backslashreplace")
    lines = ((number, line.strip()) for number, line in enumerate(text.split("\n"), 1))
    return [(number, line) for number, line in lines if line]


def _use_val_map(lines: list[tuple[int, str]], where: str, names: Sequence[str]) -> Labels:
    table = NameTable()
    values: set[int] = set()
    wrong: str | None = None
    for number, line in lines:
        name, _, value = line.replace("\t", " ").rpartition(" ")
        if not name or not _NUMBER.fullmatch(value):
            raise LabelProblem(f"{where}: line {number}: is not a name and a class: {line[:80]!r}")
        label = int(value)
        values.add(label)
        if not 0 <= label < CLASSES and wrong is None:
            wrong = f"{where}: line {number}: class {label} is not 0..{CLASSES - 1}"
        if table.add(_plain(name), label) != label:
            raise LabelProblem(f"{where}: line {number}: {name.strip()} has another class before")
    if CLASSES in values and 0 not in values:
        raise LabelProblem(
            f"{where}: has class {CLASSES} and no class 0: its classes are counted from 1, and "
            "must be counted from 0",
            f"subtract 1 from every class in the file given to --labels, or give one whose classes "
            f"are 0..{CLASSES - 1}",
        )
    if wrong is not None:
        raise LabelProblem(wrong)
    labels = require_all(table.look_up(names), names, where)
    return labels, f"classes by name in {_shown(where)}", None


def _plain(name: str) -> str:
    return "/".join(part for part in name.strip().split("/") if part not in ("", "."))


def _use_synsets(lines: list[tuple[int, str]], where: str, names: Sequence[str]) -> Labels:
    for expected, (number, line) in enumerate(lines, 1):
        # An empty line in between would move all labels after it.
        if number != expected:
            raise LabelProblem(f"{where}: line {expected}: is empty")
        if not WNID.fullmatch(line):
            raise LabelProblem(f"{where}: line {number}: is not a synset (WNID): {line[:80]!r}")
    wnids = [line for _, line in lines]
    own = sorted(set(wnids))
    if own == wnids and len(own) == CLASSES:
        raise LabelProblem(f"{where}: is the list of the {CLASSES} classes, not the images' labels")
    classes = order_classes(own, where)
    if classes is None:
        raise LabelProblem(
            f"{where}: has {len(own)} different synsets, and the list of all {CLASSES} is needed "
            "to number them",
            f"install {PACKAGE}, which has it: pip install 'resnet50-bench[labels]'; or give "
            "--labels the file of all 50,000 images",
        )
    number_by_synset(wnids, classes, [f"{where}: line {number}" for number, _ in lines])
    picked = pick_in_order(wnids, names, where)
    labels = number_by_synset(picked, classes, names)
    return labels, f"synsets in the order of the images in {_shown(where)}", classes


def _use_devkit(devkit: Devkit, where: str, names: Sequence[str]) -> Labels:
    classes = tuple(sorted(devkit.wnids.values()))
    picked = pick_in_order([devkit.wnids[number] for number in devkit.truth], names, where)
    labels = number_by_synset(picked, classes, names)
    return labels, f"ground truth of the devkit in {_shown(where)}", classes


def _shown(where: str) -> str:
    return where.removeprefix("--labels ")
