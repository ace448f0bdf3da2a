"""Asks the processor itself which kind of core each CPU is: the `cpuid` instruction.

Intel SDM volume 2, CPUID: leaf 7, bit 15 of EDX: the part is hybrid; leaf 1AH, bits 31-24 of EAX:
the type of the core that executes it. So it is executed on every CPU in turn, by a thread of its
own, whose affinity is nobody else's.
"""

from __future__ import annotations

import ctypes
import os
import platform
import threading
from typing import TYPE_CHECKING, TypeAlias

from resnet50_bench.host.amx_probe import load_code

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Registers: TypeAlias = tuple[int, int, int, int]
"""EAX, EBX, ECX and EDX."""

# void ask(uint32_t leaf, uint32_t subleaf, uint32_t registers[4]), System V AMD64 calling
# convention.
_CODE = b"".join(
    (
        b"\x53",  # push %rbx
        b"\x49\x89\xd0",  # mov  %rdx,%r8
        b"\x89\xf8",  # mov  %edi,%eax
        b"\x89\xf1",  # mov  %esi,%ecx
        b"\x0f\xa2",  # cpuid
        b"\x41\x89\x00",  # mov  %eax,(%r8)
        b"\x41\x89\x58\x04",  # mov  %ebx,0x4(%r8)
        b"\x41\x89\x48\x08",  # mov  %ecx,0x8(%r8)
        b"\x41\x89\x50\x0c",  # mov  %edx,0xc(%r8)
        b"\x5b",  # pop  %rbx
        b"\xc3",  # ret
    )
)
_HIGHEST_LEAF, _FEATURES, _HYBRID = 0, 0x7, 0x1A
_IS_HYBRID = 1 << 15


def load_cpuid() -> Callable[[int, int], Registers]:
    """Return a function that executes `cpuid` for a leaf and a subleaf.

    Raises:
        OSError: this is no x86-64, or this process may not execute code that it made.
    """
    if platform.machine() != "x86_64":
        raise OSError(f"{platform.machine()} has no cpuid")
    prototype = ctypes.CFUNCTYPE(None, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_void_p)
    execute = prototype(load_code(_CODE))

    def ask(leaf: int, subleaf: int) -> Registers:
        registers = (ctypes.c_uint32 * 4)()
        execute(leaf, subleaf, ctypes.addressof(registers))
        return registers[0], registers[1], registers[2], registers[3]

    return ask


def read_core_types(
    cpus: Sequence[int], load: Callable[[], Callable[[int, int], Registers]] = load_cpuid
) -> dict[int, int]:
    """Return the type of core of each CPU as leaf 1AH gives it; {} where the part is not hybrid.

    Args:
        cpus: that this process may run on.
        load: makes what executes `cpuid`.
    """
    try:
        ask = load()
    except OSError:
        return {}
    is_new = ask(_HIGHEST_LEAF, 0)[0] >= _HYBRID
    if not (is_new and ask(_FEATURES, 0)[3] & _IS_HYBRID):
        return {}
    types: dict[int, int] = {}

    def visit() -> None:
        for cpu in cpus:
            try:
                os.sched_setaffinity(0, {cpu})
            except OSError:
                return  # it has just gone offline, or out of bounds
            types[cpu] = ask(_HYBRID, 0)[0] >> 24

    visitor = threading.Thread(target=visit, name="cpuid")
    visitor.start()
    visitor.join()
    return types
