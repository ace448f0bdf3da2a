"""Every CPU of the table: what it may run, what it is told, and what proves it there."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from tests.hosts.cpus import CPUS, EMULATED, PRECISIONS, REFUSED, Cpu, find_cpu, render_cpus
from tests.hosts.synthetic import Machine, write_files, write_host

from resnet50_bench.cases.catalog import design_cases, plan_case
from resnet50_bench.cases.platforms import detect_platform
from resnet50_bench.config import Platform, Precision, RunConfig
from resnet50_bench.engines.base import KernelShare
from resnet50_bench.engines.offer import Offer
from resnet50_bench.errors import PrecisionError
from resnet50_bench.host.amx_probe import AmxProbe
from resnet50_bench.host.machine import read_host
from resnet50_bench.host.sgx import Need, SgxState
from resnet50_bench.planning import hosts as hosts_module
from resnet50_bench.planning import plan as plan_module
from resnet50_bench.planning.plan import plan_run
from resnet50_bench.precision.meaning import plan_meaning
from resnet50_bench.precision.proof import plan_verdict
from resnet50_bench.precision.runnable import (
    default_precisions_on,
    plan_runnable,
    require_loadable,
    require_runnable,
)
from resnet50_bench.report.terminal.doctor import print_doctor

DOCS = Path(__file__).parents[3] / "docs" / "precisions.md"
EVERY_FLAG = frozenset().union(*(cpu.flags for cpu in CPUS)) | {"avx512_vnni", "avx_ne_convert"}
CAP_CHAIN = {
    "AVX2": "avx avx2",
    "AVX2_VNNI_2": "avx avx2 avx2_vnni avx2_vnni_2",
    "AVX512_CORE": "avx avx2 avx512_core",
    "AVX512_CORE_VNNI": "avx avx2 avx512_core avx512_core_vnni",
    "AVX512_CORE_BF16": "avx avx2 avx512_core avx512_core_vnni avx512_core_bf16",
    "AVX512_CORE_AMX": "avx avx2 avx512_core avx512_core_vnni avx512_core_bf16 avx512_core_fp16 "
    "avx512_core_amx",
}
"""What each cap leaves in, the highest last: oneDNN, CPU Dispatcher Control."""

each_cpu = pytest.mark.parametrize("cpu", CPUS, ids=lambda cpu: cpu.name)
each_precision = pytest.mark.parametrize("precision", PRECISIONS)

NO_SGX = SgxState((Need("device", found=False, detail="there is none", fix="get one"),))


def read(tmp_path: Path, cpu: Cpu):
    """The CPU as the host reader finds it."""
    root = write_host(tmp_path, Machine(nodes=(8,)))
    flags = " ".join(sorted(cpu.flags))
    text = f"processor\t: 0\nmodel name\t: {cpu.model}\nflags\t\t: {flags}\n\n"
    write_files(root, {"proc/cpuinfo": text})
    return read_host(root)


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text))


@each_cpu
@each_precision
def test_a_cpu_runs_a_precision_natively_or_emulated_or_not(cpu, precision):
    answer = plan_runnable(Precision(precision), cpu.flags, None)
    expected = cpu.runs_as(precision)
    assert answer.runnable == (expected not in {EMULATED, REFUSED})
    assert answer.emulated_possible == (expected == EMULATED)
    if answer.runnable:
        assert plan_meaning(Precision(precision), cpu.flags).isa == expected
        assert answer.reason.startswith(f"runs on {expected}")


@each_cpu
@each_precision
def test_a_cpu_is_told_the_one_feature_that_decides_and_what_it_would_take(cpu, precision):
    answer = plan_runnable(Precision(precision), cpu.flags, None)
    flag = cpu.decides(precision)
    if flag is None:
        assert answer.runnable
        return
    assert EVERY_FLAG & words(answer.reason) == {flag}
    assert f"the CPU lacks {flag}" in answer.reason
    if flag in {"avx", "avx2"}:
        assert answer.fix is not None
        assert answer.fix.startswith("use a CPU with AVX2 (Intel since Haswell, AMD since")
        return
    named = [other for other in CPUS if re.search(rf"\b{other.name}\b", answer.reason)]
    assert named
    for other in named:
        assert other.runs_as(precision) not in {EMULATED, REFUSED}, other.name


@pytest.mark.parametrize("precision", PRECISIONS[1:])
def test_of_each_line_of_cpus_the_first_that_runs_it_is_named(precision):
    """Each CPU that runs it is named, or has all that one which is named has for it."""
    told = plan_runnable(Precision(precision), find_cpu("Zen 1").flags, None).reason
    named = [cpu for cpu in CPUS if re.search(rf"\b{cpu.name}\b", told)]
    needed = [set(plan_meaning(Precision(precision), cpu.flags).required_flags) for cpu in named]
    for cpu in CPUS:
        if cpu.runs_as(precision) not in {EMULATED, REFUSED}:
            assert any(flags <= cpu.flags for flags in needed), cpu.name


@each_cpu
def test_a_refusal_says_what_does_run(cpu):
    for precision in Precision:
        expected = cpu.runs_as(precision.value)
        if expected not in {EMULATED, REFUSED}:
            continue
        with pytest.raises(PrecisionError) as caught:
            require_runnable(precision, cpu.flags, None, emulated=False)
        native = [item.value for item in default_precisions_on(cpu.flags)]
        told = caught.value.message.rpartition("it can run ")[2]
        assert told == (", ".join(native) or "none of the precisions")
        assert ("--emulated" in (caught.value.advice or "")) == (expected == EMULATED)


def test_a_cpu_without_avx_is_told_that_tensorflow_needs_it():
    with pytest.raises(PrecisionError) as caught:
        require_runnable(Precision.AVX_FP32, find_cpu("Nehalem").flags, None, emulated=True)
    assert caught.value.message == (
        "this host cannot run --precision avx_fp32: the CPU lacks avx, without which TensorFlow "
        "does not start; it can run none of the precisions"
    )
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(("package", "lacking"), [("numpy", {"sse4_2"}), ("TensorFlow", {"avx"})])
def test_a_package_is_not_loaded_where_its_machine_code_does_not_run(package, lacking):
    flags = set(find_cpu("Haswell").flags)
    require_loadable(package, flags)
    with pytest.raises(PrecisionError) as caught:
        require_loadable(package, flags - lacking)
    assert caught.value.message == (
        f"the CPU lacks {min(lacking)}, without which {package} does not start"
    )
    assert "QEMU: -cpu host" in caught.value.advice
    require_loadable(package, {"asimd"})


def test_a_feature_that_a_hypervisor_hides_is_told_as_such():
    flags = find_cpu("Sapphire Rapids").flags - {"avx512_fp16"}
    answer = plan_runnable(Precision.AMX_INT8, flags, None)
    assert answer.missing == ("avx512_fp16",)
    assert answer.reason == (
        "the CPU lacks avx512_fp16, which every CPU with amx_tile has: the hypervisor would have "
        "to show it"
    )


@each_cpu
def test_the_platform_and_its_cases_follow_from_the_cpu(tmp_path, cpu):
    host = read(tmp_path, cpu)
    platform = detect_platform(host)
    assert platform == (None if cpu.platform is None else Platform(cpu.platform))
    for case in design_cases(platform, all_precisions=True) if platform else ():
        answer = plan_case(case, host, None, NO_SGX)
        native = cpu.runs_as(case.precision.value) not in {EMULATED, REFUSED}
        assert answer.runnable == (native and not case.sgx), case.name


def run_kernel(cpu: Cpu, precision: Precision) -> str:
    """The ISA of the best kernel on the CPU under the cap that the precision sets."""
    cap = plan_meaning(precision, cpu.flags).environment["ONEDNN_MAX_CPU_ISA"]
    within = set(CAP_CHAIN[cap].split())
    return [name for name in cpu.kernels if name in within][-1]


@each_cpu
@each_precision
def test_the_kernels_of_a_cpu_prove_what_it_runs_natively_and_nothing_else(cpu, precision):
    if not cpu.kernels:
        return
    meaning = plan_meaning(Precision(precision), cpu.flags)
    isa = run_kernel(cpu, Precision(precision))
    native = cpu.runs_as(precision) not in {EMULATED, REFUSED}
    for dtype in meaning.kernel_dtypes:
        kernel = KernelShare("convolution", dtype, isa, 1.0, 53)
        state = plan_verdict(meaning, (kernel,)).state
        assert state == ("PROVEN" if native else "MISLABELED"), (dtype, isa)


@each_cpu
@each_precision
def test_a_run_is_planned_as_its_cpu_allows(tmp_path, monkeypatch, cpu, precision):
    host = read(tmp_path, cpu)
    usable = AmxProbe(permitted=True, tile_operation=True, reason="it works")
    monkeypatch.setattr(plan_module, "read_host", lambda: host)
    monkeypatch.setattr(hosts_module, "probe_amx", lambda: usable)
    config = RunConfig(precision=Precision(precision))
    expected = cpu.runs_as(precision)
    environ = {"R50_CACHE_DIR": str(tmp_path)}
    if expected in {EMULATED, REFUSED}:
        with pytest.raises(PrecisionError, match=f"the CPU lacks {cpu.decides(precision)}"):
            plan_run(config, environ)
        assert plan_run(replace(config, engine="null"), environ).placement.slots
    if expected == REFUSED:
        return
    plan = plan_run(replace(config, emulated=expected == EMULATED), environ)
    assert plan.emulated == (expected == EMULATED)
    caps = plan_meaning(config.precision, cpu.flags).environment
    assert plan.environment.items() >= caps.items()


DOCTOR = {
    "Nehalem": """\
