"""A speed above what the machine can do at most is no result."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.records import make_record, make_roofline
from tests.unit.verdict.runs import failures, warnings

from resnet50_bench.config import Precision, RunConfig
from resnet50_bench.limits.kernels import Kind
from resnet50_bench.limits.roofline import Peak
from resnet50_bench.results.kpi import run_kpis
from resnet50_bench.results.limit import compute_limit
from resnet50_bench.verdict.judge import judge

PER_IMAGE = 8_178_372_608
"""Operations; the default run makes 128 images/s on a CPU with AVX2."""


def run_with(rate: float, lowest: float | None = None):
    """A run whose cores do so many operations a second."""
    peak = Peak(
        kind=Kind.AVX2_FP32,
        operations_per_s=rate,
        rounds=(rate, rate if lowest is None else lowest),
    )
    return make_record(roofline=make_roofline(peaks=(peak,)))


def share(record) -> float | None:
    limit = compute_limit(record, run_kpis(record))
    return limit.share if limit is not None else None


def test_the_share_is_what_was_got_of_what_is_possible() -> None:
    assert share(run_with(256 * PER_IMAGE)) == pytest.approx(0.5)
    assert share(run_with(128 * PER_IMAGE)) == pytest.approx(1)


@pytest.mark.parametrize("images_per_s", [128.0, 128.001, 1e6])
def test_up_to_the_limit_a_run_is_valid(images_per_s) -> None:
    assert judge(run_with(images_per_s * PER_IMAGE)).valid


def test_above_the_limit_it_is_invalid_and_says_what_was_wrong() -> None:
    verdict = judge(run_with(100 * PER_IMAGE))
    (failure,) = verdict.failures
    assert failure.message.startswith(
        "impossible: 128.0% of this machine's limit: 128.00 images/s where AVX2 FMA, fp32 allows "
        "100.00 at most, measured again after the run; it was measured steadily"
    )
    assert "r50 roofline --again" in (failure.advice or "")
    assert verdict.exit_code == 1


def test_a_limit_that_was_disturbed_is_named_as_the_cause() -> None:
    (failure,) = failures(run_with(100 * PER_IMAGE, 60 * PER_IMAGE))
    assert "the rounds in which it was measured differ by 40%, so other work had" in failure


def test_the_precision_chooses_the_peak() -> None:
    host = replace(
        make_record().host,
        cpu_flags=(
            "avx2",
            "avx512bw",
            "avx512dq",
            "avx512f",
            "avx512vl",
            "avx512_bf16",
            "avx512_vnni",
        ),
    )
    config = RunConfig(precision=Precision.AVX_BFLOAT16, cores_per_instance=2, instances=2)
    limit = compute_limit(
        record := make_record(config, host, roofline=make_roofline()), run_kpis(record)
    )
    assert limit is not None
    assert limit.kernel.kind is Kind.AVX512_BF16
    assert limit.operations_per_s == 3.2e12
    assert share(replace(record, emulated=True)) == pytest.approx(2 * limit.share)


def test_without_a_limit_nothing_is_said_of_it() -> None:
    assert share(make_record()) is None
    assert share(run_with(100 * PER_IMAGE)) is not None
    null = RunConfig(engine="null", cores_per_instance=2, instances=2)
    assert share(make_record(null, roofline=make_roofline())) is None
    assert share(make_record(roofline=make_roofline(peaks=()))) is None
    assert not failures(make_record())


def test_a_limit_that_could_not_be_measured_is_told() -> None:
    record = make_record(roofline_failure="the process cannot be started")
    assert "without a limit to compare with: the process cannot be started" in warnings(record)
    assert judge(record).valid
