"""Marks for tests of what may not be installed."""

from importlib import metadata

import pytest

from resnet50_bench.engines.onednn.binding import DISTRIBUTION


def is_distributed(name):
    """Whether pip has installed it; a library without a Python module is found no other way."""
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


needs_onednn = pytest.mark.skipif(
    not is_distributed(DISTRIBUTION),
    reason="oneDNN is not installed: pip install 'resnet50-bench[onednn]'",
)