avx_fp32      no   the CPU lacks avx, without which TensorFlow does not start
              -> use a CPU with AVX2 (Intel since Haswell, AMD since Excavator); in a virtual machine, one whose CPU model passes it on (QEMU: -cpu host)
avx_int8      no   the CPU lacks avx, without which TensorFlow does not start
              -> use a CPU with AVX2 (Intel since Haswell, AMD since Excavator); in a virtual machine, one whose CPU model passes it on (QEMU: -cpu host)
avx_bfloat16  no   the CPU lacks avx, without which TensorFlow does not start
              -> use a CPU with AVX2 (Intel since Haswell, AMD since Excavator); in a virtual machine, one whose CPU model passes it on (QEMU: -cpu host)
amx_int8      no   the CPU lacks avx, without which TensorFlow does not start
              -> use a CPU with AVX2 (Intel since Haswell, AMD since Excavator); in a virtual machine, one whose CPU model passes it on (QEMU: -cpu host)
amx_bfloat16  no   the CPU lacks avx, without which TensorFlow does not start
              -> use a CPU with AVX2 (Intel since Haswell, AMD since Excavator); in a virtual machine, one whose CPU model passes it on (QEMU: -cpu host)
amx_bfloat32  no   the CPU lacks avx, without which TensorFlow does not start
              -> use a CPU with AVX2 (Intel since Haswell, AMD since Excavator); in a virtual machine, one whose CPU model passes it on (QEMU: -cpu host)
