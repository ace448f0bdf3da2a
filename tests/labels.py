"""Images named as ILSVRC2012's validation images, with made-up classes, and labels to be refused."""

from __future__ import annotations

import random

import pytest

from resnet50_bench.data.labels.classes import read_classes
from resnet50_bench.data.labels.find import find_labels
from resnet50_bench.data.sources import FolderSource, ImageRef
from resnet50_bench.errors import DatasetError

CLASSES = tuple(item.wnid for item in read_classes())
ALL = 50_000
TRUTH = random.Random(1).choices(range(1000), k=ALL)
"""The made-up class, 0..999, of each validation image."""


def val_name(number: int) -> str:
    return f"ILSVRC2012_val_{number:08d}.JPEG"


def folder_of(path, names, kind=FolderSource):
    return kind(path, tuple(ImageRef(name, 1, None) for name in sorted(names)))


def assert_refused(source, path, *messages, advice="--labels", **asked):
    with pytest.raises(DatasetError) as caught:
        find_labels(source, path, **asked)
    for message in messages:
        assert message in caught.value.message
    assert caught.value.advice is not None
    assert advice in caught.value.advice
