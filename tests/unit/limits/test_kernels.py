"""The machine code that is made is that of the instruction that was meant, on whatever CPU."""

from __future__ import annotations

import re

import pytest

from resnet50_bench.limits.assembler import assemble
from resnet50_bench.limits.kernels import (
    MEMORY_KERNELS,
    PEAK_KERNELS,
    Kind,
    find_memory_kernel,
    find_peak_kernel,
)

# Intel SDM volume 2: prefix (VEX C4, EVEX 62), map and pp, opcode; then the registers. Checked by
# eye against objdump's reading.
ENCODED = {
    Kind.AVX2_FP32: (12, rb"\xc4[\xc2\x42]\x05\xb8"),  # VEX.256.66.0F38.W0 B8: vfmadd231ps
    Kind.AVX2_INT8: (12, rb"\xc4\x42\x05\x04\xe6\xc4\x41\x1d\xf5\xe5[\xc4\xc5].{1,2}\xfe"),
    Kind.AVX_VNNI_INT8: (12, rb"\xc4[\xc2\x42]\x05\x50"),  # VEX.256.66.0F38.W0 50: vpdpbusd
    Kind.AVX512_FP32: (24, rb"\x62..\x40\xb8"),  # EVEX.512.66.0F38.W0 B8
    Kind.AVX512_INT8: (24, rb"\x62..\x40\x04.\x62..\x40\xf5.\x62..[\x40\x48]\xfe"),
    Kind.AVX512_VNNI_INT8: (24, rb"\x62.\x05\x40\x50"),  # EVEX.512.66.0F38.W0 50
    Kind.AVX512_BF16: (24, rb"\x62.\x06\x40\x52"),  # EVEX.512.F3.0F38.W0 52: vdpbf16ps
    Kind.AMX_BF16: (4, rb"\xc4\xe2[\x42\x4a]\x5c"),  # VEX.128.F3.0F38.W0 5C: tdpbf16ps
    Kind.AMX_INT8: (4, rb"\xc4\xe2[\x41\x49]\x5e"),  # VEX.128.66.0F38.W0 5E: tdpbusd
}

NAMES = {
    Kind.AVX2_FP32: ("vfmadd231ps",),
    Kind.AVX2_INT8: ("vpmaddubsw", "vpmaddwd", "vpaddd"),
    Kind.AVX_VNNI_INT8: ("vpdpbusd",),
    Kind.AVX512_FP32: ("vfmadd231ps",),
    Kind.AVX512_INT8: ("vpmaddubsw", "vpmaddwd", "vpaddd"),
    Kind.AVX512_VNNI_INT8: ("vpdpbusd",),
    Kind.AVX512_BF16: ("vdpbf16ps",),
    Kind.AMX_BF16: ("tdpbf16ps",),
    Kind.AMX_INT8: ("tdpbusd",),
}

OPERATIONS = {
    Kind.AVX2_FP32: 12 * 8 * 2,
    Kind.AVX2_INT8: 12 * 32 * 2,
    Kind.AVX_VNNI_INT8: 12 * 32 * 2,
    Kind.AVX512_FP32: 24 * 16 * 2,
    Kind.AVX512_INT8: 24 * 64 * 2,
    Kind.AVX512_VNNI_INT8: 24 * 64 * 2,
    Kind.AVX512_BF16: 24 * 32 * 2,
    Kind.AMX_BF16: 4 * 16 * 16 * 32 * 2,
    Kind.AMX_INT8: 4 * 16 * 16 * 64 * 2,
}


def test_there_is_a_loop_of_every_kind() -> None:
    assert [kernel.kind for kernel in PEAK_KERNELS] == list(Kind)


@pytest.mark.parametrize("kind", Kind, ids=lambda kind: kind.value)
def test_the_machine_code_is_that_of_the_instruction_that_was_meant(kind: Kind) -> None:
    kernel = find_peak_kernel(kind)
    chains, pattern = ENCODED[kind]
    assert len(re.findall(pattern, assemble(kernel.assembly), re.DOTALL)) == chains
    assert kernel.instructions == NAMES[kind]


@pytest.mark.parametrize("kind", Kind, ids=lambda kind: kind.value)
def test_no_other_kind_has_such_code(kind: Kind) -> None:
    others = {item for item in Kind if find_peak_kernel(item).instructions != NAMES[kind]}
    _, pattern = ENCODED[kind]
    for other in others:
        assert not re.findall(pattern, assemble(find_peak_kernel(other).assembly), re.DOTALL), other


@pytest.mark.parametrize("kind", Kind, ids=lambda kind: kind.value)
def test_operations_are_two_for_each_product(kind: Kind) -> None:
    assert find_peak_kernel(kind).operations == OPERATIONS[kind]


@pytest.mark.parametrize("kind", [Kind.AMX_BF16, Kind.AMX_INT8], ids=lambda kind: kind.value)
def test_tiles_are_configured_as_large_as_they_can_be_and_released(kind: Kind) -> None:
    code = assemble(find_peak_kernel(kind).assembly)
    config = bytes([1, *[0] * 15]) + b"\x40\0" * 8 + bytes(16) + b"\x10" * 8 + bytes(8)
    assert len(config) == 64
    assert config in code
    begin, end = code.index(b"\xc4\xe2\x78\x49\x05"), code.index(b"\xc4\xe2\x78\x49\xc0")
    first = re.search(ENCODED[kind][1], code, re.DOTALL)
    assert first is not None
    assert begin < first.start() < end, "ldtilecfg, products, tilerelease"
    assert find_peak_kernel(kind).uses_tiles


def test_only_tiles_need_a_permission() -> None:
    assert {kernel.kind for kernel in PEAK_KERNELS if kernel.uses_tiles} == {
        Kind.AMX_BF16,
        Kind.AMX_INT8,
    }


@pytest.mark.parametrize(
    ("flags", "width"),
    [
        ({"avx2", "fma", "avx512f", "avx512bw", "avx512vl", "avx512dq"}, "zmm"),
        ({"avx2", "fma"}, "ymm"),
    ],
)
@pytest.mark.parametrize("access", ["read", "triad"])
def test_memory_is_read_in_the_widest_registers(access: str, flags: set[str], width: str) -> None:
    kernel = find_memory_kernel(access, flags)
    assert kernel is not None
    assert f"vmovups {width}0, [rsi + 0]" in kernel.assembly
    assert ("vfmadd231ps" in kernel.assembly) == (access == "triad")
    assert kernel.parts == (3 if access == "triad" else 1)
    assert assemble(kernel.assembly)


def test_without_vectors_memory_is_not_measured() -> None:
    assert find_memory_kernel("read", {"sse2"}) is None
    assert {kernel.access for kernel in MEMORY_KERNELS} == {"read", "triad"}
