"""Which WNID the name or the folder of an image says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from resnet50_bench.data.labels.problem import WHAT_TO_GIVE, LabelProblem

if TYPE_CHECKING:
    from collections.abc import Sequence

WNID = re.compile(r"n\d{8}", re.ASCII)

_WNID_AT_START = re.compile(r"(n\d{8})_", re.ASCII)
_WNID_AT_END = re.compile(r".*_(n\d{8})\.[^.]+", re.ASCII)


def find_wnids(names: Sequence[str]) -> list[str | None]:
    """Return the WNID that the folder of each image or its name says.

    `n01440764/x.JPEG`, `n01440764_x.JPEG` or `x_n01440764.JPEG`, as the Hugging Face hub names
    them: `ILSVRC2012_val_00000001_n01440764.JPEG`.

    Raises:
        LabelProblem: an image's name and folder say different ones.
    """
    return [_find_wnid(name) for name in names]


def _find_wnid(name: str) -> str | None:
    folders, _, base = name.rpartition("/")
    folder = folders.rpartition("/")[2]
    matches = _WNID_AT_START.match(base), _WNID_AT_END.fullmatch(base)
    of_name = {match[1] for match in matches if match is not None}
    of_folder = {folder} if WNID.fullmatch(folder) else set()
    if len(of_name | of_folder) > 1:
        by_folder = f"its folder says {folder} and " if of_folder else ""
        raise LabelProblem(
            f"image {name}: {by_folder}its name {'says ' * (not of_folder)}"
            f"{' and '.join(sorted(of_name))}",
            f"put it where it belongs, or {WHAT_TO_GIVE}",
        )
    return next(iter(of_name | of_folder), None)
