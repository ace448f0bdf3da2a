"""The caches of a CPU, as the kernel describes them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.host.kernel_files import (
    LIVE_ROOT,
    list_numbered,
    read_cpus,
    read_int,
    read_text,
)

if TYPE_CHECKING:
    from pathlib import Path

_UNITS = {"K": 1 << 10, "M": 1 << 20, "": 1}
_INSTRUCTIONS = "Instruction"


@dataclass(frozen=True, slots=True)
class Cache:
    """A cache that holds data.

    Attributes:
        level: 1 is next to the core.
        size_bytes: of the whole cache.
        cpus: the CPUs that share it.
    """

    level: int
    size_bytes: int
    cpus: tuple[int, ...]


def read_caches(cpu: int, root: Path = LIVE_ROOT) -> tuple[Cache, ...]:
    """Return the data caches of a CPU, the nearest first; () where nothing describes them.

    Source of the names: the kernel's Documentation/ABI/testing/sysfs-devices-system-cpu.
    """
    folder = root / f"sys/devices/system/cpu/cpu{cpu}/cache"
    found = [_read_cache(folder / f"index{number}") for number in list_numbered(folder, "index")]
    return tuple(sorted(filter(None, found), key=lambda cache: cache.level))


def _read_cache(folder: Path) -> Cache | None:
    level, kind = read_int(folder / "level"), read_text(folder / "type")
    size = re.fullmatch(r"(\d+)([KM]?)", read_text(folder / "size") or "")
    if level is None or size is None or kind == _INSTRUCTIONS:
        return None
    size_bytes = int(size[1]) * _UNITS[size[2]]
    return Cache(level, size_bytes, read_cpus(folder / "shared_cpu_list")) if size_bytes else None
