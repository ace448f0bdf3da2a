"""Builds `peak.c` with gcc and reads what the cores can do at most, in registers."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

GFLOP_PER_IMAGE = 8.178
"""ResNet-50 v1.5 at 224x224: 4.089 G multiply-adds, multiplications by padding counted; for int8
the same number of integer operations. Every percentage of the limit refers to it."""

DTYPES = {
    "avx_fp32": "fp32",
    "avx_bfloat16": "bf16",
    "avx_int8": "int8",
    "amx_bfloat16": "amx_bf16",
    "amx_bfloat32": "amx_bf16",
    "amx_int8": "amx_int8",
}
"""Precision -> the kernel of `peak.c` that is its limit. amx_bfloat32 multiplies in bfloat16, and
also converts."""

SOURCE = Path(__file__).with_name("peak.c")


@cache
def _program(folder: str) -> str:
    program = f"{folder}/peak"
    subprocess.run(["gcc", "-O3", "-pthread", str(SOURCE), "-o", program], check=True)
    return program


def read_peak(folder: str, cpus: tuple[int, ...], seconds: float = 0.5) -> dict[str, float]:
    """Return giga-operations per second of these CPUs together, by data type.

    Args:
        folder: where the program is built.
        cpus: one pinned thread runs on each.
        seconds: for each data type.
    """
    command = [_program(folder), str(seconds), *map(str, cpus)]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    return {name: float(rate) for name, rate in (row.split() for row in done.stdout.splitlines())}


def share_of_limit(images_per_s: float, precision: str, peak: dict[str, float]) -> float:
    """Return images/s as a share of what the peak would allow."""
    return images_per_s * GFLOP_PER_IMAGE / peak[DTYPES[precision]]
