"""Stub until the branch is merged."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from resnet50_bench.data.sources import ImageSource


@dataclass(frozen=True, slots=True)
class LabelSet:
    """Labels."""

    labels: tuple[int, ...]
    origin: str
    synsets: tuple[str, ...] | None = None


def find_labels(source: ImageSource, path: Path | None) -> LabelSet:
    """Read val_map."""
    assert path is not None
    by_name = dict(line.split() for line in path.read_text().splitlines())
    return LabelSet(tuple(int(by_name[ref.name]) for ref in source.refs), str(path))
