"""What TensorFlow fuses on the CPU at hand."""

from __future__ import annotations

from resnet50_bench.config import Precision
from resnet50_bench.host.machine import read_host
from resnet50_bench.precision.runnable import plan_runnable


def fuses_bfloat16() -> bool:
    """Say whether oneDNN has bfloat16 kernels here, if slow ones; without them nothing is fused."""
    answer = plan_runnable(Precision.AVX_BFLOAT16, read_host().cpu_flags, None)
    return answer.runnable or answer.emulated_possible
