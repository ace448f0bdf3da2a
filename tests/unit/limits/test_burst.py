"""A real, short measurement: positive, and no faster than any core can be."""

from __future__ import annotations

import os

import pytest

from resnet50_bench.host.machine import read_host
from resnet50_bench.limits.assembler import load
from resnet50_bench.limits.burst import Crew
from resnet50_bench.limits.kernels import PEAK_KERNELS, find_memory_kernel

FASTEST_HZ = 6.5e9
PORTS = 2
FLAGS = read_host().cpu_flags
CPUS = tuple(sorted(os.sched_getaffinity(0)))[:2]
HERE = [kernel for kernel in PEAK_KERNELS if set(kernel.required_flags) <= set(FLAGS)]
VECTORS = [kernel for kernel in HERE if not kernel.uses_tiles]

SECONDS = 0.004


@pytest.fixture(scope="module")
def crew():
    made = Crew(CPUS, 3 * (4096 + 1024))
    yield made
    made.close()


@pytest.mark.parametrize("kernel", VECTORS, ids=lambda kernel: kernel.kind.value)
def test_no_core_does_more_than_two_instructions_of_a_chain_in_a_cycle(crew, kernel) -> None:
    steps = kernel.operations / (24 if "zmm" in kernel.assembly else 12)
    rate = crew.measure(load(kernel.assembly), 0, SECONDS) * kernel.operations
    assert 0 < rate < PORTS * steps * FASTEST_HZ * len(CPUS)


@pytest.mark.parametrize("access", ["read", "triad"])
def test_no_core_moves_more_than_its_ports_can(crew, access) -> None:
    kernel = find_memory_kernel(access, FLAGS)
    if kernel is None:
        pytest.skip("this CPU has neither AVX-512 nor AVX2 with FMA")
    size = 3 * (4096 + 1024)
    rate = crew.measure(load(kernel.assembly), size // kernel.parts, SECONDS) * size
    assert 0 < rate < 3 * 64 * FASTEST_HZ * len(CPUS)


def test_a_cpu_that_may_not_be_used_is_an_error_of_the_system() -> None:
    with pytest.raises(OSError, match="Invalid argument"):
        Crew((*CPUS, 1 << 14), 4096)
