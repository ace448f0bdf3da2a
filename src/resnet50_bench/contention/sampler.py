"""Reads the CPUs' counters while instances measure: a fraction of a millisecond each time.

Sources: the kernel's Documentation/filesystems/proc.rst ("/proc/stat"), admin-guide/cgroup-v2.rst
("cpu.stat"), `clock_getcpuclockid(3)`.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from resnet50_bench.contention.processes import find_busy, merge_busy, read_processes
from resnet50_bench.contention.samples import Contention, CpuSample, ProcessTime
from resnet50_bench.host.cgroups import read_throttled_ns
from resnet50_bench.host.kernel_files import LIVE_ROOT, read_int

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

MAX_SAMPLES = 400
"""When there are so many, every other one is dropped, and the next ones are read half as often."""

SUSPICIOUS_SHARE = 0.02
"""Of the CPUs' time between two samples: with more in other hands, names are looked for at once,
before whoever it is has ended."""

_NS = 1_000_000_000
_NAMES_EVERY_NS = _NS
_NAMES_COST_FACTOR = 200
"""Looking at every process takes milliseconds, on a large server tens of them: it is done once a
second at most, and never for more than 1/200 of the time."""

_CPU_FOLDER = "sys/devices/system/cpu"


class Sampler:
    """Takes samples from its making until `finish`.

    Args:
        cpus: to look at: each instance's own and, behind them all, what else shares their cores.
        workers: process of each instance, with the first CPU it owns.
        ours: further processes that are no strangers, such as r50 itself.
        root: where /proc and /sys lie.
    """

    def __init__(
        self,
        cpus: Sequence[int],
        workers: Mapping[int, int],
        ours: Sequence[int],
        root: Path = LIVE_ROOT,
    ) -> None:
        self._cpus = tuple(cpus)
        self._workers = workers
        self._ours = frozenset({*workers, *ours})
        self._root = root
        self._own_ns = dict.fromkeys(workers, 0)
        self._before = read_processes(root)
        self._next_names_ns = time.monotonic_ns() + _NAMES_EVERY_NS
        self._busy: tuple[ProcessTime, ...] = ()
        self._stride = 1
        self._skipped = 0
        self._samples = [self._read()]

    def sample(self) -> None:
        """Take a sample, and look for names where something else was at work since the last."""
        self._skipped += 1
        if self._skipped < self._stride:
            return
        self._skipped = 0
        self._samples.append(self._read())
        is_time = self._samples[-1].at_ns >= self._next_names_ns
        if is_time and _find_foreign_share(self._samples[-2], self._samples[-1]) > SUSPICIOUS_SHARE:
            self._look_for_names()
        if len(self._samples) >= MAX_SAMPLES:
            self._samples = self._samples[::2]
            self._stride *= 2

    def finish(self, find_own_ns: Callable[[int], int | None] = lambda _: None) -> Contention:
        """Take the last sample and return them all.

        Args:
            find_own_ns: processor time that an instance, by its process, says it used since the
                first sample; asked where the kernel has forgotten the process.
        """
        first = dict(zip(self._workers, self._samples[0].own_ns))
        for pid in self._workers:
            said = find_own_ns(pid)
            if said is not None:
                self._own_ns[pid] = max(self._own_ns[pid], first[pid] + said)
        self._samples.append(self._read())
        self._look_for_names()
        return Contention(
            cpus=self._cpus,
            ticks_per_s=read_ticks_per_s(),
            samples=tuple(self._samples),
            processes=self._busy,
        )

    def _look_for_names(self) -> None:
        begin_ns = time.monotonic_ns()
        self._busy = merge_busy(self._busy, find_busy(self._before, self._ours, self._root))
        end_ns = time.monotonic_ns()
        self._next_names_ns = end_ns + max(
            _NAMES_EVERY_NS, _NAMES_COST_FACTOR * (end_ns - begin_ns)
        )

    def _read(self) -> CpuSample:
        for pid in self._workers:
            self._own_ns[pid] = max(self._own_ns[pid], read_process_cpu_ns(pid) or 0)
        return read_sample(
            self._cpus, tuple(self._own_ns.values()), tuple(self._workers.values()), self._root
        )


def read_sample(
    cpus: Sequence[int],
    own_ns: tuple[int, ...],
    clocked: Sequence[int] = (),
    root: Path = LIVE_ROOT,
) -> CpuSample:
    """Read the counters of these CPUs.

    Args:
        cpus: a CPU that is not there, or gone offline, counts as never busy.
        own_ns: processor time of the instances.
        clocked: the CPUs whose frequency is read.
        root: where /proc and /sys lie.
    """
    at_ns = time.monotonic_ns()
    times = _read_times(root)
    rows = [times.get(cpu, _NEVER) for cpu in cpus]
    return CpuSample(
        at_ns=at_ns,
        busy_ticks=tuple(user + nice + system for user, nice, system, *_ in rows),
        interrupt_ticks=tuple(row[5] + row[6] for row in rows),
        steal_ticks=tuple(row[7] for row in rows),
        own_ns=own_ns,
        throttled_ns=read_throttled_ns(root),
        heat_stops=_read_heat_stops(cpus, root),
        khz=_read_khz(clocked, root),
    )


def read_ticks_per_s() -> int:
    """Return the unit of the kernel's counters, ticks per second."""
    return os.sysconf("SC_CLK_TCK")


def read_process_cpu_ns(pid: int) -> int | None:
    """Return the processor time of a process, all its threads; None when there is none (any more).

    This is the clock of `clock_getcpuclockid(3)`: exact, and one system call.
    """
    try:
        return time.clock_gettime_ns(~pid << 3 | 2)
    except OSError:
        return None


_NEVER = (0,) * 8


def _read_times(root: Path) -> dict[int, tuple[int, ...]]:
    """Of each online CPU: user, nice, system, idle, iowait, irq, softirq, steal, in ticks."""
    times: dict[int, tuple[int, ...]] = {}
    try:
        with (root / "proc/stat").open(encoding="ascii") as file:
            for line in file:
                name, *numbers = line.split()
                if not name.startswith("cpu"):  # the long line of interrupts comes behind them
                    break
                if name != "cpu":
                    times[int(name[3:])] = (*map(int, numbers[:8]), *_NEVER)[:8]
    except OSError:
        return {}
    return times


def _read_heat_stops(cpus: Sequence[int], root: Path) -> int | None:
    files = ("core_throttle_count", "package_throttle_count")
    folders = [root / f"{_CPU_FOLDER}/cpu{cpu}/thermal_throttle" for cpu in cpus]
    counts = [read_int(folder / name) for folder in folders for name in files]
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _read_khz(cpus: Sequence[int], root: Path) -> tuple[int, ...]:
    files = (root / f"{_CPU_FOLDER}/cpu{cpu}/cpufreq/scaling_cur_freq" for cpu in cpus)
    return tuple(khz for khz in map(read_int, files) if khz is not None)


def _find_foreign_share(before: CpuSample, now: CpuSample) -> float:
    busy_ns = (sum(now.busy_ticks) - sum(before.busy_ticks)) * _NS // read_ticks_per_s()
    own_ns = sum(now.own_ns) - sum(before.own_ns)
    return (busy_ns - own_ns) / max(1, (now.at_ns - before.at_ns) * len(now.busy_ticks))
