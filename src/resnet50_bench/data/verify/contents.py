"""What a source holds beside what the validation set should hold: names and sizes, nothing read."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from resnet50_bench.data.sources import sum_sizes
from resnet50_bench.data.verify.facts import Contents, found

if TYPE_CHECKING:
    from resnet50_bench.data.imagenet import ImageArchive
    from resnet50_bench.data.sources import ImageSource, Skipped

_HARMLESS = ("is a ", "not a regular file", "its name ", "replaced by ")
"""How the reasons begin for which a file is not used though nothing is wrong with it."""


def read_contents(source: ImageSource, published: ImageArchive) -> Contents:
    """Compare a source's names with the published ones; only the last part of a path counts."""
    counts = Counter(_last_part(ref.name) for ref in source.refs)
    names = {ref.name for ref in source.refs}
    # In an archive a later member replaces an earlier one of the same name.
    counts.update(_last_part(item.name) for item in source.skipped if item.name in names)
    expected = [published.name_image(number) for number in range(1, published.images + 1)]
    wanted = frozenset(expected)
    return Contents(
        images=len(source.refs),
        total_bytes=sum_sizes(source.refs),
        expected=sum(name in counts for name in expected),
        missing=found(name for name in expected if name not in counts),
        surplus=found(ref.name for ref in source.refs if _last_part(ref.name) not in wanted),
        duplicates=found(name for name in expected if counts[name] > 1),
        empty=found(ref.name for ref in source.refs if ref.size_bytes == 0),
        damaged=found(_describe(item) for item in source.skipped if not _is_harmless(item)),
        unused=found(_describe(item) for item in source.skipped if _is_harmless(item)),
    )


def _last_part(name: str) -> str:
    return name.rpartition("/")[2]


def _is_harmless(item: Skipped) -> bool:
    return item.reason.startswith(_HARMLESS)


def _describe(item: Skipped) -> str:
    return f"{item.name}: {item.reason}"
