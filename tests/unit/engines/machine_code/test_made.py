import ctypes
import mmap

from resnet50_bench.engines.machine_code.instructions import count_instructions
from resnet50_bench.engines.machine_code.made import find_made, read_own_code

TDPBUSD = bytes.fromhex("c4e2695ec1")


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
        made.write(TDPBUSD * 40)
        assert ctypes.c_char.from_buffer(made)  # it is really there
        assert count_instructions(read_own_code())["tdpb*d tmm"] == before + 40
