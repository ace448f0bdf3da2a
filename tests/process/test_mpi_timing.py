"""When the ranks of an MPI job start and what wakes in them: measured with nothing else running."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .conftest import MEASURE, STEPS, wait_until
from .test_mpi import LONG, MEASURING, TWO, needs_mpi, run

pytestmark = [*needs_mpi, pytest.mark.alone]


def count_waits(pid: int) -> dict[int, int]:
    """How often each thread of a process has gone to sleep."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        status = (task / "status").read_text()
        found[int(task.name)] = int(
            re.search(r"^voluntary_ctxt_switches:\s+(\d+)", status, re.MULTILINE)[1]
        )
    return found


def test_the_ranks_start_together(r50):
    assert run(r50, *MEASURE, *TWO).code == 0
    first, second = (item.start_ns[0] for item in r50.record().instances)
    # Both had warmed up, so what is left is the barrier: far below the time of all queries.
    assert abs(first - second) < STEPS * 5_000_000


def test_nothing_else_wakes_in_a_rank_while_it_measures(r50):
    process = r50.start("run", *LONG, *TWO, "--output", r50.output)
    r50.wait_for_stderr(process, MEASURING)
    for number in (0, 1):
        pid = r50.find_worker(number)
        begin = count_waits(pid)
        # A query of the null engine is one wait of the main thread.
        wait_until(lambda: count_waits(pid)[pid] >= begin[pid] + 50, "50 queries")  # noqa: B023
        end = count_waits(pid)
        waits = {thread: end[thread] - begin[thread] for thread in end if thread != pid}
        assert len(waits) >= 1
        assert sum(waits.values()) <= 5, waits
    process.terminate()
    assert r50.end(process).code == 143
