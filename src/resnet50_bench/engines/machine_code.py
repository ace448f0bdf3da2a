"""Which dot-product instructions are in the code that a process has made for itself.

A runtime that makes its kernels at run time may name them less closely than a precision needs:
OpenVINO's `brgconv_avx512_I8` multiplies bytes by VNNI, or without it in three instructions. The
code itself lies in the process's memory, in executable pages that no file stands behind.

Encodings: Intel's Software Developer's Manual, volume 2, and its Instruction Set Extensions
reference for AMX and AVX-NE-CONVERT. The code is searched, not disassembled: a pattern of four to
six fixed bits and bytes may stand in other code by chance, now and then. A kernel holds dozens.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MAPS = Path("/proc/self/maps")
_MEMORY = Path("/proc/self/mem")
_LINE = re.compile(
    r"(?P<begin>[0-9a-f]+)-(?P<end>[0-9a-f]+) ..(?P<x>.)\S* \S+ \S+ \d+\s*(?P<file>.*)"
)
_MEMFD = "/memfd:"

MIN_SEEN = 16
"""How often an instruction must stand in the code to be no accident."""


def _evex(prefix: int, opcode: int) -> bytes:
    """A pattern of an EVEX instruction of map 0F38 with W=0: 62, P0 .. P2, the opcode.

    Args:
        prefix: the two bits that stand for 66, F3 or F2: 1, 2 or 3.
        opcode: its byte.
    """
    return (
        rb"\x62"
        + _any_of(value for value in range(256) if value & 0x0F == 2)
        + _any_of(value for value in range(256) if value & 0x87 == 4 | prefix)
        + _any_of(value for value in range(256) if value & 0x60 == 0x40)  # of 512 bits
        + re.escape(bytes([opcode]))
    )


def _vex(prefixes: Iterable[int], opcode: int) -> bytes:
    """A pattern of a VEX instruction of map 0F38 with W=0: C4, two bytes, the opcode."""
    wanted = set(prefixes)
    return (
        rb"\xc4"
        + _any_of(value for value in range(256) if value & 0x1F == 2)
        + _any_of(value for value in range(256) if value < 0x80 and value & 3 in wanted)
        + re.escape(bytes([opcode]))
    )


def _any_of(values: Iterable[int]) -> bytes:
    return b"[" + b"".join(re.escape(bytes([value])) for value in values) + b"]"


INSTRUCTIONS = {
    "vpdpbusd zmm": _evex(1, 0x50),  # AVX512_VNNI
    "vdpbf16ps zmm": _evex(2, 0x52),  # AVX512_BF16
    "vpdpbusd ymm": _vex((1,), 0x50),  # AVX-VNNI
    "vcvtneebf162ps ymm": _vex((2,), 0xB0),  # AVX-NE-CONVERT
    "tdpb*d tmm": _vex((0, 1, 2, 3), 0x5E),  # AMX-INT8, of any signs
    "tdpbf16ps tmm": _vex((2,), 0x5C),  # AMX-BF16
}
"""Name -> the pattern of its bytes."""

_PATTERNS = {name: re.compile(text, re.DOTALL) for name, text in INSTRUCTIONS.items()}


def count_instructions(code: Iterable[bytes]) -> dict[str, int]:
    """Count the instructions of `INSTRUCTIONS` in machine code; those that are not there go."""
    counts: Counter[str] = Counter()
    for piece in code:
        for name, pattern in _PATTERNS.items():
            counts[name] += sum(1 for _ in pattern.finditer(piece))
    return {name: count for name, count in counts.items() if count}


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
