"""Sampled instructions, on bytes as GNU's assembler writes them."""

import ctypes
import platform
import signal

import pytest

from resnet50_bench.engines import instructions
from resnet50_bench.engines.instructions import classify, count_kinds, sample_kinds

F32_AVX512 = ("f32", "avx512_core")
VNNI = ("int8", "avx512_core_vnni")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("62 f2 75 48 b8 c2", F32_AVX512),  # vfmadd231ps zmm
        ("62 62 75 50 a8 70 10", F32_AVX512),  # vfmadd213ps zmm, broadcast from memory
        ("c4 e2 75 b8 c2", ("f32", "avx2")),  # vfmadd231ps ymm
        ("c4 e2 75 9c c2", ("f32", "avx2")),  # vfnmadd132ps ymm
        ("62 f2 75 48 50 c2", VNNI),  # vpdpbusd zmm
        ("62 e2 75 58 51 27", VNNI),  # vpdpbusds zmm, broadcast from memory
        ("c4 e2 75 50 c2", ("int8", "avx2_vnni")),  # {vex} vpdpbusd ymm
        ("62 f2 75 48 04 c2", ("int8", "avx512_core")),  # vpmaddubsw zmm
        ("c4 e2 75 04 c2", ("int8", "avx2")),  # vpmaddubsw ymm
        ("62 f2 76 48 52 c2", ("bf16", "avx512_core_bf16")),  # vdpbf16ps zmm
        ("c4 e2 69 5e c1", ("int8", "avx512_core_amx")),  # tdpbusd
        ("c4 e2 6b 5e c1", ("int8", "avx512_core_amx")),  # tdpbssd
        ("c4 e2 6a 5c c1", ("bf16", "avx512_core_amx")),  # tdpbf16ps
    ],
)
def test_a_multiplication_tells_its_data_type_and_instruction_set(code, kind):
    assert classify(bytes.fromhex(code)) == kind


@pytest.mark.parametrize(
    "code",
    [
        "62 f2 f5 48 b8 c2",  # vfmadd231pd zmm: float64
        "c4 e2 71 b9 c2",  # vfmadd231ss: one value
        "62 f1 7c 48 10 08",  # vmovups
        "c5 ec 58 d9 90",  # vaddps
        "62 f2 7d 48 18 18",  # vbroadcastss
        "48 89 c3 90 90",  # mov
        "62 f2 75",  # cut
        "",
    ],
)
def test_other_instructions_tell_nothing(code):
    assert classify(bytes.fromhex(code)) is None


def test_multiplications_are_counted_among_the_samples():
    codes = map(bytes.fromhex, ["62f27548b8c2", "4889c39090", "62f27548b8c2", "62f2754850c2"])
    assert count_kinds(codes) == {F32_AVX512: 2, VNNI: 1}


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
    monkeypatch.setattr(instructions, "ENOUGH", 3)
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
