"""Which instructions a process executes, seen by looking where it is, again and again.

For runtimes that tell which operations they ran and not with which instructions. While work is
repeated, the kernel's timer of processor time interrupts the threads that compute (SIGPROF,
setitimer(2)); the handler notes where the thread was. What is noted are places between
instructions, so each names the instruction that was executed next, and one that takes a share of
the time is found in that share of the samples. Afterwards the bytes there are read, and the
multiplications among them tell the data type and the instruction set.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resnet50_bench.engines.machine_code.instructions import find_instruction

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

Kind = tuple[str, str]
"""Data type (`f32`, `bf16`, `int8`) and instruction set of a multiplication."""


def count_kinds(codes: Iterable[bytes]) -> Counter[Kind]:
    """Count the multiplications among sampled instructions."""
    found = map(find_instruction, codes)
    return Counter((item.dtype, item.isa) for item in found if item and item.multiplies)


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
