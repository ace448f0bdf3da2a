"""The table, on bytes as GNU's assembler writes them."""

import itertools

import pytest

from resnet50_bench.engines.machine_code.instructions import (
    INSTRUCTIONS,
    count_instructions,
    find_instruction,
)

KNOWN = [
    ("62 f2 75 48 b8 c2", "vfmadd231ps zmm"),
    ("62 62 75 50 a8 70 10", "vfmadd231ps zmm"),  # vfmadd213ps zmm, broadcast from memory
    ("c4 e2 75 b8 c2", "vfmadd231ps ymm"),
    ("c4 e2 75 9c c2", "vfmadd231ps ymm"),  # vfnmadd132ps ymm
    ("62 f2 75 48 50 c2", "vpdpbusd zmm"),
    ("62 62 0d 50 50 78 10", "vpdpbusd zmm"),  # zmm31, zmm30, [rax+64]{1to16}
    ("62 a2 75 40 50 c2", "vpdpbusd zmm"),  # zmm16, zmm17, zmm18
    ("62 e2 75 58 51 27", "vpdpbusd zmm"),  # vpdpbusds zmm, broadcast from memory
    ("c4 e2 75 50 c2", "vpdpbusd ymm"),  # {vex}
    ("c4 e2 77 50 c2", "vpdpbssd ymm"),
    ("c4 e2 74 51 c2", "vpdpbssd ymm"),  # vpdpbuuds ymm
    ("62 f2 75 48 04 c2", "vpmaddubsw zmm"),
    ("c4 e2 75 04 c2", "vpmaddubsw ymm"),
    ("62 f2 76 48 52 c2", "vdpbf16ps zmm"),
    ("c4 e2 7e b0 00", "vcvtneebf162ps ymm"),
    ("c4 e2 69 5e c1", "tdpb*d tmm"),  # tdpbusd
    ("c4 e2 6b 5e c1", "tdpb*d tmm"),  # tdpbssd
    ("c4 e2 6a 5c c1", "tdpbf16ps tmm"),
]
OTHERS = [
    "62 f2 f5 48 b8 c2",  # vfmadd231pd zmm: float64
    "c4 e2 f5 b8 c2",  # vfmadd231pd ymm
    "c4 e2 71 b9 c2",  # vfmadd231ss: one value
    "62 f2 75 28 50 c2",  # vpdpbusd ymm of EVEX
    "62 f2 75 48 52 c2",  # vpdpwssd zmm: 16 bits
    "62 f1 75 48 f5 c2",  # vpmaddwd zmm
    "62 f1 7c 48 10 08",  # vmovups
    "c5 ec 58 d9 90",  # vaddps
    "62 f2 7d 48 18 18",  # vbroadcastss
    "48 89 c3 90 90",  # mov
    "62 f2 75",  # cut
    "c3",
    "",
]


@pytest.mark.parametrize(("code", "name"), KNOWN)
def test_an_instruction_is_told_where_it_begins_and_found_wherever_it_stands(code, name):
    code = bytes.fromhex(code)
    assert find_instruction(code + b"\x90") == INSTRUCTIONS[name]
    assert find_instruction(b"\x90" + code) is None
    assert count_instructions([b"\x90" * 3 + code * 2, code]) == {name: 3}


@pytest.mark.parametrize("code", OTHERS)
def test_others_tell_nothing(code):
    assert find_instruction(bytes.fromhex(code)) is None
    assert count_instructions([bytes.fromhex(code)]) == {}


def test_every_row_is_tried_here_and_no_bytes_are_of_two_of_them():
    assert {name for _, name in KNOWN} == set(INSTRUCTIONS)
    for (_, one), (_, other) in itertools.combinations(INSTRUCTIONS.items(), 2):
        for code, _ in KNOWN:
            start = bytes.fromhex(code)
            assert not (one.pattern.match(start) and other.pattern.match(start))


@pytest.mark.parametrize(
    ("name", "dtype", "isa"),
    [
        ("vfmadd231ps ymm", "f32", "avx2"),
        ("vpmaddubsw zmm", "int8", "avx512_core"),
        ("vpdpbusd zmm", "int8", "avx512_core_vnni"),
        ("vdpbf16ps zmm", "bf16", "avx512_core_bf16"),
        ("tdpb*d tmm", "int8", "avx512_core_amx"),
    ],
)
def test_data_types_and_instruction_sets_are_in_onednns_words(name, dtype, isa):
    assert (INSTRUCTIONS[name].dtype, INSTRUCTIONS[name].isa) == (dtype, isa)
