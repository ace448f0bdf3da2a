"""A CPU that cannot run a precision natively is told so, and the others are measured."""

from __future__ import annotations

import pytest
from benchmarks.runnable import choose_measured, plan_measured
from tests.hosts.cpus import find_cpu

from resnet50_bench.config import Precision

WANTED = [Precision.AVX_FP32, Precision.AVX_BFLOAT16, Precision.AVX_INT8]


def test_what_is_only_emulated_is_skipped_with_its_reason():
    measured, skipped = plan_measured(WANTED, find_cpu("Zen 3").flags, None)
    assert measured == [Precision.AVX_FP32]
    bfloat16, int8 = skipped
    assert bfloat16.startswith("skipped avx_bfloat16: the CPU lacks avx_ne_convert (it takes a CPU")
    assert bfloat16.endswith(")")
    assert int8.startswith("skipped avx_int8: the CPU lacks avx_vnni (it takes a CPU")
    assert int8.endswith("; it could only be emulated")


def test_what_runs_natively_is_measured_in_the_order_asked():
    measured, skipped = plan_measured(reversed(WANTED), find_cpu("Zen 4").flags, None)
    assert (measured, skipped) == (WANTED[::-1], [])


def test_nothing_to_measure_ends_the_benchmark(capsys):
    with pytest.raises(SystemExit, match="no precision is left to measure"):
        choose_measured(WANTED, find_cpu("Nehalem").flags, None)
    assert capsys.readouterr().err.count("skipped avx_") == 3
