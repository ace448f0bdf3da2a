"""The table of CPUs: what /proc/cpuinfo shows of each, what it may run, and what it is told.

The flags are written from captures of such machines, as their kernels print them, without those of
virtualization, of power management and of security faults, which nothing here looks at. Each is
told as the one before it and what the new one added.

`docs/precisions.md` holds this table too, made by `render_cpus`.
"""

from __future__ import annotations

from dataclasses import dataclass

NEHALEM = frozenset(
    [
        "fpu",
        "vme",
        "de",
        "pse",
        "tsc",
        "msr",
        "pae",
        "mce",
        "cx8",
        "apic",
        "sep",
        "mtrr",
        "pge",
        "mca",
        "cmov",
        "pat",
        "pse36",
        "clflush",
        "dts",
        "acpi",
        "mmx",
        "fxsr",
        "sse",
        "sse2",
        "ss",
        "ht",
        "tm",
        "pbe",
        "syscall",
        "nx",
        "rdtscp",
        "lm",
        "constant_tsc",
        "arch_perfmon",
        "pebs",
        "bts",
        "rep_good",
        "nopl",
        "xtopology",
        "nonstop_tsc",
        "cpuid",
        "aperfmperf",
        "pni",
        "dtes64",
        "monitor",
        "ds_cpl",
        "vmx",
        "est",
        "tm2",
        "ssse3",
        "cx16",
        "xtpr",
        "pdcm",
        "dca",
        "sse4_1",
        "sse4_2",
        "popcnt",
        "lahf_lm",
    ]
)
SANDY_BRIDGE = NEHALEM | frozenset(
    [
        "pclmulqdq",
        "pcid",
        "x2apic",
        "tsc_deadline_timer",
        "aes",
        "xsave",
        "avx",
        "xsaveopt",
        "pln",
        "pts",
    ]
)
HASWELL = SANDY_BRIDGE | frozenset(
    [
        "sdbg",
        "fma",
        "movbe",
        "f16c",
        "rdrand",
        "abm",
        "fsgsbase",
        "tsc_adjust",
        "bmi1",
        "avx2",
        "smep",
        "bmi2",
        "erms",
        "invpcid",
    ]
)
SKYLAKE_SP = HASWELL | frozenset(
    [
        "3dnowprefetch",
        "cdp_l3",
        "hle",
        "rtm",
        "mpx",
        "cqm",
        "rdt_a",
        "avx512f",
        "avx512dq",
        "rdseed",
        "adx",
        "smap",
        "clflushopt",
        "clwb",
        "intel_pt",
        "avx512cd",
        "avx512bw",
        "avx512vl",
        "xsavec",
        "xgetbv1",
        "xsaves",
        "pku",
        "ospke",
    ]
)
CASCADE_LAKE = SKYLAKE_SP | {"avx512_vnni"}
COOPER_LAKE = CASCADE_LAKE | {"avx512_bf16"}
ICE_LAKE = (CASCADE_LAKE - {"mpx", "hle", "rtm"}) | frozenset(
    [
        "avx512ifma",
        "sha_ni",
        "avx512vbmi",
        "umip",
        "avx512_vbmi2",
        "gfni",
        "vaes",
        "vpclmulqdq",
        "avx512_bitalg",
        "tme",
        "avx512_vpopcntdq",
        "la57",
        "rdpid",
        "fsrm",
        "md_clear",
        "pconfig",
    ]
)
SAPPHIRE_RAPIDS = ICE_LAKE | frozenset(
    [
        "cat_l2",
        "cdp_l2",
        "avx_vnni",
        "avx512_bf16",
        "wbnoinvd",
        "waitpkg",
        "bus_lock_detect",
        "cldemote",
        "movdiri",
        "movdir64b",
        "enqcmd",
        "serialize",
        "tsxldtrk",
        "amx_bf16",
        "avx512_fp16",
        "amx_tile",
        "amx_int8",
    ]
)
GRANITE_RAPIDS = SAPPHIRE_RAPIDS | {"amx_fp16"}
ALDER_LAKE = HASWELL | frozenset(
    [
        "3dnowprefetch",
        "rdseed",
        "adx",
        "smap",
        "clflushopt",
        "clwb",
        "intel_pt",
        "sha_ni",
        "xsavec",
        "xgetbv1",
        "xsaves",
        "split_lock_detect",
        "avx_vnni",
        "hfi",
        "umip",
        "pku",
        "ospke",
        "waitpkg",
        "gfni",
        "vaes",
        "vpclmulqdq",
        "rdpid",
        "movdiri",
        "movdir64b",
        "fsrm",
        "md_clear",
        "serialize",
        "pconfig",
        "arch_lbr",
    ]
)
SIERRA_FOREST = ALDER_LAKE | frozenset(
    [
        "cmpccxadd",
        "avx_ifma",
        "avx_ne_convert",
        "avx_vnni_int8",
        "cldemote",
        "enqcmd",
        "bus_lock_detect",
        "lam",
    ]
)
ZEN_1 = frozenset(
    [
        "fpu",
        "vme",
        "de",
        "pse",
        "tsc",
        "msr",
        "pae",
        "mce",
        "cx8",
        "apic",
        "sep",
        "mtrr",
        "pge",
        "mca",
        "cmov",
        "pat",
        "pse36",
        "clflush",
        "mmx",
        "fxsr",
        "sse",
        "sse2",
        "ht",
        "syscall",
        "nx",
        "mmxext",
        "fxsr_opt",
        "pdpe1gb",
        "rdtscp",
        "lm",
        "constant_tsc",
        "rep_good",
        "nopl",
        "nonstop_tsc",
        "cpuid",
        "extd_apicid",
        "aperfmperf",
        "pni",
        "pclmulqdq",
        "monitor",
        "ssse3",
        "fma",
        "cx16",
        "sse4_1",
        "sse4_2",
        "movbe",
        "popcnt",
        "aes",
        "xsave",
        "avx",
        "f16c",
        "rdrand",
        "lahf_lm",
        "cmp_legacy",
        "svm",
        "extapic",
        "cr8_legacy",
        "abm",
        "sse4a",
        "misalignsse",
        "3dnowprefetch",
        "osvw",
        "skinit",
        "wdt",
        "tce",
        "topoext",
        "perfctr_core",
        "bpext",
        "perfctr_llc",
        "mwaitx",
        "fsgsbase",
        "bmi1",
        "avx2",
        "smep",
        "bmi2",
        "rdseed",
        "adx",
        "smap",
        "clflushopt",
        "sha_ni",
        "xsaveopt",
        "xsavec",
        "xgetbv1",
        "clzero",
        "irperf",
        "xsaveerptr",
        "arat",
    ]
)
ZEN_2 = ZEN_1 | frozenset(
    ["cat_l3", "cdp_l3", "cqm", "rdt_a", "clwb", "wbnoinvd", "umip", "rdpid", "xsaves"]
)
ZEN_3 = ZEN_2 | frozenset(["pcid", "invpcid", "pku", "ospke", "vaes", "vpclmulqdq", "erms", "fsrm"])
ZEN_4 = ZEN_3 | frozenset(
    [
        "avx512f",
        "avx512dq",
        "avx512ifma",
        "avx512cd",
        "avx512bw",
        "avx512vl",
        "avx512_bf16",
        "avx512vbmi",
        "avx512_vbmi2",
        "gfni",
        "avx512_vnni",
        "avx512_bitalg",
        "avx512_vpopcntdq",
        "la57",
        "x2avic",
        "flush_l1d",
    ]
)
ZEN_5 = ZEN_4 | frozenset(
    ["avx_vnni", "avx512_vp2intersect", "movdiri", "movdir64b", "bus_lock_detect"]
)

