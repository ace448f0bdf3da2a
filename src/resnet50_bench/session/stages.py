"""The numbered lines of a run, and whoever shows them."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resnet50_bench.launch import Worker
    from resnet50_bench.planning.plan import RunPlan


class Observer(Protocol):
    """Whoever shows a run's progress."""

    def stage(self, number: int, total: int, text: str) -> None:
        """A numbered stage begins."""

    def note(self, text: str) -> None:
        """Something a user should read."""

    def waiting(self, text: str, share: float | None) -> None:
        """Called about once a second while waiting; share of the expected time, if known."""


class Silence:
    """An `Observer` that shows nothing."""

    def stage(self, number: int, total: int, text: str) -> None:
        """Show nothing."""

    def note(self, text: str) -> None:
        """Show nothing."""

    def waiting(self, text: str, share: float | None) -> None:
        """Show nothing."""


class Stages:
    """Counts the stages of a run for its observer."""

    def __init__(self, observer: Observer, plan: RunPlan) -> None:
        self._observer = observer
        self._total = count_stages(plan)
        self._number = 0

    def begin(self, text: str) -> None:
        """Say that the next stage begins."""
        self._number += 1
        self._observer.stage(self._number, self._total, text)

    def note(self, text: str) -> None:
        """Say something a user should read."""
        self._observer.note(text)

    def show_share(self, text: str, share: float | None) -> None:
        """Say how far the stage is."""
        self._observer.waiting(text, share)

    def show_phases(self, workers: Sequence[Worker], seconds: float) -> None:
        """Say what the workers are doing, since so many seconds."""
        phases = sorted(worker.phase for worker in workers)
        counts = ", ".join(
            f"{len(list(same))} {phase}" for phase, same in itertools.groupby(phases)
        )
        self._observer.waiting(f"{counts} ({seconds:.0f} s)", None)


def count_stages(plan: RunPlan) -> int:
    """Return how many numbered stages a run has; without a trace there is nothing to prove."""
    return 5 if plan.engine.traces else 4
