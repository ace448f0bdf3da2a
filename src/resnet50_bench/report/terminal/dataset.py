"""What is known of a data set as a person reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resnet50_bench.data.verify.conclusion import Check, Conclusion
    from resnet50_bench.data.verify.info import DatasetInfo, Sizes

_LISTED = 5


def list_checks(conclusion: Conclusion) -> Iterator[tuple[str, str]]:
    """Yield the status of each check and its line, then its examples with no status."""
    for check in conclusion.checks:
        yield check.status, f"{check.name:<12}{check.text}"
        yield from (("", f"{'':<12}{line}") for line in _list_examples(check))


def describe_info(info: DatasetInfo) -> Iterator[tuple[str, str]]:
    """Yield what a data set holds, as named lines."""
    yield "source", info.source
    yield "images", f"{info.images:,}"
    if info.total_bytes is not None:
        yield "bytes", f"{info.total_bytes:,}, {info.total_bytes // info.images:,} an image"
    for item in info.patterns[:_LISTED]:
        yield "names", f"{item.pattern} ({item.images:,})"
    if len(info.patterns) > _LISTED:
        rest = sum(item.images for item in info.patterns[_LISTED:])
        yield "names", f"... {len(info.patterns) - _LISTED:,} patterns more ({rest:,})"
    yield "sizes", _describe_sizes(info.sizes)
    yield "labels", info.labels
    for unused in info.skipped:
        yield "skipped", f"{unused.files:,} x {unused.reason}, the first: {unused.first}"


def _list_examples(check: Check) -> Iterator[str]:
    if check.found is not None:
        yield from check.found.first
        left = check.found.count - len(check.found.first)
        if left:
            yield f"... {left:,} more"


def _describe_sizes(sizes: Sizes) -> str:
    if sizes.width is None or sizes.height is None:
        return f"in none of {sizes.images:,} images is there a JPEG or PNG header"
    width, height = ("{} .. {}".format(*span) for span in (sizes.width, sizes.height))
    unknown = f"; {sizes.unknown:,} of them state none" if sizes.unknown else ""
    return f"{width} wide, {height} high, in a sample of {sizes.images:,}{unknown}"
