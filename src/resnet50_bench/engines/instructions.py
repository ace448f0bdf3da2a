"""Which instructions a process executes, seen by looking where it is, again and again.

For runtimes that tell which operations they ran and not with which instructions. While work is
repeated, the kernel's timer of processor time interrupts the threads that compute (SIGPROF,
setitimer(2)); the handler notes where the thread was. What is noted are places between
instructions, so each names the instruction that was executed next, and one that takes a share of
the time is found in that share of the samples. Afterwards the bytes there are read, and the
multiplications among them tell the data type and the instruction set.

The encodings are those of Intel's Software Developer's Manual, volume 2: sections 2.3 (VEX) and
2.7 (EVEX), and the instructions' own pages. Only what matrix kernels multiply with is known.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from io import FileIO

ENOUGH = 200
"""Multiplications among the samples after which there is no need to go on."""

LEAST = 20
"""With fewer multiplications nothing is said: of 20 that are alike, a kind with a share of more
than 14 % would have been seen with 95 % certainty."""

MOST_S = 10.0
"""Seconds after which the sampling ends in any case."""

_INTERVAL_S = 0.001
"""The kernel's own tick, 1 to 10 ms, is the least it keeps to."""

_CAPACITY = 1 << 14
_LONGEST = 15
"""Bytes of the longest instruction."""

_RIP_OFFSET = 168
"""Of the instruction's address in a `ucontext_t` of x86-64 Linux (sys/ucontext.h): the general
registers begin at 40, REG_RIP is the 17th of 8 bytes."""

_SA_SIGINFO, _SA_RESTART = 0x4, 0x10000000

_HANDLER = """
target triple = "x86_64-unknown-linux-gnu"
define void @note(i32 %signal, i8* %info, i8* %context) {{
  %place = getelementptr i8, i8* %context, i64 {offset}
  %typed = bitcast i8* %place to i64*
  %rip = load i64, i64* %typed
  %counter = inttoptr i64 {counter} to i64*
  %index = atomicrmw add i64* %counter, i64 1 monotonic
  %fits = icmp ult i64 %index, {capacity}
  br i1 %fits, label %keep, label %done
keep:
  %samples = inttoptr i64 {samples} to i64*
  %slot = getelementptr i64, i64* %samples, i64 %index
  store i64 %rip, i64* %slot
  br label %done
done:
  ret void
}}
"""

_VEX2, _VEX3, _EVEX = 0xC5, 0xC4, 0x62
_MAP_0F38 = 2
_FMA = frozenset(base + low for base in (0x90, 0xA0, 0xB0) for low in (0x8, 0xA, 0xC, 0xE))
"""Opcodes of packed multiply-add, -subtract, and their negatives, in each order of operands."""

_NO_PREFIX, _P66, _PF3, _PF2 = range(4)

_KINDS: dict[tuple[int, int, bool], tuple[str, str]] = {
    **{(_P66, code, False): ("f32", "avx2") for code in _FMA},
    **{(_P66, code, True): ("f32", "avx512_core") for code in _FMA},
    (_P66, 0x04, False): ("int8", "avx2"),  # VPMADDUBSW
    (_P66, 0x04, True): ("int8", "avx512_core"),
    (_PF3, 0x52, True): ("bf16", "avx512_core_bf16"),  # VDPBF16PS
    **{
        (prefix, code, is_evex): ("int8", isa)  # VPDPBUSD and its kin
        for code in (0x50, 0x51)
        for prefix, is_evex, isa in (
            (_P66, True, "avx512_core_vnni"),
            (_P66, False, "avx2_vnni"),
            (_NO_PREFIX, False, "avx2_vnni_2"),
            (_PF3, False, "avx2_vnni_2"),
            (_PF2, False, "avx2_vnni_2"),
        )
    },
    **{
        (prefix, 0x5E, False): ("int8", "avx512_core_amx")  # TDPBUSD and its kin
        for prefix in (_NO_PREFIX, _P66, _PF3, _PF2)
    },
    (_PF3, 0x5C, False): ("bf16", "avx512_core_amx"),  # TDPBF16PS
}
"""Mandatory prefix, opcode in the map 0F38 and whether it is EVEX -> data type and instruction set,
the latter in oneDNN's words (cpu_isa_traits.hpp)."""

