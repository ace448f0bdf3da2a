"""Loops that keep a core's multiply-add units, or its loads and stores, busy: as assembly text.

Each loop is written out here, instruction by instruction, so that nothing is left to a compiler's
choice; `assembler` makes machine code of the text. A loop of multiply-adds is a number of
independent chains in registers: an instruction's result is next needed after all the other chains
have had their turn, which must be longer than its latency. Nothing is loaded meanwhile.

Sources: Intel SDM volume 2 for the instructions, volume 1 chapter 18 for tiles; latencies: an FMA
takes 4 cycles and two start per cycle, so 8 chains are the least; vdpbf16ps takes longer and needs
24 to show its rate (measured on a Zen 4). AVX2 has 16 registers in all, AVX-512 has 32.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from resnet50_bench.precision.meaning import AVX2, AVX512

if TYPE_CHECKING:
    from collections.abc import Collection

_STAMP = """
  rdtsc
  shl rdx, 32
  or rax, rdx
  mov [r8], rax
  add r8, 8"""

_FRAME = """
.intel_syntax noprefix
.text
.p2align 6
.globl {symbol}
{symbol}:
{setup}
  mov rax, [rdi + 24]
  lock add qword ptr [rax], 1
2:
  pause
  mov rdx, [rax]
  cmp rdx, [rdi + 32]
  jb 2b
  mov r8, [rdi + 16]
  mov r9, [rdi + 8]{stamp}
3:
  mov rcx, [rdi]
.p2align 6
4:
{body}
  dec rcx
  jnz 4b{stamp}
  dec r9
  jnz 3b
{end}
  ret
{data}
.att_syntax
"""
"""Wait until all threads have arrived, then stamp the time stamp counter, and again after each
chunk of so many turns of the body. Only registers that a caller expects to lose are used. The
arguments lie at the address in rdi, as `burst.Arguments` has them."""

SYMBOL = "kernel"

_WIDE, _NARROW = 64, 32
"""Bytes of a vector register, zmm and ymm."""

_TILE_CONFIG = bytes((1, 0, *[0] * 14, *[64, 0] * 8, *[0] * 16, *[16] * 8, *[0] * 8))
"""LDTILECFG: palette 1, start row 0; eight tiles of 16 rows of 64 bytes each, the largest."""

_FP32_FACTORS = struct.pack("<16f", *((-1) ** place * (1 + place / 16) for place in range(16)))
_BF16_FACTORS = b"".join(value[2:] for value in (_FP32_FACTORS[i : i + 4] for i in range(0, 64, 4)))
_INT8_FACTORS = bytes((37 * place + 11) % 127 + 1 for place in range(64))
"""64 bytes: no zeros, and no two alike beside each other, since what a factor's bits do decides how
much power a core draws, and that how fast it may go."""


class Kind(Enum):
    """What is multiplied with what instructions: the kinds of peak there are."""

    AVX2_FP32 = "avx2_fp32"
    AVX2_INT8 = "avx2_int8"
    AVX_VNNI_INT8 = "avx_vnni_int8"
    AVX512_FP32 = "avx512_fp32"
    AVX512_INT8 = "avx512_int8"
    AVX512_VNNI_INT8 = "avx512_vnni_int8"
    AVX512_BF16 = "avx512_bf16"
    AMX_BF16 = "amx_bf16"
    AMX_INT8 = "amx_int8"


@dataclass(frozen=True, slots=True, kw_only=True)
class PeakKernel:
    """A loop of multiply-adds.

    Attributes:
        kind: its name.
        title: instruction set and data type, for people.
        required_flags: of /proc/cpuinfo.
        instructions: what one step of a chain consists of.
        operations: of one turn of the loop: two for each multiply-add.
        assembly: the whole function.
    """

    kind: Kind
    title: str
    required_flags: tuple[str, ...]
    instructions: tuple[str, ...]
    operations: int
    assembly: str

    @property
    def uses_tiles(self) -> bool:
        """Whether it needs the system's permission for the tile registers."""
        return "amx_tile" in self.required_flags


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryKernel:
    """A loop that goes over a buffer.

    Attributes:
        access: `read`, or `triad`: a[i] = b[i] + s * c[i], the buffer's thirds being a, b and c.
        required_flags: of /proc/cpuinfo.
        parts: equal parts of the buffer that it works on side by side.
        assembly: the whole function; one turn of its loop is one way over the buffer.
    """

    access: str
    required_flags: tuple[str, ...]
    parts: int
    assembly: str


