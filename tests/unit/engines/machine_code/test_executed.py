"""What a process executes, on its own samples."""

import ctypes
import platform
import signal

import pytest

from resnet50_bench.engines.machine_code import executed
from resnet50_bench.engines.machine_code.executed import count_kinds, sample_kinds


def test_multiplications_are_counted_among_the_samples():
    fma, vnni, convert = "62f27548b8c2", "62f2754850c2", "c4e27eb000"
    codes = map(bytes.fromhex, [fma, "4889c39090", fma, vnni, convert, ""])
    assert count_kinds(codes) == {("f32", "avx512_core"): 2, ("int8", "avx512_core_vnni"): 1}


LOOP = """
target triple = "x86_64-unknown-linux-gnu"
module asm ".globl spin"
module asm "spin: vfmadd231ps %ymm2,%ymm1,%ymm0"
module asm "vfmadd231ps %ymm2,%ymm1,%ymm3"
module asm "dec %rdi"
module asm "jnz spin"
module asm "vzeroupper"
module asm "ret"
declare void @spin(i64)
"""


def test_what_a_process_executes_is_seen(monkeypatch):
    llvm = pytest.importorskip("llvmlite.binding")
    if platform.machine() != "x86_64" or not llvm.get_host_cpu_features().get("fma"):
        pytest.skip("the CPU has no fused multiply-add of x86-64")
    monkeypatch.setattr(executed, "ENOUGH", 3)
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    llvm.initialize_native_asmparser()
    machine = llvm.Target.from_default_triple().create_target_machine(jit=True)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(LOOP), machine)
    engine.finalize_object()
    spin = ctypes.CFUNCTYPE(None, ctypes.c_int64)(engine.get_function_address("spin"))
    before = signal.getsignal(signal.SIGPROF)
    assert set(sample_kinds(lambda: spin(1_000_000))) == {("f32", "avx2")}
    assert signal.getsignal(signal.SIGPROF) == before
    assert signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)
