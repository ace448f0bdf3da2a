from __future__ import annotations

import pytest
from tests.unit.search.candidates import fail, make_attempt, make_candidate

from resnet50_bench.config import Mode, Precision
from resnet50_bench.search.standings import (
    estimate,
    find_best_precisions,
    find_best_sizes,
    find_exit_code,
    find_standings,
)

INT8 = Precision.AVX_INT8


def stand(rates: dict, mode: Mode = Mode.THROUGHPUT):
    """Standings of (precision, batch size, cores) -> images/s of each round."""
    candidates = [make_candidate(size, cores, kind, mode) for kind, size, cores in rates]
    attempts = [
        make_attempt(candidate, rate)
        for candidate, values in zip(candidates, rates.values())
        for rate in values
    ]
    return find_standings(candidates, attempts)


def name(standing) -> tuple[str, int, int]:
    config = standing.candidate.config
    return config.precision.value, config.batch_size, config.cores_per_instance


RATES = {
    (Precision.AVX_FP32, 1, 1): [10.0, 12.0],
    (Precision.AVX_FP32, 1, 2): [13.0, 15.0],
    (Precision.AVX_FP32, 8, 1): [40.0, 42.0],
    (Precision.AVX_FP32, 8, 2): [38.0, 36.0],
    (INT8, 8, 2): [90.0],
    (INT8, 1, 1): [20.0],
}


def test_the_best_of_each_precision_and_batch_size():
    assert [name(item) for item in find_best_sizes(stand(RATES))] == [
        ("avx_fp32", 1, 2), ("avx_fp32", 8, 1), ("avx_int8", 1, 1), ("avx_int8", 8, 2),
    ]  # fmt: skip


def test_the_best_of_each_precision():
    assert [name(item) for item in find_best_precisions(stand(RATES))] == [
        ("avx_fp32", 8, 1), ("avx_int8", 8, 2),
    ]  # fmt: skip


def test_in_latency_mode_the_shortest_query_is_the_best():
    bests = find_best_precisions(stand(RATES, Mode.LATENCY))
    assert [name(item) for item in bests] == [("avx_fp32", 1, 2), ("avx_int8", 1, 1)]
    assert bests[1].value == 50.0


def test_the_interval_of_the_rounds_is_student_s():
    (standing,) = stand({(INT8, 1, 1): [98.0, 100.0, 102.0]})
    known = estimate(standing)
    # t(0.975, 2) = 4.303; the standard deviation is 2
    assert known.mean == 100.0
    assert known.interval == pytest.approx((100 - 4.3027 * 2 / 3**0.5, 100 + 4.3027 * 2 / 3**0.5))


def test_a_single_round_has_the_interval_of_its_run():
    (standing,) = stand({(INT8, 1, 1): [100.0]})
    assert estimate(standing).interval == (99.0, 101.0)
    (standing,) = stand({(INT8, 1, 1): [100.0]}, Mode.LATENCY)
    assert estimate(standing).interval is None


def test_what_failed_or_was_not_measured_stands_nowhere():
    good, bad, unseen = (make_candidate(size) for size in (1, 2, 4))
    attempts = [make_attempt(good, 5.0), fail(bad, 1, "noise")]
    (standing,) = find_standings([good, bad, unseen], attempts)
    assert standing.candidate == good


def test_exit_code():
    good, bad, worse, unseen = (make_candidate(size) for size in (1, 2, 4, 8))
    every = [good, bad, worse, unseen]
    assert find_exit_code(every, []) == 0
    once = [fail(good, 1, "noise"), make_attempt(good, 5.0)]
    assert find_exit_code(every, once) == 0, "another round of it is valid"
    assert find_exit_code(every, [*once, fail(bad, 1, "noise")]) == 1
    assert find_exit_code(every, [*once, fail(bad, 1, "noise"), fail(worse, 3, "lost")]) == 3
