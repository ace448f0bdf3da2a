import signal
import subprocess
import sys

import pytest

from resnet50_bench.engines.onednn.memory import PAGE_BYTES, Memory

_TOUCH = """
import ctypes
from resnet50_bench.engines.onednn.memory import Memory
memory = Memory({size})
ctypes.memset(memory.address, 1, memory.size)
print("inside", flush=True)
ctypes.memset({where}, 1, 1)
print("outside")
"""


@pytest.mark.parametrize(
    ("size", "where"),
    [(PAGE_BYTES, "memory.address - 1"), (100, "memory.address + memory.size")],
)
def test_what_touches_memory_beyond_its_own_ends_there(size, where):
    done = subprocess.run(
        [sys.executable, "-c", _TOUCH.format(size=size, where=where)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.stdout, done.returncode) == ("inside\n", -signal.SIGSEGV)


def test_memory_is_aligned_zero_and_holds_what_is_written():
    memory = Memory(100)
    assert memory.size == 128
    assert memory.address % 64 == 0
    assert (memory.address + memory.size) % PAGE_BYTES == 0
    assert memory.read() == bytes(128)
    memory.write(b"abc")
    assert memory.read()[:4] == b"abc\0"
    with pytest.raises(ValueError, match="129 bytes for a memory of 128"):
        memory.write(bytes(129))
    memory.close()