@dataclass(frozen=True, slots=True)
class _Steps:
    """What is done over and over: the steps of one chain, on which factors.

    Attributes:
        lines: `{sum}` is the chain's register, `{spare}` one for a step between.
        factors: 64 bytes.
        value_bytes: of a factor.
    """

    lines: tuple[str, ...]
    factors: bytes
    value_bytes: int


def _plan_vector(kind: Kind, title: str, flags: tuple[str, ...], steps: _Steps) -> PeakKernel:
    """Lay out chains of vector instructions.

    Args:
        kind: its name.
        title: for people.
        flags: that it needs.
        steps: of one chain.
    """
    wide = any(flag.startswith("avx512") for flag in flags)
    name, registers = ("zmm", 32) if wide else ("ymm", 16)
    chains = 24 if wide else 12
    places = {
        "a": f"{name}{registers - 1}",
        "b": f"{name}{registers - 2}",
        "ones": f"{name}{registers - 3}",
        "spare": f"{name}{registers - 4}",
    }
    clear = "  vpxord {0}, {0}, {0}" if wide else "  vpxor {0}, {0}, {0}"
    width = _WIDE if wide else _NARROW
    setup = [
        *(clear.format(f"{name}{number}") for number in range(chains)),
        f"  vmovups {places['a']}, [rip + factors]",
        f"  vmovups {places['b']}, [rip + factors]",
        f"  vmovups {places['ones']}, [rip + ones]",
    ]
    body = [
        "  " + step.format(sum=f"{name}{chain}", **places)
        for chain in range(chains)
        for step in steps.lines
    ]
    return PeakKernel(
        kind=kind,
        title=title,
        required_flags=flags,
        instructions=tuple(step.removeprefix("{{vex}} ").split()[0] for step in steps.lines),
        operations=2 * width // steps.value_bytes * chains,
        assembly=_render(
            setup,
            body,
            ["  vzeroupper"],
            [*_place("factors", steps.factors), *_place("ones", b"\1\0" * 32)],
        ),
    )


def _plan_tiles(kind: Kind, title: str, flags: tuple[str, ...], steps: _Steps) -> PeakKernel:
    """Lay out four sums of tiles, and two tiles of either factor, each pair used once a turn."""
    (instruction,) = steps.lines
    pairs = ((0, 4, 6), (1, 4, 7), (2, 5, 6), (3, 5, 7))
    return PeakKernel(
        kind=kind,
        title=title,
        required_flags=flags,
        instructions=(instruction,),
        operations=2 * 16 * 16 * _WIDE // steps.value_bytes * len(pairs),
        assembly=_render(
            [
                "  ldtilecfg [rip + tiles]",
                *(f"  tilezero tmm{tile}" for tile in range(4)),
                "  lea rdx, [rip + factors]",
                "  xor eax, eax",  # from row to row: each row of a factor is the same
                *(f"  tileloadd tmm{tile}, [rdx + rax]" for tile in range(4, 8)),
            ],
            [f"  {instruction} tmm{total}, tmm{a}, tmm{b}" for total, a, b in pairs],
            ["  tilerelease"],
            [*_place("tiles", _TILE_CONFIG), *_place("factors", steps.factors)],
        ),
    )


def _place(name: str, content: bytes) -> list[str]:
    """Data behind the code."""
    return [".p2align 6", f"{name}:", f"  .byte {', '.join(map(str, content))}"]


def _plan_read(width: int, flags: tuple[str, ...]) -> MemoryKernel:
    name = "zmm" if width == _WIDE else "ymm"
    loads = [f"  vmovups {name}{place}, [rsi + {place * width}]" for place in range(8)]
    return MemoryKernel(
        access="read",
        required_flags=flags,
        parts=1,
        assembly=_render_pass([], loads, ("rsi",), 8 * width),
    )


def _plan_triad(width: int, flags: tuple[str, ...]) -> MemoryKernel:
    name = "zmm" if width == _WIDE else "ymm"
    steps = [
        step.format(register=f"{name}{place}", scale=f"{name}15", at=place * width)
        for place in range(4)
        for step in (
            "  vmovups {register}, [rsi + {at}]",
            "  vfmadd231ps {register}, {scale}, [r10 + {at}]",
            "  vmovups [r11 + {at}], {register}",
        )
    ]
    clear = "  vxorps xmm15, xmm15, xmm15"
    return MemoryKernel(
        access="triad",
        required_flags=flags,
        parts=3,
        assembly=_render_pass([clear], steps, ("r11", "rsi", "r10"), 4 * width),
    )


