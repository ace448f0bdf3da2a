"""Which of the environment's packages does a worker need, and which files are they?

Those that this project requires, those of its extras that the run uses, and what these require in
turn. An environment holds much else, and each of its files would be one more to hash, to list and
to trust.
"""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, distribution
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from importlib.metadata import Distribution, PackagePath

PROJECT = "resnet50-bench"

_REQUIREMENT = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\]]*)\])?")
"""A name and its extras, as a requirement begins (PEP 508)."""

_EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")


class _Wanted(NamedTuple):
    """A package.

    Attributes:
        name: as it is asked for.
        extras: of it, that are asked for.
        certain: whether it is asked for here; else under conditions that are not judged.
    """

    name: str
    extras: frozenset[str]
    certain: bool


def find_package_files(
    extras: Iterable[str], find: Callable[[str], Distribution] = distribution
) -> list[PackagePath] | None:
    """Return the files of all packages that are needed, as they are recorded.

    Args:
        extras: of this project; one that it does not have asks for nothing.
        find: finds an installed package by its name.

    Returns:
        The files; None where it cannot be told, because a package is not installed under the name
        that is asked for, or does not say what it is made of.
    """
    files: list[PackagePath] = []
    left = [_Wanted(PROJECT, frozenset(extras), certain=True)]
    seen = set()
    while left:
        wanted = left.pop()
        if wanted in seen:
            continue
        seen.add(wanted)
        try:
            package = find(wanted.name)
        except PackageNotFoundError:
            if wanted.certain:
                return None
            continue
        if package.files is None:
            return None
        files += package.files
        left += _list_requirements(package, wanted.extras)
    return files


def _list_requirements(package: Distribution, extras: frozenset[str]) -> Iterator[_Wanted]:
    for text in package.requires or ():
        requirement, _, marker = text.partition(";")
        asked = set(_EXTRA.findall(marker))
        match = _REQUIREMENT.match(requirement)
        if match is None or (asked and not asked & extras):
            continue
        more = (word.strip() for word in (match[2] or "").split(","))
        certain = not _EXTRA.sub("", marker).strip()
        yield _Wanted(match[1], frozenset(filter(None, more)), certain)
