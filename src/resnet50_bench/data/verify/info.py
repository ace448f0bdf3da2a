"""Describes a data set without decoding it: how many images, named how, of which sizes."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.data.image_bytes import read_dimensions
from resnet50_bench.data.labels.find import find_labels
from resnet50_bench.data.sources import UnreadableImage, sum_sizes
from resnet50_bench.errors import DatasetError

if TYPE_CHECKING:
    from resnet50_bench.data.sources import ImageSource

SAMPLE_IMAGES = 200
"""So many images at the most, evenly spread, are asked for their sizes."""

_DIGITS = re.compile(r"\d")


@dataclass(frozen=True, slots=True)
class NamePattern:
    """How images are named, with a # for each digit that differs; so many have such names."""

    pattern: str
    images: int


@dataclass(frozen=True, slots=True)
class Unused:
    """Files that are not used for one reason, and the first of them."""

    reason: str
    files: int
    first: str


@dataclass(frozen=True, slots=True)
class Sizes:
    """What the headers of some images state: pixels, before any rotation.

    Attributes:
        images: how many were asked.
        unknown: how many of them are neither JPEG nor PNG, have no header or cannot be read.
        width: the least and the greatest; None when no header was there.
        height: the same.

    """

    images: int
    unknown: int
    width: tuple[int, int] | None
    height: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """What a data set is.

    Attributes:
        source: its kind and place, as the source describes itself.
        images: how many.
        total_bytes: of the images' files; None in Parquet.
        patterns: of their names, the most frequent first.
        skipped: files that are not used.
        sizes: of a sample.
        labels: where the classes of the images come from.

    """

    source: str
    images: int
    total_bytes: int | None
    patterns: tuple[NamePattern, ...]
    skipped: tuple[Unused, ...]
    sizes: Sizes
    labels: str


def describe_dataset(source: ImageSource) -> DatasetInfo:
    """Tell what a source holds; reads `SAMPLE_IMAGES` images at the most."""
    return DatasetInfo(
        source=source.describe(),
        images=len(source.refs),
        total_bytes=sum_sizes(source.refs),
        patterns=_find_patterns(source),
        skipped=_group_skipped(source),
        sizes=_read_sizes(source),
        labels=describe_labels(source),
    )


def describe_labels(source: ImageSource) -> str:
    """Say where the classes of a source's images come from."""
    try:
        return find_labels(source, None).origin
    except DatasetError:
        return "none found; `r50 run --labels PATH` names them"


def _find_patterns(source: ImageSource) -> tuple[NamePattern, ...]:
    groups: dict[str, list[str]] = {}
    for ref in source.refs:
        groups.setdefault(_DIGITS.sub("#", ref.name), []).append(ref.name)
    patterns = [
        NamePattern("".join(map(_merge_characters, zip(*names))), len(names))
        for names in groups.values()
    ]
    return tuple(sorted(patterns, key=lambda item: -item.images))


def _merge_characters(column: tuple[str, ...]) -> str:
    return column[0] if len(set(column)) == 1 else "#"


def _group_skipped(source: ImageSource) -> tuple[Unused, ...]:
    counts = Counter(item.reason for item in source.skipped)
    first = {item.reason: item.name for item in reversed(source.skipped)}
    return tuple(Unused(reason, files, first[reason]) for reason, files in counts.most_common())


def _read_sizes(source: ImageSource) -> Sizes:
    step = -(-len(source.refs) // SAMPLE_IMAGES)
    sample = source.refs[::step]
    widths: list[int] = []
    heights: list[int] = []
    for ref in sample:
        try:
            dimensions = read_dimensions(source.read(ref))
        except UnreadableImage:
            continue
        if dimensions is not None:
            widths.append(dimensions[0])
            heights.append(dimensions[1])
    return Sizes(len(sample), len(sample) - len(widths), _span(widths), _span(heights))


def _span(values: list[int]) -> tuple[int, int] | None:
    return (min(values), max(values)) if values else None
