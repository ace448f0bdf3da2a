"""The instructions that matrix kernels multiply with: their bytes, data types, instruction sets.

Encodings: Intel's Software Developer's Manual, volume 2, sections 2.3 (VEX) and 2.7 (EVEX), and the
instructions' own pages; AMX, AVX-VNNI-INT8 and AVX-NE-CONVERT by its Instruction Set Extensions
reference. All of them are of the opcode map 0F38 with W=0.

At a place known to be the begin of an instruction a pattern is certain. Where code is searched, not
disassembled, four or five bytes may stand in other code by chance, now and then.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_NONE, _66, _F3, _F2 = range(4)
"""The mandatory prefix, as VEX and EVEX have it."""

_FMA = tuple(base + low for base in (0x90, 0xA0, 0xB0) for low in (0x8, 0xA, 0xC, 0xE))
"""Opcodes of packed multiply-add, -subtract, and their negatives, in each order of operands."""

_DOT = (0x50, 0x51)
"""Opcodes of the 8-bit dot products, and of those that saturate."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction, or several that differ in signs or order alone.

    Attributes:
        dtype: what it computes in: `f32`, `bf16` or `int8`.
        isa: its instruction set, in oneDNN's words (cpu_isa_traits.hpp).
        pattern: of its bytes up to the opcode.
        multiplies: it is no conversion that stands beside the multiplications.
    """

    dtype: str
    isa: str
    pattern: re.Pattern[bytes]
    multiplies: bool = True


def _evex(prefix: int, opcodes: Iterable[int]) -> re.Pattern[bytes]:
    """The pattern of EVEX instructions of 512 bits: 62, P0 .. P2, the opcode."""
    return re.compile(
        rb"\x62"
        + _any_of(value for value in range(256) if value & 0x0F == 2)
        + _any_of(value for value in range(256) if value & 0x87 == 4 | prefix)
        + _any_of(value for value in range(256) if value & 0x60 == 0x40)
        + _any_of(opcodes),
        re.DOTALL,
    )


def _vex(prefixes: Iterable[int], opcodes: Iterable[int]) -> re.Pattern[bytes]:
    """The pattern of VEX instructions: C4, two bytes, the opcode; the form of two has no 0F38."""
    wanted = set(prefixes)
    return re.compile(
        rb"\xc4"
        + _any_of(value for value in range(256) if value & 0x1F == 2)
        + _any_of(value for value in range(256) if value < 0x80 and value & 3 in wanted)
        + _any_of(opcodes),
        re.DOTALL,
    )


def _any_of(values: Iterable[int]) -> bytes:
    return b"[" + b"".join(re.escape(bytes([value])) for value in values) + b"]"


INSTRUCTIONS = {
    "vfmadd231ps ymm": Instruction("f32", "avx2", _vex([_66], _FMA)),  # and its kin
    "vfmadd231ps zmm": Instruction("f32", "avx512_core", _evex(_66, _FMA)),
    "vpmaddubsw ymm": Instruction("int8", "avx2", _vex([_66], [0x04])),
    "vpmaddubsw zmm": Instruction("int8", "avx512_core", _evex(_66, [0x04])),
    "vpdpbusd ymm": Instruction("int8", "avx2_vnni", _vex([_66], _DOT)),
    "vpdpbusd zmm": Instruction("int8", "avx512_core_vnni", _evex(_66, _DOT)),
    "vpdpbssd ymm": Instruction("int8", "avx2_vnni_2", _vex([_NONE, _F3, _F2], _DOT)),  # any signs
    "vcvtneebf162ps ymm": Instruction("bf16", "avx2_vnni_2", _vex([_F3], [0xB0]), multiplies=False),
    "vdpbf16ps zmm": Instruction("bf16", "avx512_core_bf16", _evex(_F3, [0x52])),
    "tdpb*d tmm": Instruction("int8", "avx512_core_amx", _vex([_NONE, _66, _F3, _F2], [0x5E])),
    "tdpbf16ps tmm": Instruction("bf16", "avx512_core_amx", _vex([_F3], [0x5C])),
}
"""By a name that tells the registers, too. No bytes are of two of them."""


def find_instruction(code: bytes) -> Instruction | None:
    """Return the instruction that begins here; None if it is none of these.

    Args:
        code: its bytes; what follows it does not matter.
    """
    found = (item for item in INSTRUCTIONS.values() if item.pattern.match(code))
    return next(found, None)


def count_instructions(code: Iterable[bytes]) -> dict[str, int]:
    """Count the instructions in pieces of machine code, by name; those that are not there go."""
    counts: Counter[str] = Counter()
    for piece in code:
        for name, item in INSTRUCTIONS.items():
            counts[name] += sum(1 for _ in item.pattern.finditer(piece))
    return {name: count for name, count in counts.items() if count}
