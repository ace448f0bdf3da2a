"""Memory mapped for a purpose, with a page on either side that nothing may touch.

A kernel that reads or writes beyond its buffers ends the process there, instead of changing values
that are measured.
"""

from __future__ import annotations

import ctypes
import mmap
import os

from resnet50_bench.errors import HostError

PAGE_BYTES = mmap.PAGESIZE

_NO_ACCESS = 0
"""`PROT_NONE` of <sys/mman.h>."""

_MADV_HUGEPAGE = getattr(mmap, "MADV_HUGEPAGE", None)


class Memory:
    """Zeroed memory of this process's own, released by `close`.

    Args:
        size: bytes. The end of the memory, rounded up to `alignment`, is the end of a page, behind
            which is the page that cannot be touched.
        alignment: of `address`, bytes.

    Raises:
        HostError: there is not so much memory.
    """

    def __init__(self, size: int, alignment: int = 64) -> None:
        self.size = -(-max(size, 1) // alignment) * alignment
        pages = -(-self.size // PAGE_BYTES)
        try:
            self._map = mmap.mmap(-1, (pages + 2) * PAGE_BYTES, mmap.MAP_PRIVATE)
        except OSError as error:
            raise HostError(
                f"no memory of {size:,} bytes: {error.strerror}",
                "take a smaller --batch-size, fewer instances, or free memory",
            ) from error
        begin = _find_address(self._map)
        end = begin + (pages + 1) * PAGE_BYTES
        if _MADV_HUGEPAGE is not None:
            self._map.madvise(_MADV_HUGEPAGE)
        for page in (begin, end):
            _forbid(page)
        self.address = end - self.size

    def write(self, content: bytes) -> None:
        """Write bytes to the begin.

        Raises:
            ValueError: there are more of them than there is memory.
        """
        if len(content) > self.size:
            raise ValueError(f"{len(content)} bytes for a memory of {self.size}")
        ctypes.memmove(self.address, content, len(content))

    def read(self) -> bytes:
        """Return all that is in it."""
        return ctypes.string_at(self.address, self.size)

    def close(self) -> None:
        """Give the memory back; nothing may use it afterwards."""
        self._map.close()


def _find_address(mapped: mmap.mmap) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(mapped))


def _forbid(address: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(PAGE_BYTES), _NO_ACCESS):
        code = ctypes.get_errno()
        raise HostError(f"a page cannot be protected: {os.strerror(code)}")
