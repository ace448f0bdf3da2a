"""Runs a kernel on several CPUs at once, one pinned thread on each, for a moment.

The threads wait for each other and read the clock in machine code, where the interpreter's lock is
let go: one thread is not measured while it waits for another to say that it has ended. The clock is
the CPU's time stamp counter, which runs at one rate whatever the core's frequency.
"""

from __future__ import annotations

import ctypes
import itertools
import mmap
import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from threading import Barrier, BrokenBarrierError
from typing import TYPE_CHECKING

from resnet50_bench.limits.assembler import Code, load

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_CHUNK_S = 0.002
_FEWEST_CHUNKS = 5
_WARM_UP = 5
"""One in so many chunks at the begin is not counted: frequency and voltage settle."""

_TRY_TURNS = 512
_FILLER = 0x3F
"""Four of these are 0.747 in fp32: no denormals."""

_START_TIMEOUT_S = 30


class Arguments(ctypes.Structure):
    """What a kernel finds at the address in rdi; see `kernels`.

    Attributes:
        turns: of the loop, in one chunk.
        chunks: to do.
        stamps: address of `chunks` + 1 numbers of 64 bits, for the time stamp counter.
        arrived: address of a number of 64 bits, which each thread raises by one.
        threads: that there will be.
        buffer: its address; 0 for kernels that use none.
        part_bytes: of the buffer, or of each of its equal parts.
    """

    _fields_ = tuple(
        (name, ctypes.c_uint64)
        for name in ("turns", "chunks", "stamps", "arrived", "threads", "buffer", "part_bytes")
    )


class Crew:
    """Pinned threads, one on each CPU, each with a buffer of its own.

    Args:
        cpus: that are used all at once.
        buffer_bytes: of each thread.
    """

    def __init__(self, cpus: Sequence[int], buffer_bytes: int) -> None:
        self._cpus = tuple(cpus)
        self._clock = _Clock()
        self._pool = ThreadPoolExecutor(len(self._cpus))
        self._memory = [_make_buffer(buffer_bytes) for _ in self._cpus if buffer_bytes]
        self._buffers = [_find_address(memory) for memory in self._memory] or [0] * len(self._cpus)
        # By the thread that will use it: the memory then lies on its node.
        self._do([partial(ctypes.memset, at, _FILLER, buffer_bytes) for at in self._buffers if at])

    def measure(self, code: Code, part_bytes: int, seconds: float) -> float:
        """Return the turns of the loop per second, of all CPUs together.

        Of each CPU the rate that its fastest quarter of chunks has at least: what took the CPU away
        for a moment does not count.

        Args:
            code: of a kernel.
            part_bytes: of the buffer, or of each of its equal parts.
            seconds: how long, after a first try.
        """
        (first, last), *_ = self._burst(code, _TRY_TURNS if not part_bytes else 1, 1, part_bytes)
        turn_s = (last - first) / self._clock.ticks_per_s() / (1 if part_bytes else _TRY_TURNS)
        turns = max(1, round(_CHUNK_S / turn_s))
        chunks = max(_FEWEST_CHUNKS, round(seconds / (turns * turn_s)))
        rates = []
        for stamps in self._burst(code, turns, chunks, part_bytes):
            lengths = [after - before for before, after in itertools.pairwise(stamps)]
            quarter, *_ = statistics.quantiles(lengths[chunks // _WARM_UP :], method="inclusive")
            rates.append(turns / quarter)
        return sum(rates) * self._clock.ticks_per_s()

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()

    def _burst(self, code: Code, turns: int, chunks: int, part_bytes: int) -> list[tuple[int, ...]]:
        """Return the stamps of each CPU."""
        function = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(code.address)
        arrived = ctypes.c_uint64(0)
        stamps = [(ctypes.c_uint64 * (chunks + 1))() for _ in self._cpus]
        arguments = [
            Arguments(
                turns,
                chunks,
                ctypes.addressof(mine),
                ctypes.addressof(arrived),
                len(self._cpus),
                buffer,
                part_bytes,
            )
            for mine, buffer in zip(stamps, self._buffers)
        ]
        self._do([partial(function, ctypes.addressof(item)) for item in arguments])
        return [tuple(mine) for mine in stamps]

    def _do(self, calls: Sequence[Callable[[], object]]) -> None:
        """Make one call on each CPU, all of them at once.

        Raises:
            OSError: a CPU may not be used, and none of the calls is made.
        """
        barrier = Barrier(max(1, len(calls)))
        work = [
            self._pool.submit(_call_on, cpu, call, barrier) for cpu, call in zip(self._cpus, calls)
        ]
        for item in work:
            with suppress(BrokenBarrierError):  # another's error is the one to tell
                item.result()


def _call_on(cpu: int, call: Callable[[], object], barrier: Barrier) -> None:
    try:
        os.sched_setaffinity(0, {cpu})
    except OSError:
        barrier.abort()
        raise
    barrier.wait(_START_TIMEOUT_S)
    call()


def _make_buffer(size: int) -> mmap.mmap:
    """Memory of its own, in large pages where the system gives them."""
    memory = mmap.mmap(-1, size)
    with suppress(OSError):
        memory.madvise(mmap.MADV_HUGEPAGE)
    return memory


def _find_address(memory: mmap.mmap) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))


_READ_COUNTER = """
.intel_syntax noprefix
.text
.globl kernel
kernel:
  rdtsc
  shl rdx, 32
  or rax, rdx
  ret
.att_syntax
"""


class _Clock:
    """How fast the time stamp counter runs: by the system's clock, ever since this was made."""

    def __init__(self) -> None:
        self._code = load(_READ_COUNTER)
        self._read = ctypes.CFUNCTYPE(ctypes.c_uint64)(self._code.address)
        self._begin = self._read(), time.perf_counter_ns()

    def ticks_per_s(self) -> float:
        """Good to 1 in 10,000 after some hundredths of a second."""
        ticks, now_ns = self._read(), time.perf_counter_ns()
        return float((ticks - self._begin[0]) * 1e9 / (now_ns - self._begin[1]))
