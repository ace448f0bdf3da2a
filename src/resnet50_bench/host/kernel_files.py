"""Reads texts, numbers, switches and CPU lists of the kernel, below /proc and /sys."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from resnet50_bench.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Callable

LIVE_ROOT = Path("/")


def parse_cpu_list(text: str) -> tuple[int, ...]:
    """Return the numbers of a kernel list such as `0-3,8`, ascending; ignores NULs at its end.

    Raises:
        ValueError: the text is not such a list.
    """
    numbers: set[int] = set()
    for part in filter(None, text.strip("\0 \n\t").split(",")):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", part.strip())
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise ValueError(f"not a CPU list: {text!r}")
        numbers.update(range(int(match[1]), int(match[2] or match[1]) + 1))
    return tuple(sorted(numbers))


def read_text(path: Path) -> str | None:
    """The text without the NULs and white space around it; None when unreadable."""
    try:
        return path.read_text(errors="replace").strip("\0 \n\t")
    except OSError:
        return None


def search(text: str | None, pattern: str) -> str | None:
    """The pattern's first group where it first matches."""
    match = re.search(pattern, text or "", re.MULTILINE)
    return match[1] if match else None


def read_cpus(
    path: Path, parse: Callable[[str], tuple[int, ...]] = parse_cpu_list
) -> tuple[int, ...]:
    """The CPUs that the file lists; () when it is absent or empty."""
    text = read_text(path)
    try:
        return parse(text) if text else ()
    except ValueError:
        raise HostError(f"{path} holds {text!r}", "check /sys, or the snapshot") from None


def parse_cpu_mask(text: str) -> tuple[int, ...]:
    """The CPUs of a mask such as `ff,00000000`: 32-bit hexadecimal words, highest first."""
    bits = int(text.replace(",", ""), 16)
    return tuple(cpu for cpu in range(bits.bit_length()) if bits >> cpu & 1)


def read_int(path: Path) -> int | None:
    """The whole number; None when absent or something else."""
    text = read_text(path)
    return int(text) if text and re.fullmatch(r"-?\d+", text) else None


def read_switch(path: Path) -> bool | None:
    """Whether the number is not 0; None when absent."""
    value = read_int(path)
    return None if value is None else value != 0


def read_kib(path: Path, field: str) -> int | None:
    """The bytes of a `MemTotal: 24684092 kB` line; the kernel's kB are 1024 bytes."""
    kib = search(read_text(path), rf"{field}: *(\d+) kB")
    return int(kib) * 1024 if kib else None


def list_numbered(folder: Path, prefix: str) -> list[int]:
    """The N of all `<prefix>N` in the folder, ascending."""
    matches = (re.fullmatch(rf"{prefix}(\d+)", path.name) for path in folder.glob(f"{prefix}*"))
    return sorted(int(match[1]) for match in matches if match)
