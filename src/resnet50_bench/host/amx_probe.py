"""Finds out, in a throwaway process, whether AMX tiles really work here.

The CPU flag is not enough: the kernel grants the tile registers per process, on request, and a
virtual machine or an enclave may show the flag and still fault. This file is also the program of
the throwaway process, so it imports the standard library alone.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import platform
import resource
import signal
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

# arch/x86/entry/syscalls/syscall_64.tbl; arch/x86/include/uapi/asm/prctl.h;
# Documentation/arch/x86/xstate.rst: XTILEDATA is state component 18.
_ARCH_PRCTL = 158
_ARCH_REQ_XCOMP_PERM = 0x1023
_XTILEDATA = 18

_TILE_ROWS = 16
_TILE_ROW_BYTES = 64

# Intel SDM volume 2, LDTILECFG: palette, start row, 14 reserved bytes, the bytes per row of 16
# tiles, the rows of 16 tiles. Tile 0 is as large as palette 1 allows, the others are not used.
_TILE_CONFIG = struct.pack("<BB14x16H16B", 1, 0, _TILE_ROW_BYTES, *[0] * 15, _TILE_ROWS, *[0] * 15)

# void operation(const void *config, void *tile, size_t stride), System V AMD64 calling convention.
_TILE_OPERATION = b"".join(
    (
        b"\xc4\xe2\x78\x49\x07",  # ldtilecfg  (%rdi)
        b"\xc4\xe2\x7b\x49\xc0",  # tilezero   %tmm0
        b"\xc4\xe2\x7a\x4b\x04\x16",  # tilestored %tmm0,(%rsi,%rdx,1)
        b"\xc4\xe2\x78\x49\xc0",  # tilerelease
        b"\xc3",  # ret
    )
)

_CHILD_TIMEOUT_S = 30
_PERMISSION = "permission_error"
_TILE = "tile_operation"
_TILE_UNKNOWN = "tile_unknown"
_SIGNAL_MEANING = {
    signal.SIGILL: "illegal instruction",
    signal.SIGSEGV: "segmentation fault: palette 1 is refused",
}


@dataclass(frozen=True, slots=True)
class AmxProbe:
    """What the throwaway process found.

    Attributes:
        permitted: whether the kernel granted the tile registers.
        tile_operation: whether a tile was configured, zeroed and stored; None when it could not be
            tried, which is no evidence against AMX.
        reason: one sentence for people.
    """

    permitted: bool
    tile_operation: bool | None
    reason: str

    @property
    def usable(self) -> bool:
        """Whether nothing speaks against running AMX code."""
        return self.permitted and self.tile_operation is not False


def probe_amx() -> AmxProbe:
    """Start a process that asks the kernel for the tile registers and uses one; never raises."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return AmxProbe(
            permitted=False,
            tile_operation=None,
            reason=f"AMX exists on x86-64 Linux alone, this is {sys.platform} {platform.machine()}",
        )
    command = [sys.executable, "-I", "-S", str(Path(__file__))]
    try:
        child = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_CHILD_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return AmxProbe(permitted=False, tile_operation=None, reason=f"the probe failed: {error}")
    output, errors = (text.decode(errors="replace") for text in (child.stdout, child.stderr))
    return plan_answer(child.returncode, output, errors)


def plan_answer(returncode: int, output: str, errors: str = "") -> AmxProbe:
    """Return what the child's exit code and its lines of JSON say.

    Args:
        returncode: as `subprocess` gives it: negative for a signal.
        output: one JSON object a line; what the child did not reach is missing.
        errors: what it wrote to stderr.
    """
    answers: dict[str, object] = {}
    for line in output.splitlines():
        with contextlib.suppress(ValueError, TypeError):  # a warning of the interpreter's, say
            answers.update(json.loads(line))
    why = _find_error(errors)
    refusal = answers.get(_PERMISSION, f"the child ended before it asked{why}")
    permission = (
        "the kernel granted the tile registers"
        if refusal is None
        else f"the kernel did not grant the tile registers ({refusal})"
    )
    tile_operation, operation = _plan_operation(returncode, answers)
    return AmxProbe(
        permitted=refusal is None,
        tile_operation=tile_operation,
        reason=f"{permission}; {operation}",
    )


def _find_error(errors: str) -> str:
    from resnet50_bench.interpreter import find_error  # not there in the throwaway process

    lines = errors.strip().splitlines()
    found = find_error(errors) or (lines[0] if lines else None)
    return f": {found}" if found is not None else ""


def _plan_operation(returncode: int, answers: dict[str, object]) -> tuple[bool | None, str]:
    if answers.get(_TILE) is True:
        return True, "a tile operation gave the right bytes"
    if answers.get(_TILE) is False:
        return False, "a tile operation gave wrong bytes"
    if _TILE_UNKNOWN in answers:
        return None, f"a tile operation could not be tried ({answers[_TILE_UNKNOWN]})"
    if returncode >= 0:
        return None, f"a tile operation was not tried (the child's exit code is {returncode})"
    if -returncode in _SIGNAL_MEANING:
        ending = signal.Signals(-returncode)
        return False, f"a tile operation ended in {ending.name} ({_SIGNAL_MEANING[ending]})"
    # SIGKILL and its like come from outside: they say nothing about AMX.
    return None, f"a tile operation was cut short by signal {-returncode}"


def load_code(code: bytes) -> int:
    """Place machine code into this process and return its address; the page stays for good.

    The code is written to an anonymous file and mapped from it, so that no page is ever writable
    and executable: SELinux and hardened containers refuse such pages.

    Raises:
        OSError: this process may not execute code that it made.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = (
        ctypes.c_void_p,
        ctypes.c_size_t,
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_long,
    )
    # <sys/mman.h>; the mmap module has them too, but no mapping that tells its address.
    read_execute, private = 0x1 | 0x4, 0x2
    file = os.memfd_create("amx_probe")
    try:
        os.write(file, code)
        address = libc.mmap(None, len(code), read_execute, private, file, 0)
    finally:
        os.close(file)
    if address is None or address == ctypes.c_void_p(-1).value:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return int(address)


def request_permission() -> str | None:
    """Ask the kernel for the tile registers; returns why not, or None."""
    libc = ctypes.CDLL(None, use_errno=True)
    arguments = map(ctypes.c_long, (_ARCH_PRCTL, _ARCH_REQ_XCOMP_PERM, _XTILEDATA))
    if libc.syscall(*arguments) == 0:
        return None
    number = ctypes.get_errno()
    return f"arch_prctl: {errno.errorcode.get(number, number)}"


def _run_tile_operation() -> bool:
    """Zero a tile and store it over ones; an illegal instruction ends this process."""
    operation = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_size_t)(
        load_code(_TILE_OPERATION)
    )
    tile = ctypes.create_string_buffer(b"\xff" * (_TILE_ROWS * _TILE_ROW_BYTES))
    operation(_TILE_CONFIG, tile, _TILE_ROW_BYTES)
    return not any(tile.raw)


def _write_answer(name: str, value: str | bool | None) -> None:
    sys.stdout.write(json.dumps({name: value}) + "\n")
    sys.stdout.flush()  # the next step may end this process


def main() -> None:
    """Be the throwaway process: write one answer after each step, as far as it comes."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _write_answer(_PERMISSION, request_permission())
    try:
        _write_answer(_TILE, _run_tile_operation())
    except OSError as error:
        _write_answer(_TILE_UNKNOWN, f"executable memory: {error.strerror}")


if __name__ == "__main__":
    main()
