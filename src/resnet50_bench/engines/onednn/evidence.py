"""What proves a query's kernels: oneDNN's trace, and the code that oneDNN has made.

    onednn_verbose,primitive,exec,cpu,convolution,brgconv_1x1:avx512_core_vnni,...
    onednn,code,{"vpdpbusd zmm": 9232}

A convolution's instruction set is its name's only where the code has the instruction that this set
multiplies with; else it is unknown, and proves nothing.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from resnet50_bench.engines.base import UNKNOWN_ISA, KernelShare
from resnet50_bench.engines.machine_code.instructions import INSTRUCTIONS
from resnet50_bench.engines.machine_code.made import MIN_SEEN
from resnet50_bench.engines.onednn_trace import parse_trace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_CODE = "onednn,code,"
_CONVOLUTION = "convolution"
_AMX = "_amx"


def render_code(instructions: Mapping[str, int]) -> str:
    """Return the line that tells which instructions stand in the code, and how often."""
    return _CODE + json.dumps(instructions)


def parse_kernels(lines: Iterable[str]) -> tuple[KernelShare, ...]:
    """Return the kernels of a trace, those that the code does not bear out without their ISA."""
    instructions: Counter[str] = Counter()
    kernels = parse_trace(_take_code(lines, instructions)).kernels
    return tuple(_confirm(kernel, instructions) for kernel in kernels)


def _take_code(lines: Iterable[str], instructions: Counter[str]) -> Iterator[str]:
    """Yield the lines, and count the instructions that some of them tell."""
    for line in lines:
        _, found, text = line.partition(_CODE)
        if found:
            instructions.update(json.loads(text))
        yield line


def _confirm(kernel: KernelShare, instructions: Mapping[str, int]) -> KernelShare:
    if kernel.primitive != _CONVOLUTION:
        return kernel
    names = _find_instructions(kernel.dtype, kernel.isa)
    if not names or any(instructions.get(name, 0) >= MIN_SEEN for name in names):
        return kernel
    return replace(kernel, isa=UNKNOWN_ISA)


def _find_instructions(dtype: str, isa: str) -> list[str]:
    """Name those that a kernel of this data type and instruction set multiplies with, if known."""
    group = "int8" if dtype[:2] in {"u8", "s8"} else dtype.partition("/")[0]
    if group == "f32" and _AMX in isa:
        group = "bf16"  # AMX has no float32
    return [
        name
        for name, item in INSTRUCTIONS.items()
        if item.dtype == group and (isa == item.isa or isa.startswith(f"{item.isa}_"))
    ]
