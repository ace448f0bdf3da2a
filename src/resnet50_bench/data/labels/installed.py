"""The lists of the package tensorflow-datasets, read as files: neither it nor TensorFlow loads."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from resnet50_bench.data.labels.matching import CLASSES, VALIDATION_IMAGES, WNID, LabelProblem

if TYPE_CHECKING:
    from collections.abc import Collection

PACKAGE = "tensorflow-datasets"

CLASSES_SHA256 = "385e0240499426c022b773be1ae4da780f057b89c9694c7f47199f62746b6edd"
"""Of the 1000 sorted WNIDs of ILSVRC2012, joined by line feeds: labels.txt of tensorflow-datasets
4.9.10."""

_FOLDER = Path("datasets", "imagenet2012")
_CLASSES_FILE, _VALIDATION_FILE = "labels.txt", "validation_labels.txt"


def find_classes() -> tuple[str, ...] | None:
    """Return the 1000 WNIDs, sorted; None when the package is not installed.

    Raises:
        LabelProblem: the package's file is not what it should be.
    """
    path = _find_file(_CLASSES_FILE)
    if path is None:
        return None
    classes = _read(path)
    if len(classes) != CLASSES or sorted(set(classes)) != classes:
        raise _not_as_expected(path, f"{CLASSES} sorted synsets")
    return tuple(classes)


def order_classes(wnids: Collection[str], where: str) -> tuple[str, ...] | None:
    """Return the 1000 WNIDs, sorted, from the package or because `wnids` are all of them.

    Returns None when the package is not installed and `wnids` are fewer.

    Raises:
        LabelProblem: `wnids` are 1000 others, and numbers by their order would mean nothing.
    """
    classes = find_classes()
    if classes is not None or len(wnids) != CLASSES:
        return classes
    own = tuple(sorted(wnids))
    if hashlib.sha256("\n".join(own).encode()).hexdigest() != CLASSES_SHA256:
        raise LabelProblem(f"{where}: its {CLASSES} synsets are not those of ILSVRC2012")
    return own


def read_validation_synsets() -> tuple[str, ...] | None:
    """Return the WNID of each of the 50,000 validation images; None without the package.

    Raises:
        LabelProblem: the package's file is not what it should be.
    """
    path = _find_file(_VALIDATION_FILE)
    if path is None:
        return None
    synsets = _read(path)
    if len(synsets) != VALIDATION_IMAGES:
        raise _not_as_expected(path, f"{VALIDATION_IMAGES} synsets")
    return tuple(synsets)


def _find_file(name: str) -> Path | None:
    spec = importlib.util.find_spec("tensorflow_datasets")  # finds it without importing it
    if spec is None:
        return None
    for root in spec.submodule_search_locations or ():
        path = Path(root, _FOLDER, name)
        if path.is_file():
            return path
    return None


def _read(path: Path) -> list[str]:
    try:
        lines = path.read_text("ascii").split()
    except (OSError, UnicodeDecodeError) as error:
        raise LabelProblem(f"{path}: cannot be read: {error}") from error
    if not all(WNID.fullmatch(line) for line in lines):
        raise _not_as_expected(path, "synsets")
    return lines


def _not_as_expected(path: Path, expected: str) -> LabelProblem:
    return LabelProblem(
        f"{path}: does not hold {expected}",
        f"install {PACKAGE} again, or give --labels PATH to do without it",
    )
