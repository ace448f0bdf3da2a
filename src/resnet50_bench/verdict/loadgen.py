"""Whether a run behind LoadGen may be believed: LoadGen's own verdict, and that it came to one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resnet50_bench.errors import ExitCode
from resnet50_bench.results.accuracy import compute_accuracy
from resnet50_bench.results.findings import Finding
from resnet50_bench.results.loadgen import count_disagreements, is_valid
from resnet50_bench.scenarios.request import LoadgenMode
from resnet50_bench.verdict.accuracy import GATE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resnet50_bench.results.record import LoadgenRecord, Record

REFERENCE_TOP1 = 76.456
"""Percent: MLPerf's fp32 reference on the 50,000 images (mlcommons/inference, vision README)."""

BOUND_TOP1 = GATE * REFERENCE_TOP1
"""Percent: what the closed division asks for."""


def check_loadgen(record: Record) -> Iterator[Finding]:
    """LoadGen came to its end and calls the run valid."""
    loadgen = record.loadgen
    if loadgen is None or record.status == "running":
        return
    if not loadgen.ended:
        said = loadgen.failure or "the run was given up before"
        yield Finding(f"LoadGen did not come to its end: {said}", loadgen.advice)
        return
    for error in loadgen.log.errors:
        yield Finding(f"LoadGen's log has an error: {error}")
    if loadgen.request.mode is LoadgenMode.ACCURACY:
        yield from _check_answers(record)
        return
    yield from _check_validity(loadgen)


def _check_validity(loadgen: LoadgenRecord) -> Iterator[Finding]:
    valid = is_valid(loadgen.log)
    if valid:
        return
    if valid is None:
        yield Finding("LoadGen's detail log holds no verdict", "look at it in the run's folder")
        return
    values = loadgen.log.values
    unmet = [
        name
        for key, name in (
            ("result_min_duration_met", "the least duration"),
            ("result_min_queries_met", "the least number of queries"),
            ("early_stopping_met", "early stopping"),
            ("result_perf_constraints_met", "the latency bound"),
        )
        if values.get(key) is False
    ]
    reason = str(values.get("result_invalid_reason", "")).strip()
    what = f"not met: {', '.join(unmet)}" if unmet else "no reason given"
    yield Finding(
        f"LoadGen calls the run INVALID: {what}",
        " ".join(reason.split()) or "mlperf_log_summary.txt in the run's folder says more",
    )


def _check_answers(record: Record) -> Iterator[Finding]:
    """What LoadGen logged is what the instances answered, of every image."""
    count = count_disagreements(record)
    evaluation = record.evaluation
    if count:
        yield Finding(
            f"{count:,} of the answers in LoadGen's accuracy log are not those that the "
            "instances gave"
        )
    logged = (record.loadgen.answers if record.loadgen is not None else None) or {}
    if evaluation is not None and len(logged) < len(evaluation.images):
        yield Finding(
            f"LoadGen's accuracy log has {len(logged):,} of {len(evaluation.images):,} images"
        )


def find_top1(record: Record) -> float | None:
    """Return the accuracy of a run that LoadGen drove, in percent; None where it is none."""
    if record.loadgen is None or record.evaluation is None:
        return None
    accuracy = compute_accuracy(record.evaluation)
    return 100 * accuracy.top1 if accuracy is not None else None


def describe_bound(record: Record) -> str | None:
    """Say how an accuracy stands to MLPerf's bound; None but in LoadGen's accuracy mode."""
    top1 = find_top1(record)
    if record.evaluation is None or top1 is None:
        return None
    bound = f"{BOUND_TOP1:.3f} % = 99 % of the reference's {REFERENCE_TOP1:.3f} % in fp32"
    reached = "reaches" if top1 >= BOUND_TOP1 else "does not reach"
    images = len(record.evaluation.images)
    only = "" if images == 50_000 else f"; of {images:,} images, where the rules want all 50,000"
    return f"{top1:.3f} % {reached} {bound}{only}"


def find_loadgen_code(record: Record) -> ExitCode | None:
    """Return the exit code where LoadGen's own process failed; None where it did not."""
    loadgen = record.loadgen
    if loadgen is None or loadgen.ended or record.status == "interrupted":
        return None
    return ExitCode.WRONG_REQUEST if loadgen.wrong_request else ExitCode.FAILURE
