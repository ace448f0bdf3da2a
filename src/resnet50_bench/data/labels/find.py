"""Where the labels of a dataset are: given, in it, in its names, beside it, or known beforehand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.data.labels.agreement import require_agreement
from resnet50_bench.data.labels.classes import read_validation_labels
from resnet50_bench.data.labels.files import LabelFile
from resnet50_bench.data.labels.matching import LabelSet, number_by_synset, pick_by_number
from resnet50_bench.data.labels.orders import OUTPUTS, ClassOrder
from resnet50_bench.data.labels.own import read_own_labels
from resnet50_bench.data.labels.problem import WHAT_TO_GIVE, LabelProblem
from resnet50_bench.data.labels.wnids import find_wnids
from resnet50_bench.errors import DatasetError
from resnet50_bench.files.paths import is_there

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from resnet50_bench.data.sources import ImageSource

_BESIDE = (
    "val_map.txt",
    "synset_labels.txt",
    "LOC_val_solution.csv",
    "ILSVRC2012_devkit_t12.tar.gz",
    "ILSVRC2012_devkit_t12",
)
"""Names that are looked for in and beside a dataset, the first one that is there counts."""


@dataclass(frozen=True, slots=True)
class _Request:
    """What the user says of the labels; see `find_labels`."""

    path: Path | None
    form: str | None
    order: ClassOrder | None


def find_labels(
    source: ImageSource,
    path: Path | None,
    form: str | None = None,
    order: ClassOrder | None = None,
) -> LabelSet:
    """Return the labels of all images of a source.

    Args:
        source: the images.
        path: a file of labels or the devkit's folder, told apart by what it holds. With None, the
            first of these that applies: the source's own labels (TFRecords, WebDataset), WNIDs in
            the images' names, a label file in or beside the dataset, what is known of images named
            as ILSVRC2012's validation images.
        form: how to read a file, as `--labels-format` says; None to find it out.
        order: what the labels' numbers count by; None for the sorted WNIDs, from 0.

    Raises:
        DatasetError: there are no labels, one is wrong or contradicts its image's name, or an
            image has none.
    """
    request = _Request(path, form, order)
    names = [ref.name for ref in source.refs]
    hints: list[str] = []
    try:
        found = next(filter(None, _search(source, request, names, hints)), None)
        if found is not None:
            require_agreement(found.labels, names, found.origin)
            _require_use(request.order, found)
            return found
    except LabelProblem as problem:
        raise DatasetError(str(problem), problem.advice or WHAT_TO_GIVE) from problem
    tried = "".join(f"; {hint}" for hint in hints)
    raise DatasetError(
        f"--dataset {source.path}: there are no labels for its {len(names)} images{tried}",
        f"{WHAT_TO_GIVE}. It may also lie in {_beside(source)[-1]}, under its usual name. Images "
        "named ILSVRC2012_val_000NNNNN.JPEG, or in folders named after their WNIDs, need none",
    )


def _search(
    source: ImageSource, request: _Request, names: list[str], hints: list[str]
) -> Iterator[LabelSet | None]:
    """Look in one place after the other; say in `hints` why a place that nearly fits does not."""
    if request.path is not None:
        where = f"--labels {request.path}"
        yield LabelFile(request.path, where, request.form, request.order).read(names)
        return
    yield read_own_labels(source, request.order)
    yield _from_wnids(names, hints)
    yield _from_files(source, request, names)
    yield _from_validation(names, hints)


def _require_use(order: ClassOrder | None, found: LabelSet) -> None:
    if order is not None and found.order is None:
        raise LabelProblem(
            f"--class-order {order.text}: says what the labels' numbers count by, and the labels "
            f"name the classes themselves: {found.origin}",
            f"leave it out, or give --class-order {OUTPUTS}{order.text} if it is the model whose "
            "outputs are in that order",
        )


def _from_wnids(names: list[str], hints: list[str]) -> LabelSet | None:
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
    labels = number_by_synset(found, [f"image {name}" for name in names])
    return LabelSet(labels, "WNIDs in the names of the images or their folders", order=None)


def _from_files(source: ImageSource, request: _Request, names: list[str]) -> LabelSet | None:
    for folder in _beside(source):
        for name in _BESIDE:
            path = folder / name
            if is_there(path):
                return LabelFile(path, str(path), request.form, request.order).read(names)
    return None


def _beside(source: ImageSource) -> tuple[Path, ...]:
    """Return the folders where labels are looked for: the dataset's own, and the one it lies in."""
    path = source.path.absolute()
    return (path, path.parent) if path.is_dir() else (path.parent,)


def _from_validation(names: list[str], hints: list[str]) -> LabelSet | None:
    numbers = pick_by_number(names)
    if all(number is None for number in numbers):
        return None
    if None in numbers:
        first = names[numbers.index(None)]
        hints.append(f"not all are named ILSVRC2012_val_000NNNNN.JPEG, such as {first}")
        return None
    known = read_validation_labels()
    labels = tuple(known[number - 1] for number in numbers if number is not None)
    return LabelSet(labels, "ILSVRC2012's validation labels, by the images' numbers", order=None)
