import ctypes
import mmap

import pytest

from resnet50_bench.engines.machine_code import count_instructions, find_made, read_own_code

# Of registers 0, 1 and 2, as an assembler gives them.
CODES = {
    "vpdpbusd zmm": "62f2754850c2",
    "vdpbf16ps zmm": "62f2764852c2",
    "vpdpbusd ymm": "c4e27550c2",
    "vcvtneebf162ps ymm": "c4e27eb000",
    "tdpb*d tmm": "c4e2695ec1",
    "tdpbf16ps tmm": "c4e26a5cc1",
}
OTHERS = {
    "vfmadd231ps zmm0, zmm1, zmm2": "62f27548b8c2",
    "vpdpbusd ymm0, ymm1, ymm2 of EVEX": "62f2752850c2",
    "vpmaddubsw zmm0, zmm1, zmm2": "62f1754804c2",
    "vpdpwssd zmm0, zmm1, zmm2": "62f2754852c2",
    "ret": "c3",
}


@pytest.mark.parametrize("name", CODES)
def test_an_instruction_is_counted_wherever_it_stands(name):
    code = bytes.fromhex(CODES[name])
    assert count_instructions([b"\x90" * 3 + code * 2, code]) == {name: 3}


def test_of_registers_above_the_15th_it_is_the_same_one():
    # vpdpbusd zmm31, zmm30, [rax+64]{1to16} and zmm16, zmm17, zmm18
    assert count_instructions([bytes.fromhex("62620d5050781062a2754050c2")]) == {"vpdpbusd zmm": 2}


@pytest.mark.parametrize("name", OTHERS)
def test_others_are_not(name):
    assert count_instructions([bytes.fromhex(OTHERS[name])]) == {}


def test_only_executable_memory_without_a_file_is_looked_at():
    maps = [
        "00400000-00401000 r-xp 00000000 08:01 123 /usr/bin/python3",
        "10000000-10001000 rwxp 00000000 00:00 0 ",
        "20000000-20002000 r-xs 00000000 00:01 9 /memfd:xbyak (deleted)",
        "30000000-30001000 rw-p 00000000 00:00 0 ",
        "7fff0000-7fff2000 r-xp 00000000 00:00 0 [vdso]",
        "nonsense",
    ]
    assert list(find_made(maps)) == [(0x10000000, 0x10001000), (0x20000000, 0x20002000)]


def test_code_that_this_process_has_made_is_found():
    before = count_instructions(read_own_code()).get("tdpb*d tmm", 0)
    with mmap.mmap(-1, mmap.PAGESIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS,
                   mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC) as made:  # fmt: skip
        made.write(bytes.fromhex(CODES["tdpb*d tmm"]) * 40)
        assert ctypes.c_char.from_buffer(made)  # it is really there
        assert count_instructions(read_own_code())["tdpb*d tmm"] == before + 40
