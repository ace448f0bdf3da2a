"""Whether the instances had of their environment what was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resnet50_bench.config import Allocator
from resnet50_bench.host.allocators import is_library_of
from resnet50_bench.results.findings import Finding
from resnet50_bench.results.kpi import reported

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resnet50_bench.results.record import Record


def check_environment(record: Record) -> Iterator[Finding]:
    """What makes a result invalid because an instance ran in another environment."""
    yield from _check_allocator(record)
    yield from _check_cpu_latency(record)


def _check_allocator(record: Record) -> Iterator[Finding]:
    """The loader only warns of a preload that it cannot load."""
    allocator = record.config.allocator
    if allocator is Allocator.SYSTEM:
        return
    for item in reported(record):
        if not is_library_of(allocator, item.malloc_library):
            yield Finding(
                f"instance {item.slot.instance} was told to use {allocator.value} and its malloc "
                f"was that of {item.malloc_library or 'a library unknown'}",
                f"its log, instance_{item.slot.instance:03d}.log, says why the library could not "
                "be loaded",
            )


def _check_cpu_latency(record: Record) -> Iterator[Finding]:
    """The kernel takes the lowest of all requests, so what holds may be less and never more."""
    limit = record.config.cpu_latency_limit_us
    if limit is None:
        return
    for item in reported(record):
        seen = item.cpu_latency_limit_us
        if seen is None or seen > limit:
            holds = "none" if seen is None else f"{seen} us"
            yield Finding(
                f"instance {item.slot.instance} was to limit the wake-up of idle CPUs to "
                f"{limit} us and the kernel's limit was {holds}",
                "see what else uses /dev/cpu_dma_latency, or leave --cpu-latency-limit out",
            )
