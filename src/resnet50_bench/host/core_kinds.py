"""Reads which kind of core each CPU of a hybrid processor is.

Three things tell it, and the first that does is believed:

- `/sys/devices/cpu_core/cpus`, `cpu_atom/cpus` and `cpu_lowpower/cpus`, the performance counters of
  Intel's kinds (Linux, Documentation/ABI/testing/sysfs-bus-event_source-devices-hybrid). Virtual
  machines and kernels without perf lack them.
- Leaf 1AH of `cpuid` (Intel SDM volume 2: 40H for Core, 20H for Atom), where this is the machine
  itself and no snapshot, and an Intel.
- `cpu_capacity`, the scale of the scheduler: Arm's big and little cores, and Intel's kinds since
  Linux 6.12.

A file that is absent tells nothing and is no error: most machines have cores of one kind.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from resnet50_bench.config import CoreKind
from resnet50_bench.host.cpuid import read_core_types
from resnet50_bench.host.kernel_files import LIVE_ROOT, read_cpus, read_int, read_text, search

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

_DEVICES = "sys/devices"
_COUNTERS = {"cpu_core": CoreKind.P, "cpu_atom": CoreKind.E, "cpu_lowpower": CoreKind.LP}
_CORE_TYPES = {0x40: CoreKind.P, 0x20: CoreKind.E}
_BY_SPEED = (CoreKind.P, CoreKind.E, CoreKind.LP)

_GREATER = 1078 / 1024
"""From this ratio on the scheduler calls a capacity greater (`capacity_greater`, kernel/sched/
fair.c): favoured cores of one kind differ by less."""


def read_core_kinds(root: Path, cpus: Collection[int]) -> dict[int, CoreKind]:
    """Return the kind of each CPU; {} where nothing tells, as where all are of one kind.

    Args:
        root: `/`, or the folder of a snapshot.
        cpus: those that this process may use.
    """
    for read in (_read_counters, _read_types, _read_capacities):
        kinds = read(root, cpus)
        if kinds.keys() >= set(cpus):
            return kinds
    return {}


def _read_counters(root: Path, cpus: Collection[int]) -> dict[int, CoreKind]:
    return {
        cpu: kind
        for name, kind in _COUNTERS.items()
        for cpu in read_cpus(root / _DEVICES / name / "cpus")
        if cpu in cpus
    }


def _read_types(root: Path, cpus: Collection[int]) -> dict[int, CoreKind]:
    vendor = search(read_text(root / "proc/cpuinfo"), r"^vendor_id\s*: (\w+)")
    if root != LIVE_ROOT or vendor != "GenuineIntel":
        return {}
    found = read_core_types(sorted(cpus))
    return {cpu: _CORE_TYPES[kind] for cpu, kind in found.items() if kind in _CORE_TYPES}


def _read_capacities(root: Path, cpus: Collection[int]) -> dict[int, CoreKind]:
    """Four and more steps of capacity have not been met; the slowest would share the last kind."""
    folder = root / _DEVICES / "system/cpu"
    capacities = {cpu: read_int(folder / f"cpu{cpu}/cpu_capacity") for cpu in cpus}
    known = {cpu: value for cpu, value in capacities.items() if value is not None and value > 0}
    steps = sorted(set(known.values()), reverse=True)
    rank_of = dict.fromkeys(steps[:1], 0)
    for above, below in pairwise(steps):
        rank_of[below] = rank_of[above] + (above > below * _GREATER)
    if not any(rank_of.values()):
        return {}
    return {cpu: _BY_SPEED[min(rank_of[value], 2)] for cpu, value in known.items()}
