"""What the parent asks of the process that measures, and what it answers.

The request is one JSON document on the child's stdin; answers are JSON lines on its stdout: before
a task what it will be, after it what came of it. A task without the second line ended the child.
"""

from __future__ import annotations

import msgspec

MODULE = "resnet50_bench.limits.probe"


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to measure.

    Attributes:
        name: of the answer: a kind, or a level and an access.
        kind: of a peak, as `Kind` has it; None for a bandwidth.
        access: of a bandwidth; None for a peak.
        buffer_bytes: of a bandwidth; 0 for a peak.
    """

    name: str
    kind: str | None = None
    access: str | None = None
    buffer_bytes: int = 0


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What to measure, and where.

    Attributes:
        cpus: one of each core.
        cpu_flags: of this host, as /proc/cpuinfo names them.
        tasks: in each round, in this order.
        rounds: how often.
        seconds: for one task in one round.
    """

    cpus: tuple[int, ...]
    cpu_flags: tuple[str, ...]
    tasks: tuple[Task, ...]
    rounds: int
    seconds: float


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One line.

    Attributes:
        name: of the task.
        rate: operations or bytes per second; None before the task, or when it failed.
        failure: why it cannot be measured.
    """

    name: str
    rate: float | None = None
    failure: str | None = None
