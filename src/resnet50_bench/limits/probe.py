"""The process that measures: an instruction that this CPU does not have after all ends it alone."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import msgspec

from resnet50_bench.host.amx_probe import request_permission
from resnet50_bench.limits.assembler import Code, load
from resnet50_bench.limits.burst import Crew
from resnet50_bench.limits.kernels import Kind, find_memory_kernel, find_peak_kernel
from resnet50_bench.limits.protocol import Answer, Request, Task

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Loop:
    """A kernel that can be run.

    Attributes:
        code: of it.
        work: operations or bytes of one turn.
        part_bytes: of the buffer that it goes over; 0 for none.
    """

    def __init__(self, code: Code, work: int, part_bytes: int = 0) -> None:
        self.code = code
        self.work = work
        self.part_bytes = part_bytes


class _Refused(Exception):
    """Why a task cannot be done."""


def main() -> None:
    """Answer one request."""
    request = msgspec.json.decode(sys.stdin.buffer.read(), type=Request)
    for answer in _measure(request):
        sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
        sys.stdout.buffer.flush()  # the next task may end this process


def _measure(request: Request) -> Iterator[Answer]:
    crew = Crew(request.cpus, max((task.buffer_bytes for task in request.tasks), default=0))
    loops: dict[str, _Loop] = {}
    failed: set[str] = set()
    for _ in range(request.rounds):
        for task in request.tasks:
            if task.name in failed:
                continue
            yield Answer(name=task.name)
            try:
                loop = loops.get(task.name) or _load(task, request)
                loops[task.name] = loop
                turns_per_s = crew.measure(loop.code, loop.part_bytes, request.seconds)
            except (_Refused, RuntimeError, OSError) as error:
                failed.add(task.name)
                yield Answer(name=task.name, failure=str(error))
                continue
            yield Answer(name=task.name, rate=turns_per_s * loop.work)
    crew.close()


def _load(task: Task, request: Request) -> _Loop:
    if task.kind is not None:
        kernel = find_peak_kernel(Kind(task.kind))
        refusal = request_permission() if kernel.uses_tiles else None
        if refusal is not None:
            raise _Refused(f"the kernel did not grant the tile registers ({refusal})")
        return _Loop(load(kernel.assembly), kernel.operations)
    memory = find_memory_kernel(task.access or "", request.cpu_flags)
    if memory is None:
        raise _Refused("this CPU has neither AVX-512 nor AVX2 with FMA")
    code = load(memory.assembly)
    return _Loop(code, task.buffer_bytes, task.buffer_bytes // memory.parts)