PRECISIONS = (
    "avx_fp32", "avx_int8", "avx_bfloat16", "amx_int8", "amx_bfloat16", "amx_bfloat32",
)  # fmt: skip
EMULATED, REFUSED = "emulated", "-"

_AVX2 = ("avx2",)
_AVX512 = ("avx2", "avx512_core")
_VNNI = (*_AVX512, "avx512_core_vnni")
_BF16 = (*_VNNI, "avx512_core_bf16")


@dataclass(frozen=True, slots=True)
class Cpu:
    """A row of the table.

    Attributes:
        name: of the microarchitecture.
        model: as /proc/cpuinfo names one of them.
        flags: as /proc/cpuinfo lists them.
        platform: whose test cases it runs; None for none.
        runs: for each of `PRECISIONS`, split at commas, the instructions it runs on natively, or
            `EMULATED`, or `REFUSED`.
        lacks: for each of them, the flag that decides where it does not run natively.
        kernels: the ISA names oneDNN's kernels may bear on it, without a cap, the highest last.
    """

    name: str
    model: str
    flags: frozenset[str]
    platform: str | None
    runs: str
    lacks: str
    kernels: tuple[str, ...]

    def runs_as(self, precision: str) -> str:
        """What it runs the precision on, `EMULATED`, or `REFUSED`."""
        return self.runs.split(", ")[PRECISIONS.index(precision)]

    def decides(self, precision: str) -> str | None:
        """The flag for want of which it does not run it natively; None where it does."""
        flag = self.lacks.split()[PRECISIONS.index(precision)]
        return None if flag == REFUSED else flag


