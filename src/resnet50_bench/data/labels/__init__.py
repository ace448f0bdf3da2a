"""What the images show, found or read; never guessed.

Every label is 0..999, in the order of the sorted synsets (WNIDs such as n01440764), whatever the
file it comes from counts by.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.data.labels.agreement import require_agreement
from resnet50_bench.data.labels.files import read_label_file
from resnet50_bench.data.labels.installed import (
    PACKAGE,
    find_classes,
    order_classes,
    read_validation_synsets,
)
from resnet50_bench.data.labels.matching import (
    CLASSES,
    WHAT_TO_GIVE,
    LabelProblem,
    Labels,
    find_wnids,
    number_by_synset,
    pick_by_number,
)
from resnet50_bench.data.labels.own import read_own_labels
from resnet50_bench.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from resnet50_bench.data.sources import ImageSource

_BESIDE = (
    "val_map.txt",
    "synset_labels.txt",
    "ILSVRC2012_devkit_t12.tar.gz",
    "ILSVRC2012_devkit_t12",
)
"""Names that are looked for in and beside a dataset, the first one that is there counts."""


@dataclass(frozen=True, slots=True)
class LabelSet:
    """The labels of a source's images.

    Attributes:
        labels: one for each of the source's refs, in their order: 0..999.
        origin: where they come from, in one line.
        synsets: the 1000 WNIDs in the order of their numbers; None where the origin has numbers
            only.
    """

    labels: tuple[int, ...]
    origin: str
    synsets: tuple[str, ...] | None = None


def find_labels(source: ImageSource, path: Path | None) -> LabelSet:
    """Return the labels of all images of a source.

    Args:
        source: the images.
        path: a val_map.txt, a synset_labels.txt, or the ILSVRC2012 devkit's archive or folder, told
            apart by what it holds. With None, the first of these that applies: the source's own
            labels (TFRecords, WebDataset), WNIDs in the images' names, one of the files above in
            or beside the dataset, the validation labels of the package tensorflow-datasets.

    Raises:
        DatasetError: there are no labels, one is wrong or contradicts its image's name, or an
            image has none.
    """
    names = [ref.name for ref in source.refs]
    hints: list[str] = []
    try:
        found = (
            read_label_file(path, f"--labels {path}", names)
            if path is not None
            else next(filter(None, _search(source, names, hints)), None)
        )
        if found is not None:
            labels = LabelSet(*found)
            require_agreement(labels.labels, names, labels.origin)
            return labels
    except LabelProblem as problem:
        raise DatasetError(str(problem), problem.advice or WHAT_TO_GIVE) from problem
    tried = "".join(f"; {hint}" for hint in hints)
    raise DatasetError(
        f"--dataset {source.path}: there are no labels for its {len(names)} images{tried}",
        f"{WHAT_TO_GIVE}. It may also lie in {_beside(source)[-1]}, under its usual name. Images "
        "named ILSVRC2012_val_000NNNNN.JPEG, or in folders named after their WNIDs, need none of "
        f"them once {PACKAGE} is installed: pip install 'resnet50-bench[labels]'",
    )


def _search(source: ImageSource, names: list[str], hints: list[str]) -> Iterator[Labels | None]:
    """Look in one place after the other; say in `hints` why a place that nearly fits does not."""
    yield read_own_labels(source)
    yield _from_wnids(names, hints)
    yield _from_files(source, names)
    yield _from_installed(names, hints)


def _from_wnids(names: list[str], hints: list[str]) -> Labels | None:
    wnids = find_wnids(names)
    found = [wnid for wnid in wnids if wnid is not None]
    if not found:
        return None
    if len(found) < len(names):
        first = names[wnids.index(None)]
        hints.append(
            f"{len(found)} of {len(names)} are in a folder or have a name that says their WNID, "
            f"but others are not, such as {first}"
        )
        return None
    own = set(found)
    classes = order_classes(own, "the images' names")
    if classes is None:
        hints.append(
            f"their names say {len(own)} different WNIDs, and the list of all {CLASSES} is needed "
            f"to number them: install {PACKAGE}"
        )
        return None
    labels = number_by_synset(found, classes, [f"image {name}" for name in names])
    return labels, "WNIDs in the names of the images or their folders", classes


def _from_files(source: ImageSource, names: list[str]) -> Labels | None:
    for folder in _beside(source):
        for name in _BESIDE:
            path = folder / name
            if _is_there(path):
                return read_label_file(path, str(path), names)
    return None


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a folder above the dataset that may not be looked into
        return False


def _beside(source: ImageSource) -> tuple[Path, ...]:
    """Return the folders where labels are looked for: the dataset's own, and the one it lies in."""
    path = source.path.absolute()
    return (path, path.parent) if path.is_dir() else (path.parent,)


def _from_installed(names: list[str], hints: list[str]) -> Labels | None:
    numbers = pick_by_number(names)
    if all(number is None for number in numbers):
        return None
    if None in numbers:
        first = names[numbers.index(None)]
        hints.append(f"not all are named ILSVRC2012_val_000NNNNN.JPEG, such as {first}")
        return None
    synsets, classes = read_validation_synsets(), find_classes()
    if synsets is None or classes is None:
        hints.append(f"{PACKAGE} is not installed, whose labels would fit their names")
        return None
    found = [synsets[number - 1] for number in numbers if number is not None]
    labels = number_by_synset(found, classes, [f"image {name}" for name in names])
    return labels, f"validation labels of the package {PACKAGE}", classes
