"""Memory allocators in place of the C library's: found as a file, and seen at work in a process.

A preload that cannot be loaded costs a line on stderr and nothing else, so what was asked for is
no evidence: a process looks up in its own memory map which file its `malloc` lies in.
"""

from __future__ import annotations

import ctypes
import re
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from resnet50_bench.config import Allocator
from resnet50_bench.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PRELOAD = "LD_PRELOAD"
"""The loader's variable: libraries to load before all others (ld.so(8))."""

_LDCONFIG = ("/sbin/ldconfig", "-p")
_LDCONFIG_S = 10
_USUAL_FOLDERS = (
    "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib",
    "/usr/local/lib64", "/usr/local/lib",
)  # fmt: skip
_SEPARATORS = frozenset(" :")
_ELF_BYTES = 20


@dataclass(frozen=True, slots=True)
class _Library:
    """An allocator's file.

    Attributes:
        names: of the file, the preferred one first.
        base: how the name of the file begins, whatever version it is.
        advice: how to install it.
    """

    names: tuple[str, ...]
    base: str
    advice: str


_LIBRARIES = {
    Allocator.JEMALLOC: _Library(
        ("libjemalloc.so.2",), "libjemalloc", "Debian and Ubuntu: apt-get install libjemalloc2"
    ),
    Allocator.TCMALLOC: _Library(
        ("libtcmalloc_minimal.so.4", "libtcmalloc.so.4"),
        "libtcmalloc",
        "Debian and Ubuntu: apt-get install libtcmalloc-minimal4",
    ),
    Allocator.MIMALLOC: _Library(
        ("libmimalloc.so.3", "libmimalloc.so.2", "libmimalloc.so"),
        "libmimalloc",
        "pip install cmeel-mimalloc, beside r50; Debian and Ubuntu: apt-get install libmimalloc2.0",
    ),
}


def find_library(allocator: Allocator, folders: Sequence[Path] | None = None) -> Path:
    """Return the file of an allocator's library, of this machine's kind.

    Args:
        allocator: any but `system`, which is no library of its own.
        folders: where to look; None for the loader's cache, the usual folders and the packages
            beside this one.

    Raises:
        RequestError: it is in none of them, or where LD_PRELOAD cannot name it.
    """
    library = _LIBRARIES[allocator]
    kind = _read_kind(Path(sys.executable))
    for folder in list_folders() if folders is None else folders:
        for name in library.names:
            path = folder / name
            if not _is_of_kind(path, kind):
                continue
            if _SEPARATORS & set(str(path)):
                raise RequestError(
                    f"--allocator {allocator.value}: {PRELOAD} cannot name {path}, whose path has "
                    "a space or a colon",
                    library.advice,
                )
            return path
    raise RequestError(
        f"--allocator {allocator.value}: no {library.names[0]} on this machine", library.advice
    )


def list_folders() -> list[Path]:
    """Return the folders in which libraries are looked for; some may not exist."""
    packages = Path(sysconfig.get_path("purelib"), "cmeel.prefix", "lib")  # the wheel's own prefix
    folders = [*parse_loader_cache(_read_loader_cache()), *map(Path, _USUAL_FOLDERS)]
    return [*dict.fromkeys(folders), packages, Path(sys.prefix, "lib")]


def parse_loader_cache(text: str) -> list[Path]:
    """Return the folders of the libraries that `ldconfig -p` lists, each once, in its order."""
    paths = re.findall(r"=> (/.+)$", text, re.MULTILINE)
    return list(dict.fromkeys(Path(path).parent for path in paths))


def read_malloc_library() -> str | None:
    """Return the file this process's `malloc` lies in; None where the map does not say.

    It is the definition the loader gives to every library that asks for `malloc`.
    """
    address = ctypes.cast(ctypes.CDLL(None).malloc, ctypes.c_void_p).value
    try:
        with Path("/proc/self/maps").open() as lines:
            return find_mapping(lines, address or 0)
    except OSError:
        return None


def find_mapping(lines: Iterable[str], address: int) -> str | None:
    """Return the file mapped at an address, by the lines of a process's memory map (proc(5))."""
    for line in lines:
        span, *_, path = line.rstrip("\n").split(maxsplit=5)
        first, _, end = span.partition("-")
        if int(first, 16) <= address < int(end, 16):
            return path if path.startswith("/") else None
    return None


def is_library_of(allocator: Allocator, path: str | None) -> bool:
    """Whether a file is the library of an allocator, of any version."""
    base = _LIBRARIES[allocator].base
    return path is not None and Path(path).name.startswith(base)


def name_allocator(path: str) -> Allocator | None:
    """Return the allocator a file is the library of; None for one unknown, and the C library's."""
    return next((item for item in _LIBRARIES if is_library_of(item, path)), None)


def _read_loader_cache() -> str:
    try:
        done = subprocess.run(
            _LDCONFIG, capture_output=True, text=True, timeout=_LDCONFIG_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""  # as in images without glibc's tools: the usual folders are left
    return done.stdout


def _read_kind(path: Path) -> tuple[bytes, bytes] | None:
    """Class and byte order, and machine, of an ELF file (elf(5)); None when it is none."""
    try:
        with path.open("rb") as file:
            head = file.read(_ELF_BYTES)
    except OSError:
        return None
    is_elf = len(head) == _ELF_BYTES and head.startswith(b"\x7fELF")
    return (head[4:6], head[18:20]) if is_elf else None


def _is_of_kind(path: Path, kind: tuple[bytes, bytes] | None) -> bool:
    """Whether the file is there, and the loader of this machine would take it."""
    found = _read_kind(path)
    return found is not None and found == kind
