"""How far a long step is, how fast it goes and how long it will take, on one line."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from resnet50_bench.data.verify.facts import Step

if TYPE_CHECKING:
    from collections.abc import Callable

    from resnet50_bench.cli.terminal import TerminalObserver

_TITLES = {
    Step.LIST: "list the images",
    Step.DOWNLOAD: "download",
    Step.HASH: "compute MD5 and SHA-256",
    Step.IMAGES: "read every image",
    Step.RECORDS: "read every record",
}
_REDRAW_S = 1.0
_LONG_S = 2.0
"""What takes less is not worth a line."""


class StepProgress:
    """Shows steps: a line when one begins, then a line that is written over once a second.

    Attributes:
        step: the one that runs; None before the first.
        done: how far it has come, as text.

    Args:
        observer: what shows it.
        clock: seconds.

    """

    def __init__(
        self, observer: TerminalObserver, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.step: Step | None = None
        self.done = ""
        self._observer = observer
        self._clock = clock
        self._began_s = self._drawn_s = 0.0
        self._began_at = 0

    def __call__(self, step: Step, done: int, total: int | None) -> None:
        """Take note of how much of a step is done."""
        now_s = self._clock()
        if step is not self.step:
            self.step = step
            self._began_s = self._drawn_s = now_s
            self._began_at = done
            self._observer.note(_TITLES[step])
        self.done = describe_amount(step, done, total)
        if now_s - self._drawn_s < _REDRAW_S:
            return
        self._drawn_s = now_s
        share = done / total if total else None
        self._observer.waiting(self.done + self._describe_rate(now_s, done, total), share)

    def _describe_rate(self, now_s: float, done: int, total: int | None) -> str:
        """Say how fast it goes; what was there when it began does not count."""
        per_s = (done - self._began_at) / (now_s - self._began_s)
        if per_s <= 0:
            return ""
        rate = f"{per_s:,.0f}" if self.step is Step.IMAGES else f"{per_s / 1e6:,.1f} MB"
        left = f", {describe_seconds((total - done) / per_s)} left" if total else ""
        return f", {rate}/s{left}"


class ListingProgress:
    """Shows how far the listing of images is, once it has taken longer than `_LONG_S`.

    Args:
        observer: what shows it.
        clock: seconds.

    """

    def __init__(
        self, observer: TerminalObserver, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._observer = observer
        self._clock = clock
        self._began_s = self._drawn_s = clock()
        self._is_told = False

    def __call__(self, images: int, share: float | None) -> None:
        """Take note of how many images were found, and of the share of the files gone through."""
        now_s = self._clock()
        spent_s = now_s - self._began_s
        if spent_s < _LONG_S or now_s - self._drawn_s < _REDRAW_S:
            return
        self._drawn_s = now_s
        if not self._is_told:
            self._is_told = True
            self._observer.note("list the images, which takes a while")
        left = f", {describe_seconds(spent_s * (1 - share) / share)} left" if share else ""
        text = f"{images:,} images, {images / spent_s:,.0f}/s{left}"
        self._observer.waiting(text, share)


def describe_amount(step: Step, done: int, total: int | None) -> str:
    """Return `3 of 43 images` or `1,200.0 of 6,744.9 MB`; listing has no amount."""
    if step is Step.LIST:
        return "the list was begun"
    if step is Step.IMAGES:
        return f"{done:,} of {total:,} images"
    of_total = f" of {total / 1e6:,.1f}" if total else ""
    return f"{done / 1e6:,.1f}{of_total} MB"


def describe_seconds(seconds: float) -> str:
    """Return a time to wait in one unit: `45 s`, `12 min`, `3.5 h`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
