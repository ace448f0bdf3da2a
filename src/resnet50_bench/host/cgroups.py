"""Reads what the cgroups of this process allow it: CPUs, CPU time, memory and its nodes; v1 and v2.

Both versions may be mounted at once. A limit holds for a cgroup and everything below it, so the
smallest of the process's own cgroup and its parents counts.
"""

from __future__ import annotations

import re
from pathlib import Path

from resnet50_bench.host.kernel_files import LIVE_ROOT, read_cpus, read_int, read_text, search

_UNLIMITED_BYTES = 1 << 60  # cgroup v1 writes "no limit" as a number close to 1 << 63


def read_oom_kills(root: Path = LIVE_ROOT) -> int:
    """Return how many processes the kernel has killed for want of memory; compare two readings.

    The counter of this process's own cgroup is used if there is one, so that kills in other
    containers do not count; else the counter of the whole machine. 0 when neither is readable.
    """
    own_first = [folder / "memory.events" for folder in _find_folders(root, "")[:1]]
    own_first += [folder / "memory.oom_control" for folder in _find_folders(root, "memory")[:1]]
    paths = [*own_first, root / "proc/vmstat"]
    counters = (search(read_text(path), r"^oom_kill (\d+)") for path in paths)
    return int(next(filter(None, counters), 0))


def _find_folders(root: Path, controller: str) -> list[Path]:
    """The process's cgroup and its parents, innermost first.

    The controller is one of cgroup v1, or "" for cgroup v2, alone or (hybrid) beside v1. Inside a
    namespaced container the path in /proc/self/cgroup may not exist below the mount: the mount's
    own top is then all that can be seen.
    """
    top = root / "sys/fs/cgroup"
    lines = re.findall(r"(?m)^\d+:([^:]*):(/.*)$", read_text(root / "proc/self/cgroup") or "")
    for names, path in lines:
        if controller not in names.split(","):
            continue
        mounts = [top / names, top / controller] if controller else [top / "unified", top]
        mount = next(filter(Path.is_dir, mounts), top)
        parts = [part for part in path.split("/") if part]
        if ".." in parts or not mount.joinpath(*parts).is_dir():
            return [mount]
        return [mount.joinpath(*parts[:depth]) for depth in range(len(parts), -1, -1)]
    return []


def read_allowed_cpus(root: Path) -> tuple[int, ...]:
    """The CPUs of the innermost cpuset that names any; () without one."""
    return _read_cpuset(root, "cpus")


def read_allowed_nodes(root: Path) -> tuple[int, ...]:
    """The memory nodes of the innermost cpuset that names any; () without one."""
    return _read_cpuset(root, "mems")


def _read_cpuset(root: Path, what: str) -> tuple[int, ...]:
    paths = [folder / f"cpuset.{what}.effective" for folder in _find_folders(root, "")]
    paths += [folder / f"cpuset.{what}" for folder in _find_folders(root, "cpuset")]
    return next(filter(None, map(read_cpus, paths)), ())


def read_quota(root: Path) -> float | None:
    """Return the CPU time per time that is granted; None without a quota.

    "max 100000" (v2) and "-1" (v1) stand for none.
    """
    texts = [read_text(folder / "cpu.max") for folder in _find_folders(root, "")]
    texts += [
        f"{read_text(folder / 'cpu.cfs_quota_us')} {read_text(folder / 'cpu.cfs_period_us')}"
        for folder in _find_folders(root, "cpu")
    ]
    pairs = (re.fullmatch(r"(\d+) ([1-9]\d*)", text or "") for text in texts)
    return min((int(pair[1]) / int(pair[2]) for pair in pairs if pair), default=None)


def read_memory_limit(root: Path) -> int | None:
    """Return the smallest memory limit in bytes; None without one."""
    paths = [folder / "memory.max" for folder in _find_folders(root, "")]
    paths += [folder / "memory.limit_in_bytes" for folder in _find_folders(root, "memory")]
    limits = [limit for path in paths if (limit := read_int(path)) is not None]
    return min((limit for limit in limits if limit < _UNLIMITED_BYTES), default=None)


def read_throttled_ns(root: Path = LIVE_ROOT) -> int | None:
    """Return for how long a CPU quota has held processes back; compare two readings.

    The most that any of the process's own cgroup and its parents counts, added up over the CPUs;
    None where no cgroup counts it.
    """
    v2 = (read_text(folder / "cpu.stat") for folder in _find_folders(root, ""))
    v1 = (read_text(folder / "cpu.stat") for folder in _find_folders(root, "cpu"))
    found = [int(us) * 1000 for text in v2 if (us := search(text, r"^throttled_usec (\d+)"))]
    found += [int(ns) for text in v1 if (ns := search(text, r"^throttled_time (\d+)"))]
    return max(found, default=None)