Kind = tuple[str, str]
"""Data type (`f32`, `bf16`, `int8`) and instruction set of a multiplication."""


def classify(code: bytes) -> Kind | None:
    """Return what an instruction multiplies; None if it is none of the multiplications known.

    Args:
        code: its bytes; what follows it does not matter.
    """
    if len(code) < 5:
        return None
    if code[0] == _EVEX:
        opcode_map, wide, prefix, opcode, is_evex = (
            code[1] & 7, code[2] >> 7, code[2] & 3, code[4], True)  # fmt: skip
    elif code[0] == _VEX3:
        opcode_map, wide, prefix, opcode, is_evex = (
            code[1] & 31, code[2] >> 7, code[2] & 3, code[3], False)  # fmt: skip
    else:  # the two-byte form has only the map 0F
        return None
    if opcode_map != _MAP_0F38 or (opcode in _FMA and wide):  # float64
        return None
    return _KINDS.get((prefix, opcode, is_evex))


def count_kinds(codes: Iterable[bytes]) -> Counter[Kind]:
    """Count the multiplications among sampled instructions."""
    return Counter(kind for kind in map(classify, codes) if kind is not None)


def sample_kinds(work: Callable[[], object]) -> Counter[Kind]:
    """Repeat the work until enough of its multiplications were seen, and return how many of each.

    Only for the main thread of a process that uses SIGPROF for nothing else.

    Args:
        work: a query.

    Raises:
        OSError: the process may not read its own memory.
        RuntimeError: LLVM makes no code for x86-64 here.
    """
    end = time.monotonic() + MOST_S
    kinds: Counter[Kind] = Counter()
    with Path("/proc/self/mem").open("rb", buffering=0) as memory, _Sampler() as sampler:
        while sum(kinds.values()) < ENOUGH and time.monotonic() < end:
            work()
            kinds += count_kinds(_read_code(memory, address) for address in sampler.take())
    return kinds


class _Action(ctypes.Structure):
    """`struct sigaction` of glibc on x86-64 (bits/sigaction.h)."""

    _fields_ = (
        ("handler", ctypes.c_void_p),
        ("mask", ctypes.c_ulong * 16),
        ("flags", ctypes.c_int),
        ("restorer", ctypes.c_void_p),
    )


class _Sampler:
    """Notes where the process is, as long as it is entered."""

    def __init__(self) -> None:
        self._counter = ctypes.c_uint64(0)
        self._taken = 0
        self._samples = (ctypes.c_uint64 * _CAPACITY)()
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._engine, handler = self._compile()
        self._action = _Action(handler=handler, flags=_SA_SIGINFO | _SA_RESTART)
        self._before = _Action()

    def __enter__(self) -> _Sampler:
        self._set_action(self._action, self._before)
        signal.setitimer(signal.ITIMER_PROF, _INTERVAL_S, _INTERVAL_S)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        # One that is on its way would end the process if nobody took it.
        ignore = _Action(handler=int(signal.SIG_IGN))
        self._set_action(ignore, _Action())
        self._set_action(self._before, _Action())

    def take(self) -> list[int]:
        """Return the addresses noted since they were taken last."""
        known = min(self._counter.value, _CAPACITY)
        addresses = list(self._samples[self._taken : known])
        self._taken = known
        return addresses

    def _set_action(self, new: _Action, old: _Action) -> None:
        if self._libc.sigaction(int(signal.SIGPROF), ctypes.byref(new), ctypes.byref(old)):
            raise OSError(ctypes.get_errno(), "sigaction")

    def _compile(self) -> tuple[Any, int]:
        from llvmlite import binding

        binding.initialize_native_target()
        binding.initialize_native_asmprinter()
        text = _HANDLER.format(
            offset=_RIP_OFFSET,
            counter=ctypes.addressof(self._counter),
            samples=ctypes.addressof(self._samples),
            capacity=_CAPACITY,
        )
        machine = binding.Target.from_default_triple().create_target_machine(jit=True)
        engine = binding.create_mcjit_compiler(binding.parse_assembly(text), machine)
        engine.finalize_object()
        return engine, engine.get_function_address("note")


def _read_code(memory: FileIO, address: int) -> bytes:
    """Return the bytes at an address of this process; fewer where no more are mapped."""
    try:
        return os.pread(memory.fileno(), _LONGEST, address)
    except OSError:
        return b""