CPUS = (
    Cpu("Nehalem", "Intel(R) Xeon(R) CPU           X5570  @ 2.93GHz", NEHALEM, None,
        "-, -, -, -, -, -",
        "avx avx avx avx avx avx", ()),
    Cpu("Sandy Bridge", "Intel(R) Xeon(R) CPU E5-2670 0 @ 2.60GHz", SANDY_BRIDGE, None,
        "-, -, -, -, -, -",
        "avx2 avx2 avx2 avx2 avx2 avx2", ("avx",)),
    Cpu("Haswell", "Intel(R) Xeon(R) CPU E5-2680 v3 @ 2.50GHz", HASWELL, "AVX2",
        "AVX2, emulated, -, emulated, -, -",
        "- avx_vnni avx_ne_convert amx_tile amx_tile amx_tile", _AVX2),
    Cpu("Skylake-SP", "Intel(R) Xeon(R) Platinum 8180 CPU @ 2.50GHz", SKYLAKE_SP, "AVX2",
        "AVX-512, emulated, emulated, emulated, emulated, -",
        "- avx512_vnni avx512_bf16 amx_tile amx_tile amx_tile", _AVX512),
    Cpu("Cascade Lake", "Intel(R) Xeon(R) Platinum 8280 CPU @ 2.70GHz", CASCADE_LAKE, "AVX2",
        "AVX-512, AVX-512 VNNI, emulated, emulated, emulated, -",
        "- - avx512_bf16 amx_tile amx_tile amx_tile", _VNNI),
    Cpu("Cooper Lake", "Intel(R) Xeon(R) Platinum 8380H CPU @ 2.90GHz", COOPER_LAKE, "AVX2",
        "AVX-512, AVX-512 VNNI, AVX-512 BF16, emulated, emulated, -",
        "- - - amx_tile amx_tile amx_tile", _BF16),
    Cpu("Ice Lake", "Intel(R) Xeon(R) Platinum 8380 CPU @ 2.30GHz", ICE_LAKE, "ICX",
        "AVX-512, AVX-512 VNNI, emulated, emulated, emulated, -",
        "- - avx512_bf16 amx_tile amx_tile amx_tile", _VNNI),
    Cpu("Alder Lake", "12th Gen Intel(R) Core(TM) i9-12900K", ALDER_LAKE, "AVX2",
        "AVX2, AVX-VNNI, -, emulated, -, -",
        "- - avx_ne_convert amx_tile amx_tile amx_tile", ("avx2", "avx2_vnni")),
    Cpu("Sapphire Rapids", "Intel(R) Xeon(R) Platinum 8480+", SAPPHIRE_RAPIDS, "SPR",
        "AVX-512, AVX-512 VNNI, AVX-512 BF16, AMX INT8, AMX BF16, AMX BF16",
        "- - - - - -", (*_BF16, "avx512_core_fp16", "avx512_core_amx")),
    Cpu("Granite Rapids", "Intel(R) Xeon(R) 6980P", GRANITE_RAPIDS, "GNR",
        "AVX-512, AVX-512 VNNI, AVX-512 BF16, AMX INT8, AMX BF16, AMX BF16",
        "- - - - - -", (*_BF16, "avx512_core_fp16", "avx512_core_amx", "avx512_core_amx_fp16")),
    Cpu("Sierra Forest", "Intel(R) Xeon(R) 6780E", SIERRA_FOREST, "SRF",
        "AVX2, AVX-VNNI, AVX-NE-CONVERT, emulated, emulated, -",
        "- - - amx_tile amx_tile amx_tile", ("avx2", "avx2_vnni", "avx2_vnni_2")),
    Cpu("Zen 1", "AMD EPYC 7601 32-Core Processor", ZEN_1, "AVX2",
        "AVX2, emulated, -, emulated, -, -",
        "- avx_vnni avx_ne_convert amx_tile amx_tile amx_tile", _AVX2),
    Cpu("Zen 2", "AMD EPYC 7742 64-Core Processor", ZEN_2, "AVX2",
        "AVX2, emulated, -, emulated, -, -",
        "- avx_vnni avx_ne_convert amx_tile amx_tile amx_tile", _AVX2),
    Cpu("Zen 3", "AMD EPYC 7763 64-Core Processor", ZEN_3, "MILAN",
        "AVX2, emulated, -, emulated, -, -",
        "- avx_vnni avx_ne_convert amx_tile amx_tile amx_tile", _AVX2),
    Cpu("Zen 4", "AMD EPYC 9654 96-Core Processor", ZEN_4, "GENOA",
        "AVX-512, AVX-512 VNNI, AVX-512 BF16, emulated, emulated, -",
        "- - - amx_tile amx_tile amx_tile", _BF16),
    Cpu("Zen 5", "AMD EPYC 9755 128-Core Processor", ZEN_5, "TURIN",
        "AVX-512, AVX-512 VNNI, AVX-512 BF16, emulated, emulated, -",
        "- - - amx_tile amx_tile amx_tile", _BF16),
)  # fmt: skip


def find_cpu(name: str) -> Cpu:
    """The row of this name."""
    return next(cpu for cpu in CPUS if cpu.name == name)


def render_cpus() -> str:
    """The table in Markdown."""
    head = "| CPU | " + " | ".join(f"`{precision}`" for precision in PRECISIONS) + " |"
    lines = [head, "|---" * (len(PRECISIONS) + 1) + "|"]
    for cpu in CPUS:
        cells = []
        for precision in PRECISIONS:
            flag = cpu.decides(precision)
            cells.append(cpu.runs_as(precision) + (f" (`{flag}`)" if flag else ""))
        lines.append(f"| {cpu.name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
