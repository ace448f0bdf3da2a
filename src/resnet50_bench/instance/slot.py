"""An instance's slot: taken before anything large is imported, looked at after the last query."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from resnet50_bench.host.memory_policy import (
    read_anonymous_pages_by_node,
    read_memory_policy,
    set_memory_policy,
)
from resnet50_bench.instance.job import PlacementSeen

if TYPE_CHECKING:
    from resnet50_bench.placement.slots import Slot


def take_slot(slot: Slot) -> str | None:
    """Pin this process and bind its memory; return why the memory could not be bound."""
    for thread in Path("/proc/self/task").iterdir():  # under MPI there are some already
        os.sched_setaffinity(int(thread.name), slot.cpus)
    try:
        set_memory_policy(slot.nodes)
    except OSError as error:
        return f"binding memory to node {slot.nodes} failed: {error.strerror}"
    return None


def read_placement(policy_error: str | None) -> PlacementSeen:
    """Return where all threads of this process are, and its memory."""
    threads = [int(entry.name) for entry in Path("/proc/self/task").iterdir()]
    cpus: set[int] = set()
    for thread in threads:
        with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
            cpus |= os.sched_getaffinity(thread)
    policy = None
    try:
        policy = read_memory_policy()
    except OSError as error:
        policy_error = policy_error or f"reading the memory policy failed: {error.strerror}"
    return PlacementSeen(
        cpus=tuple(sorted(cpus)),
        threads=len(threads),
        memory_policy=policy,
        memory_policy_error=policy_error,
        anonymous_bytes=read_anonymous_pages_by_node(),
    )
