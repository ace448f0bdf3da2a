"""What was asked: enums, `RunConfig`, and the amounts that follow from it.

Nothing here touches a file, the host or the network; `parameters` makes a `RunConfig` from text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


class Mode(str, Enum):
    """What a run measures."""

    THROUGHPUT = "throughput"
    LATENCY = "latency"
    ACCURACY = "accuracy"


class Precision(str, Enum):
    """What a run computes in: an instruction set class and a data type."""

    AVX_FP32 = "avx_fp32"
    AVX_INT8 = "avx_int8"
    AVX_BFLOAT16 = "avx_bfloat16"
    AMX_INT8 = "amx_int8"
    AMX_BFLOAT16 = "amx_bfloat16"
    AMX_BFLOAT32 = "amx_bfloat32"


class DataType(str, Enum):
    """Where the images come from."""

    DUMMY = "dummy"
    REAL = "real"


class Preprocessing(str, Enum):
    """How an image becomes the model's input; `data.profiles` says what each does."""

    MLPERF = "mlperf"
    TENSORFLOW = "tensorflow"
    TORCHVISION = "torchvision"
    TORCHVISION_V2 = "torchvision-v2"
    TIMM_875 = "timm-0.875"
    TIMM_95 = "timm-0.95"
    TIMM_100 = "timm-1.0"


class SharePer(str, Enum):
    """What one copy of the weights serves."""

    SOCKET = "socket"
    NODE = "node"


class Allocator(str, Enum):
    """Whose `malloc` the instances use; `system` is the C library's."""

    SYSTEM = "system"
    JEMALLOC = "jemalloc"
    TCMALLOC = "tcmalloc"
    MIMALLOC = "mimalloc"


class Gramine(str, Enum):
    """Whether instances run inside gramine: not at all, in an SGX enclave, or without one."""

    OFF = "off"
    SGX = "sgx"
    DIRECT = "direct"


class Attestation(str, Enum):
    """How an enclave can prove itself to others; gramine's own words."""

    NONE = "none"
    DCAP = "dcap"


class CaseType(str, Enum):
    """A named set of parameters: `gated` is a short check, `pkm` the common parameters."""

    GATED = "gated"
    PKM = "pkm"


class CoreKind(str, Enum):
    """A kind of core of a hybrid CPU, the fastest first; ANY is a choice, and no core is of it."""

    P = "p"
    E = "e"
    LP = "lp"
    ANY = "any"

    @property
    def label(self) -> str:
        """What people call it, e.g. `P`."""
        return {CoreKind.LP: "LP-E"}.get(self, self.value.upper())


class Platform(str, Enum):
    """The platforms test cases are designed for, by the workload's names; AVX2 is any other."""

    GNR = "GNR"
    SPR = "SPR"
    EMR = "EMR"
    ICX = "ICX"
    SRF = "SRF"
    GENOA = "GENOA"
    TURIN = "TURIN"
    MILAN = "MILAN"
    AVX2 = "AVX2"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """One run, as asked. None means "not asked": the default is decided later, see `plan_workload`.

    Attributes are the parameters of `parameters.PARAMETERS`, with their meaning given there.
    """

    mode: Mode = Mode.THROUGHPUT
    precision: Precision = Precision.AVX_FP32
    data_type: DataType = DataType.DUMMY
    case_type: CaseType | None = None
    platform: Platform | None = None
    dataset: str | None = None
    labels: str | None = None
    labels_format: str | None = None
    class_order: str | None = None
    preprocessing: Preprocessing | None = None
    max_unreadable: int | None = None
    expected_top1: float | None = None
    model: str | None = None
    input_name: str | None = None
    output_name: str | None = None
    calibration: str | None = None
    accept_loss: bool = False
    leave_out_calibration: bool = False
    engine: str = "tensorflow"
    engine_options: dict[str, str] = field(default_factory=dict)
    batch_size: int | None = None
    cores_per_instance: int | None = None
    instances: int | None = None
    steps: int | None = None
    warmup_steps: int | None = None
    min_time_s: float | None = None
    until: float | None = None
    max_time_s: float | None = None
    limit: int | None = None
    seed: int = 0
    smt: bool = False
    span_sockets: bool = False
    core_kind: CoreKind | None = None
    emulated: bool = False
    weight_sharing: bool = False
    share_per: SharePer = SharePer.SOCKET
    force: bool = False
    mpi: bool = False
    num_mpi: int = 1
    allocator: Allocator = Allocator.SYSTEM
    cpu_latency_limit_us: int | None = None
    hostfile: str | None = None
    accept_noise: bool = False
    price_per_hour: float | None = None
    gramine: Gramine = Gramine.OFF
    remote_attestation: Attestation = Attestation.NONE
    onednn_verbose: bool = False
    customer_env: dict[str, str] = field(default_factory=dict)
    timeout_s: float | None = None
    verbose: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """The amounts that follow from a `RunConfig`; a run stops when both bounds are met.

    Attributes:
        batch_size: images per query.
        steps: queries per instance, at least.
        warmup_steps: queries per instance before the window opens.
        min_time_ns: how long each instance measures, at least.
    """

    batch_size: int
    steps: int
    warmup_steps: int
    min_time_ns: int


_DEFAULT_WORKLOADS = {
    Mode.THROUGHPUT: Workload(batch_size=32, steps=30, warmup_steps=5, min_time_ns=20_000_000_000),
    Mode.LATENCY: Workload(batch_size=1, steps=300, warmup_steps=50, min_time_ns=10_000_000_000),
    Mode.ACCURACY: Workload(batch_size=8, steps=1, warmup_steps=2, min_time_ns=0),
}
"""Batch 32 came within 7 % of the best of three configurations (docs/precisions.md); 300
queries leave three above the 99th percentile. In accuracy mode every core has a batch of its own,
and 8 is where int8 is at its best then (docs/precisions.md)."""

GATED_STEPS = 10
GATED_BATCH_SIZE = 1
"""`gated`: STEPS=10, BATCH_SIZE=1, CORES_PER_INSTANCE=cores per socket (the workload's README)."""


def plan_workload(config: RunConfig) -> Workload:
    """Decide the amounts: what was asked, else the case type's, else the mode's.

    No minimum time holds when STEPS is named or the case is gated, unless it is asked for.
    """
    default = _DEFAULT_WORKLOADS[config.mode]
    gated = config.case_type is CaseType.GATED
    steps = config.steps or (GATED_STEPS if gated else default.steps)
    min_time_ns = 0 if gated or config.steps is not None else default.min_time_ns
    if config.min_time_s is not None:
        min_time_ns = round(config.min_time_s * 1e9)
    warmup = default.warmup_steps if config.warmup_steps is None else config.warmup_steps
    return Workload(
        batch_size=config.batch_size or (GATED_BATCH_SIZE if gated else default.batch_size),
        steps=steps,
        warmup_steps=warmup,
        min_time_ns=min_time_ns,
    )
