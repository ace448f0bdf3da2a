"""Binds memory to nodes by plain system calls, and reads where memory really is.

No libnuma, no numactl: both are often absent from containers. A policy belongs to a thread and is
inherited by the threads and processes it starts, so it is set before the framework is imported and
before any buffer is touched. Pages that exist already are moved: an interpreter that starts on
another node has megabytes there, which are several percent of a small instance.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

# (set_mempolicy, get_mempolicy, migrate_pages): arch/x86/entry/syscalls/syscall_64.tbl,
# asm-generic/unistd.h
_SYSTEM_CALLS = {"x86_64": (238, 239, 256), "aarch64": (237, 236, 238)}
# The order of include/uapi/linux/mempolicy.h.
_MODES = (
    "default",
    "preferred",
    "bind",
    "interleave",
    "local",
    "preferred_many",
    "weighted_interleave",
)
_MODE_FLAGS = 0b111 << 13  # MPOL_F_STATIC_NODES, _RELATIVE_NODES, _NUMA_BALANCING
_MASK_NODES = 1024  # the most that a kernel can be built for (CONFIG_NODES_SHIFT=10)
_WORD_BITS = 8 * ctypes.sizeof(ctypes.c_ulong)
_Mask = ctypes.c_ulong * (_MASK_NODES // _WORD_BITS)


@dataclass(frozen=True, slots=True)
class MemoryPolicy:
    """The memory policy of a thread.

    Attributes:
        mode: the kernel's name in lower case, e.g. `default`, `bind`, `interleave`.
        nodes: the nodes it applies to, ascending; () for `default` and `local`.
    """

    mode: str
    nodes: tuple[int, ...]


def set_memory_policy(nodes: tuple[int, ...]) -> None:
    """Bind the memory of this thread and its children to the nodes; move there what it has already.

    Nodes that are absent or outside the cpuset are dropped by the kernel as long as one is left;
    `read_memory_policy` tells what remained.

    Raises:
        OSError: EINVAL if no node is left; EPERM where a container forbids the call; ENOSYS on an
            unknown machine type.
    """
    set_mempolicy, _, migrate_pages = _system_calls()
    mask = _make_mask(nodes)
    _call(set_mempolicy, ctypes.c_int(_MODES.index("bind")), mask, _maxnode())
    # Where the kernel cannot move pages they stay, and are seen when the placement is checked.
    with contextlib.suppress(OSError):
        elsewhere = tuple(
            node for node in read_anonymous_pages_by_node() or () if node not in nodes
        )
        if elsewhere:
            _call(migrate_pages, ctypes.c_int(0), _maxnode(), _make_mask(elsewhere), mask)


def read_memory_policy() -> MemoryPolicy:
    """Return the memory policy of this thread.

    Raises:
        OSError: EPERM where a container forbids the call; ENOSYS on an unknown machine type.
    """
    mode, mask = ctypes.c_int(), _Mask()
    no_address, no_flags = ctypes.c_void_p(None), ctypes.c_ulong(0)
    _, get_mempolicy, _ = _system_calls()
    _call(get_mempolicy, ctypes.byref(mode), mask, _maxnode(), no_address, no_flags)
    number = mode.value & ~_MODE_FLAGS
    name = _MODES[number] if number < len(_MODES) else f"mode {number}"
    bits = sum(word << index * _WORD_BITS for index, word in enumerate(mask))
    return MemoryPolicy(name, tuple(node for node in range(_MASK_NODES) if bits >> node & 1))


def read_anonymous_pages_by_node(
    root: Path = Path("/"), pid: str | int = "self"
) -> dict[int, int] | None:
    """Return the bytes of a process's anonymous memory on each node, from its `numa_maps`.

    File mappings hold both pages of the file and private copies of them; the copies are counted
    only where the whole mapping is private or lies on one node, because `numa_maps` does not tell
    the node of each kind. Buffers and weights are plain anonymous memory and always counted.

    Args:
        root: `/`, or the folder of a snapshot.
        pid: the process; a number for another one, which takes the right to trace it.

    Returns:
        Bytes by node id, nodes without any left out; None if the kernel has no `numa_maps`.

    Raises:
        OSError: the process is gone (ProcessLookupError), or reading it is forbidden.
    """
    process = root / "proc" / str(pid)
    try:
        text = (process / "numa_maps").read_text(errors="replace")
    except FileNotFoundError:
        if process.is_dir():
            return None
        raise ProcessLookupError(errno.ESRCH, f"no process {pid}") from None
    total: Counter[int] = Counter()
    for line in text.splitlines():
        total.update(_anonymous_bytes(line))
    return dict(sorted(total.items()))


def _anonymous_bytes(mapping: str) -> dict[int, int]:
    """The anonymous bytes by node of one line of `numa_maps`, whose counts are in its own pages."""
    fields = dict(field.split("=", 1) for field in mapping.split() if "=" in field)
    page_bytes = 1024 * int(fields.get("kernelpagesize_kB", "4"))
    anonymous = int(fields.get("anon", "0"))
    pages = {int(name[1:]): int(fields[name]) for name in fields if re.fullmatch(r"N\d+", name)}
    if anonymous == 0 or (anonymous < sum(pages.values()) and len(pages) > 1):
        return {}
    return {node: min(count, anonymous) * page_bytes for node, count in pages.items()}


def _make_mask(nodes: tuple[int, ...]) -> ctypes.Array[ctypes.c_ulong]:
    mask = _Mask()
    for node in nodes:
        if not 0 <= node < _MASK_NODES:
            raise OSError(errno.EINVAL, f"memory node {node} cannot exist")
        mask[node // _WORD_BITS] |= 1 << node % _WORD_BITS
    return mask


def _system_calls() -> tuple[int, int, int]:
    machine = os.uname().machine
    # A 32-bit program on a 64-bit kernel has other numbers.
    if machine not in _SYSTEM_CALLS or sys.maxsize < 1 << 32:
        raise OSError(errno.ENOSYS, f"memory policies are not supported on {machine}")
    return _SYSTEM_CALLS[machine]


def _maxnode() -> ctypes.c_ulong:
    # The kernel takes one off this number (get_nodes in mm/mempolicy.c).
    return ctypes.c_ulong(_MASK_NODES + 1)


def _call(number: int, *arguments: object) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(ctypes.c_long(number), *arguments) < 0:  # migrate_pages counts what stayed
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def read_proportional_bytes(process: Path = Path("/proc/self")) -> int | None:
    """Return the process's proportional set size; None where the kernel does not tell.

    A page that n processes map counts as 1/n of it (Documentation/filesystems/proc.rst, `Pss`).
    """
    try:
        text = (process / "smaps_rollup").read_text()
    except OSError:
        return None
    found = re.search(r"^Pss:\s+(\d+) kB$", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else None
