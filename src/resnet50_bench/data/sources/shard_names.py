"""Which files are the shards of one set: by a range, `val-{00..63}.tar`, or by their names."""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from typing import TYPE_CHECKING

from resnet50_bench.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_RANGE = re.compile(r"\{(\d{1,9})\.\.(\d{1,9})\}", re.ASCII)
_MAX_SHARDS = 1_000_000
_NUMBERS = re.compile(r"[-_.]?\d+(-of-\d+)?(?=\.\w+$)", re.ASCII)
_VALIDATION = "val"


def is_range(path: Path) -> bool:
    """Tell whether the last part of a path has a range in braces."""
    return _RANGE.search(path.name) is not None


def expand_range(path: Path) -> tuple[str, ...]:
    """Return the file names that a range stands for, in its order.

    As in a shell, `{000000..000063}` keeps the zeros; several ranges are combined.

    Raises:
        DatasetError: it runs backwards or is far too long, or a file is not there.

    """
    pieces = _RANGE.split(path.name)
    spans = list(zip(pieces[1::3], pieces[2::3], strict=True))
    _require_sensible(path, spans)
    numbers = [
        [f"{number:0{_width(first, last)}d}" for number in range(int(first), int(last) + 1)]
        for first, last in spans
    ]
    names = tuple(
        pieces[0] + "".join(number + text for number, text in zip(chosen, pieces[3::3]))
        for chosen in itertools.product(*numbers)
    )
    missing = [name for name in names if not (path.parent / name).is_file()]
    if missing:
        raise DatasetError(
            f"--dataset {path}: {len(missing)} of its {len(names)} files are not in "
            f"{path.parent}, the first: {missing[0]}",
            "write the range of the files that are there, as in 'val-{000000..000063}.tar'",
        )
    return names


def choose_set(folder: Path, names: Iterable[str]) -> tuple[str, ...]:
    """Return the shards of the one set in a folder, or of its validation set.

    A set is what has the same name but for the shards' numbers: `val-000.tar`, `val-001.tar`.

    Raises:
        DatasetError: there are several sets, and not one of them is a validation set.

    """
    sets: dict[str, list[str]] = defaultdict(list)
    for name in names:
        sets[_NUMBERS.sub("", name)].append(name)
    validation = [found for stem, found in sets.items() if _VALIDATION in stem.lower()]
    if len(validation) == 1 or len(sets) == 1:
        (chosen,) = validation or sets.values()
        return tuple(sorted(chosen))
    shown = ", ".join(f"{len(found)} of {stem}" for stem, found in sorted(sets.items()))
    raise DatasetError(
        f"--dataset {folder}: holds the shards of several sets: {shown}",
        f"name those of one set as a range, as in --dataset '{folder}/val-{{000000..000063}}.tar'",
    )


def _require_sensible(path: Path, spans: list[tuple[str, str]]) -> None:
    count = 1
    for first, last in spans:
        count *= max(0, int(last) - int(first) + 1)
    if not 0 < count <= _MAX_SHARDS:
        raise DatasetError(
            f"--dataset {path}: its range stands for no file, or for more than {_MAX_SHARDS}",
            "write the first number before the last, as in 'val-{000000..000063}.tar'",
        )


def _width(first: str, last: str) -> int:
    return max(len(first), len(last)) if first.startswith("0") or last.startswith("0") else 0
