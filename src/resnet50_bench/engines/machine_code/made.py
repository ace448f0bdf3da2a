"""The code that a process has made for itself: executable memory that no file stands behind.

A runtime that makes its kernels at run time may name them less closely than a precision needs:
OpenVINO's `brgconv_avx512_I8` multiplies bytes by VNNI, or without it in three instructions. The
code itself tells.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MIN_SEEN = 16
"""How often an instruction must stand in the code to be no accident: a kernel holds dozens."""

_MAPS = Path("/proc/self/maps")
_MEMORY = Path("/proc/self/mem")
_LINE = re.compile(
    r"(?P<begin>[0-9a-f]+)-(?P<end>[0-9a-f]+) ..(?P<x>.)\S* \S+ \S+ \d+\s*(?P<file>.*)"
)
_MEMFD = "/memfd:"


def read_own_code() -> Iterator[bytes]:
    """Yield what this process holds in executable pages without a file: what it has made."""
    with _MEMORY.open("rb", buffering=0) as memory:
        for begin, end in find_made(_MAPS.read_text().splitlines()):
            memory.seek(begin)
            yield memory.read(end - begin)


def find_made(maps: Iterable[str]) -> Iterator[tuple[int, int]]:
    """Yield begin and end of the executable mappings that no file stands behind.

    Args:
        maps: the lines of /proc/PID/maps.
    """
    for line in maps:
        found = _LINE.match(line)
        if found is None or found["x"] != "x":
            continue
        if not found["file"] or found["file"].startswith(_MEMFD):
            yield int(found["begin"], 16), int(found["end"], 16)
