"""What is shown while a sweep is made: a live table on a terminal, else a line for each run."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.table import Table

from resnet50_bench.cli.lines import print_line
from resnet50_bench.cli.progress import describe_seconds
from resnet50_bench.cli.terminal import make_console
from resnet50_bench.config import Mode
from resnet50_bench.printable import show_controls
from resnet50_bench.search.points import describe_settings
from resnet50_bench.search.standings import find_best_precisions, find_best_sizes, find_standings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from rich.console import RenderableType

    from resnet50_bench.search.attempts import Attempt
    from resnet50_bench.search.folder import Sweep
    from resnet50_bench.search.points import Point, PointResult
    from resnet50_bench.search.standings import Standing


class SweepView:
    """Shows how far a sweep is, on stderr; an `Observer` of each of its runs.

    Attributes:
        total: runs to make.
        done: runs made.

    Args:
        sweep: what is asked.
        total: runs to make now.
        left_s: how long what is left will take.

    """

    def __init__(self, sweep: Sweep, total: int, left_s: Callable[[], float]) -> None:
        console = make_console(stderr=True)
        is_live = console.is_terminal and not console.is_dumb_terminal
        self._live = (
            Live(console=console, auto_refresh=False, transient=True,
                 redirect_stdout=False, redirect_stderr=False) if is_live else None
        )  # fmt: skip
        self._sweep = sweep
        self._left_s = left_s
        self._attempts: Sequence[Attempt] = ()
        self._doing = self._stage = ""
        self._ends_at_s = time.monotonic()
        self.total = total
        self.done = 0

    def __enter__(self) -> SweepView:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def begin(self, point: Point, attempts: Sequence[Attempt]) -> None:
        """A run begins."""
        self._attempts = attempts
        self._doing = point.describe() or "the only combination"
        self._stage = ""
        self._ends_at_s = time.monotonic() + self._left_s()
        self._draw()

    def end(self, result: PointResult, attempts: Sequence[Attempt]) -> None:
        """A run has ended."""
        self.done += 1
        self._attempts = attempts
        self._ends_at_s = time.monotonic() + self._left_s()
        if self._live is None:
            best = self._describe_best()
            left = f"; {describe_seconds(self._left_s())} left" if self.done < self.total else ""
            ending = describe_end(result, attempts[-1])
            print_line(f"{self._count(self.done)}: {ending}{best}{left}", err=True)
        elif result.exit_code:
            failed = f"failed: {describe_end(result, attempts[-1])}"
            self._live.console.print(show_controls(failed))
        self._draw()

    def stage(self, number: int, total: int, text: str) -> None:
        """A stage of a run begins."""
        self._stage = f"[{number}/{total}] {text}"
        self._draw()

    def note(self, text: str) -> None:
        """What a run notes stands in its record, too."""

    def waiting(self, text: str, share: float | None) -> None:
        """About once a second."""
        self._stage = text if share is None else f"{text} ({share:.0%})"
        self._draw()

    def _draw(self) -> None:
        if self._live is not None:
            self._live.update(self._render(), refresh=True)

    def _render(self) -> RenderableType:
        left_s = max(0.0, self._ends_at_s - time.monotonic())
        head = f"{self._count(min(self.done + 1, self.total))}, {describe_seconds(left_s)} left: "
        line = show_controls(f"{head}{self._doing}: {self._stage}")
        standings = find_standings(self._sweep.candidates, self._attempts)
        return Group(render_best(standings), line) if standings else Group(line)

    def _count(self, number: int) -> str:
        return f"run {number} of {self.total}"

    def _describe_best(self) -> str:
        standings = find_standings(self._sweep.candidates, self._attempts)
        bests = find_best_precisions(standings)
        if not bests:
            return ""
        best = max(bests, key=lambda item: item.value * (-1 if is_latency(item) else 1))
        return f"; best {describe_value(best)} ({describe_settings(best.candidate.settings)})"


def is_latency(standing: Standing) -> bool:
    """Whether its value is a time, of which less is better."""
    return standing.candidate.config.mode is Mode.LATENCY


def describe_value(standing: Standing) -> str:
    """Return the value with its unit."""
    decimals, unit = (3, "ms") if is_latency(standing) else (2, "images/s")
    return f"{standing.value:.{decimals}f} {unit}"


def describe_end(result: PointResult, attempt: Attempt) -> str:
    """Return what a run was and how it ended, in one line."""
    name = result.point.describe() or "the only combination"
    if attempt.problem is not None:
        return f"{name}: not counted, exit {result.exit_code}: {attempt.problem}"
    headline = result.measured.headline if result.measured is not None else ""
    return f"{name}: {headline or 'no KPI'}"


def render_best(standings: Sequence[Standing]) -> Table:
    """Return the best so far of each precision and batch size."""
    table = Table(title="best so far", title_justify="left", box=None, pad_edge=False)
    for name, justify in (("precision", "left"), ("BS", "right"), ("CPI", "right"),
                          ("value", "right"), ("rounds", "right")):  # fmt: skip
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    champions = find_best_precisions(standings)
    for item in find_best_sizes(standings):
        table.add_row(
            item.precision.value, str(item.batch_size), str(item.figures[0].cores_per_instance),
            describe_value(item), str(len(item.figures)),
            style="bold" if item in champions else None,
        )  # fmt: skip
    return table
