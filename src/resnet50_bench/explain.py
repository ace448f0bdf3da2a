"""Stub."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from resnet50_bench.results import Evaluation, Trial


@dataclass
class Cause:
    """."""

    sentence: str
    top1_now: float
    top1_then: float
    images: int
    advice: str | None


def explain(
    evaluation: Evaluation, trials: tuple[Trial, ...], causes: Mapping[str, str]
) -> tuple[Cause, ...]:
    """."""
    return ()


def should_explain(evaluation: Evaluation, expected_top1: float | None) -> bool:
    """."""
    return False


def plan_sample(evaluation: Evaluation, count: int, seed: int) -> tuple[int, ...]:
    """."""
    return tuple(range(min(count, len(evaluation.images))))
