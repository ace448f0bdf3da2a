"""Which accuracy is to be expected of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resnet50_bench.config import RunConfig
    from resnet50_bench.model import Manifest

PUBLISHED_MODEL = "resnet50_v1.pb"
PUBLISHED_TOP1 = 76.46
"""Percent; of MLPerf's reference on the 50,000 validation images (mlcommons/inference, vision
README: 76.456 %), whose rules ask for 99 % of it."""


def find_expected_top1(config: RunConfig, model: Manifest | None) -> float | None:
    """Return the top-1 accuracy to expect, in percent: as asked, else the published model's."""
    if config.expected_top1 is not None or model is None:
        return config.expected_top1
    return PUBLISHED_TOP1 if model.source.name == PUBLISHED_MODEL else None
