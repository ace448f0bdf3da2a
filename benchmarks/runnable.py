"""Which precisions a benchmark measures on this CPU, and why it leaves the others out."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable

from resnet50_bench.config import Precision
from resnet50_bench.host.amx_probe import AmxProbe
from resnet50_bench.precision.runnable import plan_runnable


def plan_measured(
    wanted: Iterable[Precision], cpu_flags: Collection[str], amx: AmxProbe | None
) -> tuple[list[Precision], list[str]]:
    """Return the precisions that run natively, and for each of the others a line that says why not.

    An emulated run says nothing about what the instructions of a precision reach, so it is no more
    measured than one that is not possible.
    """
    answers = [plan_runnable(precision, cpu_flags, amx) for precision in wanted]
    measured = [answer.precision for answer in answers if answer.runnable]
    skipped = [
        f"skipped {answer.precision.value}: {answer.reason}"
        + ("; it could only be emulated" if answer.emulated_possible else "")
        for answer in answers
        if not answer.runnable
    ]
    return measured, skipped


def choose_measured(
    wanted: Iterable[Precision], cpu_flags: Collection[str], amx: AmxProbe | None
) -> list[Precision]:
    """Tell what is skipped and return the rest; nothing left to measure ends the benchmark."""
    measured, skipped = plan_measured(wanted, cpu_flags, amx)
    for line in skipped:
        print(line, file=sys.stderr)
    if not measured:
        sys.exit("no precision is left to measure")
    return measured