""",
    "Haswell": """\
avx_fp32      yes  runs on AVX2
avx_int8      no   the CPU lacks avx_vnni (it takes a CPU such as Cascade Lake, Alder Lake or Zen 4)
              -> use --precision avx_fp32, or add --emulated for a run by slower instructions, marked EMULATED
avx_bfloat16  no   the CPU lacks avx_ne_convert (it takes a CPU such as Cooper Lake, Sapphire Rapids, Sierra Forest or Zen 4)
              -> use --precision avx_fp32
amx_int8      no   the CPU lacks amx_tile (it takes a CPU such as Sapphire Rapids or Granite Rapids)
              -> use --precision avx_fp32, or add --emulated for a run by slower instructions, marked EMULATED
amx_bfloat16  no   the CPU lacks amx_tile (it takes a CPU such as Sapphire Rapids or Granite Rapids)
              -> use --precision avx_fp32
amx_bfloat32  no   the CPU lacks amx_tile (it takes a CPU such as Sapphire Rapids or Granite Rapids)
              -> use --precision avx_fp32
""",
    "Granite Rapids": """\
avx_fp32      yes  runs on AVX-512
avx_int8      yes  runs on AVX-512 VNNI
avx_bfloat16  yes  runs on AVX-512 BF16
amx_int8      yes  runs on AMX INT8; no tile operation was tried
amx_bfloat16  yes  runs on AMX BF16; no tile operation was tried
amx_bfloat32  yes  runs on AMX BF16; no tile operation was tried
""",
}  # fmt: skip


OFFERS = (
    Offer(engine="tensorflow", installed=("tensorflow-cpu 2.21.0",), precisions=()),
    Offer(engine="onnxruntime", installed=(), precisions=(), problem="none", advice="install it"),
)


@pytest.mark.parametrize("name", DOCTOR)
def test_the_doctor_tells_a_cpu(tmp_path, name):
    host = read(tmp_path, find_cpu(name))
    answers = [plan_runnable(precision, host.cpu_flags, None) for precision in Precision]
    console = Console(file=io.StringIO(), width=200)
    print_doctor(console, replace(host, hostname="here"), answers, OFFERS, NO_SGX)
    _, told, engines, enclaves = console.file.getvalue().split("\n\n")
    assert f"{told}\n" == DOCTOR[name]
    assert engines.splitlines()[1:] == [
        "tensorflow   yes  tensorflow-cpu 2.21.0",
        "onnxruntime  no   none",
        "             -> install it",
    ]
    assert enclaves.splitlines()[1:] == ["device  no   there is none", "        -> get one"]


def test_the_documentation_has_this_table():
    assert render_cpus() in DOCS.read_text()