def _render_pass(setup: list[str], steps: list[str], pointers: tuple[str, ...], stride: int) -> str:
    """One turn goes over the buffer once; each pointer has its equal part of it."""
    begin = ["  mov rdx, [rdi + 40]", "  mov rax, [rdi + 48]"]
    for pointer in pointers:
        begin += [f"  mov {pointer}, rdx", "  add rdx, rax"]
    moves = [f"  add {pointer}, {stride}" for pointer in pointers]
    body = [*begin, "5:", *steps, *moves, f"  sub rax, {stride}", "  jnz 5b"]
    return _render(setup, body, ["  vzeroupper"])


def _render(
    setup: list[str], body: list[str], end: list[str], data: list[str] | None = None
) -> str:
    return _FRAME.format(
        symbol=SYMBOL,
        setup="\n".join(setup),
        body="\n".join(body),
        end="\n".join(end),
        data="\n".join(data or []),
        stamp=_STAMP,
    )


_FMA = _Steps(("vfmadd231ps {sum}, {a}, {b}",), _FP32_FACTORS, 4)
_MULTIPLY_ADD_BYTES = _Steps(
    (
        "vpmaddubsw {spare}, {a}, {b}",
        "vpmaddwd {spare}, {spare}, {ones}",
        "vpaddd {sum}, {sum}, {spare}",
    ),
    _INT8_FACTORS,
    1,
)
"""What VNNI does in one instruction; oneDNN's kernels for CPUs without it have these three."""

_AVX2_FMA = (*AVX2, "fma")

PEAK_KERNELS = (
    _plan_vector(Kind.AVX2_FP32, "AVX2 FMA, fp32", _AVX2_FMA, _FMA),
    _plan_vector(Kind.AVX2_INT8, "AVX2, int8 (no VNNI)", AVX2, _MULTIPLY_ADD_BYTES),
    _plan_vector(
        Kind.AVX_VNNI_INT8,
        "AVX-VNNI, int8",
        ("avx_vnni", *AVX2),
        _Steps(("{{vex}} vpdpbusd {sum}, {a}, {b}",), _INT8_FACTORS, 1),
    ),
    _plan_vector(Kind.AVX512_FP32, "AVX-512, fp32", AVX512, _FMA),
    _plan_vector(Kind.AVX512_INT8, "AVX-512, int8 (no VNNI)", AVX512, _MULTIPLY_ADD_BYTES),
    _plan_vector(
        Kind.AVX512_VNNI_INT8,
        "AVX-512 VNNI, int8",
        ("avx512_vnni", *AVX512),
        _Steps(("vpdpbusd {sum}, {a}, {b}",), _INT8_FACTORS, 1),
    ),
    _plan_vector(
        Kind.AVX512_BF16,
        "AVX-512 BF16, bf16",
        ("avx512_bf16", *AVX512),
        _Steps(("vdpbf16ps {sum}, {a}, {b}",), _BF16_FACTORS * 2, 2),
    ),
    _plan_tiles(
        Kind.AMX_BF16,
        "AMX, bf16",
        ("amx_bf16", "amx_tile"),
        _Steps(("tdpbf16ps",), _BF16_FACTORS * 2, 2),
    ),
    _plan_tiles(
        Kind.AMX_INT8,
        "AMX, int8",
        ("amx_int8", "amx_tile"),
        _Steps(("tdpbusd",), _INT8_FACTORS, 1),
    ),
)

MEMORY_KERNELS = (
    _plan_read(_WIDE, AVX512),
    _plan_triad(_WIDE, AVX512),
    _plan_read(_NARROW, _AVX2_FMA),
    _plan_triad(_NARROW, _AVX2_FMA),
)
"""Of one access, the widest first."""


def find_peak_kernel(kind: Kind) -> PeakKernel:
    """Return the loop of a kind."""
    return next(kernel for kernel in PEAK_KERNELS if kernel.kind is kind)


def find_memory_kernel(access: str, cpu_flags: Collection[str]) -> MemoryKernel | None:
    """Return the widest loop that this CPU has the instructions for."""
    fitting = (
        kernel
        for kernel in MEMORY_KERNELS
        if kernel.access == access and set(kernel.required_flags) <= set(cpu_flags)
    )
    return next(fitting, None)
