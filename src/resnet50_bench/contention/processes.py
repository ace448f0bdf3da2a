"""Which processes used processor time: read from /proc, as far as this process may see them.

A container sees its own processes only, and a process that came and went between two looks is in
neither. What cannot be named is still in the CPUs' own counters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.contention.samples import ProcessTime
from resnet50_bench.host.kernel_files import LIVE_ROOT

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

_TIMES = slice(11, 13)  # utime and stime, counted from the field behind the name
_START, _CPU = 19, 36
MAX_NAMED = 10


@dataclass(frozen=True, slots=True)
class ProcessSeen:
    """A process at one moment.

    Attributes:
        name: the kernel's short name.
        start_ticks: when it began, since the machine's start: tells a number used again.
        cpu_ticks: its processor time so far, all threads.
    """

    name: str
    start_ticks: int
    cpu_ticks: int


def read_processes(root: Path = LIVE_ROOT) -> dict[int, ProcessSeen]:
    """Return every process that can be seen, by its id."""
    return {int(entry.name): seen for entry, seen in _read_each(root / "proc")}


def find_busy(
    before: dict[int, ProcessSeen], ours: Collection[int], root: Path = LIVE_ROOT
) -> tuple[ProcessTime, ...]:
    """Return the other processes that used processor time since `before`, the most first.

    Args:
        before: what was seen then.
        ours: processes to leave out.
        root: where /proc lies.
    """
    busy = []
    for entry, now in _read_each(root / "proc"):
        pid = int(entry.name)
        then = before.get(pid)
        is_same = then is not None and then.start_ticks == now.start_ticks
        ticks = now.cpu_ticks - (then.cpu_ticks if then is not None and is_same else 0)
        if ticks > 0 and pid not in ours:
            busy.append((ticks, pid, now.name))
    busy.sort(key=lambda item: (-item[0], item[1]))
    return tuple(
        ProcessTime(pid=pid, name=name, cpu_ticks=ticks, cpus=_read_cpus(root, pid))
        for ticks, pid, name in busy[:MAX_NAMED]
    )


def merge_busy(
    first: tuple[ProcessTime, ...], second: tuple[ProcessTime, ...]
) -> tuple[ProcessTime, ...]:
    """Return what either look found: one that has ended since the first keeps what it had then."""
    found = {item.pid: item for item in (*first, *second)}
    return tuple(sorted(found.values(), key=lambda item: (-item.cpu_ticks, item.pid))[:MAX_NAMED])


def _read_each(folder: Path) -> Iterator[tuple[Path, ProcessSeen]]:
    for entry in folder.iterdir():
        if entry.name.isdigit() and (parts := _read_stat(entry / "stat")) is not None:
            name, fields = parts
            ticks = sum(map(int, fields[_TIMES]))
            yield entry, ProcessSeen(name, int(fields[_START]), ticks)


def _read_cpus(root: Path, pid: int) -> tuple[int, ...]:
    """The CPUs its threads last ran on."""
    try:
        threads = list((root / f"proc/{pid}/task").iterdir())
    except OSError:  # it ended meanwhile
        return ()
    stats = (_read_stat(thread / "stat") for thread in threads)
    return tuple(sorted({int(parts[1][_CPU]) for parts in stats if parts is not None}))


def _read_stat(path: Path) -> tuple[str, list[str]] | None:
    """The name and the fields behind it; a name may hold blanks and brackets itself."""
    try:
        text = path.read_text(errors="replace")
    except OSError:  # it ended meanwhile, or is not ours to see
        return None
    head, _, tail = text.rpartition(")")
    fields = tail.split()
    return (head.partition("(")[2], fields) if len(fields) > _CPU else None
