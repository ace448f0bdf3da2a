"""Whether a result may be believed: checks on the record alone, the failed ones with advice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.errors import ExitCode
from resnet50_bench.results.findings import Finding
from resnet50_bench.results.kpi import run_kpis
from resnet50_bench.verdict.accuracy import check_accuracy, warn_of_accuracy
from resnet50_bench.verdict.conditions import check_contention, list_taken, warn_of_conditions
from resnet50_bench.verdict.environment import check_environment
from resnet50_bench.verdict.instances import (
    check_amounts,
    check_instances,
    check_placement,
    check_status,
    find_loss_code,
    list_lost,
)
from resnet50_bench.verdict.kind import warn_of_kind
from resnet50_bench.verdict.limit import check_limit, warn_of_limit
from resnet50_bench.verdict.loadgen import check_loadgen, find_loadgen_code
from resnet50_bench.verdict.precision import check_precision

if TYPE_CHECKING:
    from resnet50_bench.results.kpi import Kpis
    from resnet50_bench.results.record import Record


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of all checks.

    Attributes:
        failures: each of them makes the result invalid.
        warnings: what a reader should know about a valid result.
        exit_code: 0 valid; 1 invalid; 3 invalid because an instance was lost.
    """

    failures: tuple[Finding, ...]
    warnings: tuple[Finding, ...]
    exit_code: int

    @property
    def valid(self) -> bool:
        """Whether no check failed."""
        return not self.failures


def judge(record: Record) -> Verdict:
    """Return the verdict on a run."""
    return judge_measured(record, run_kpis(record))


def judge_measured(record: Record, kpis: Kpis | None) -> Verdict:
    """Return the verdict on a run whose KPIs are computed already.

    Args:
        record: of the run.
        kpis: what `run_kpis` returns of it.
    """
    taken = list_taken(record, kpis)
    failures = (
        *_check_measured(record, kpis),
        *check_accuracy(record),
        *check_precision(record),
        *check_contention(record, taken),
        *check_limit(record, kpis),
        *check_loadgen(record),
    )
    warnings = (
        *warn_of_conditions(record, kpis, taken),
        *warn_of_kind(record),
        *warn_of_accuracy(record),
        *warn_of_limit(record),
    )
    code = int(_find_exit_code(record) if failures else ExitCode.VALID)
    return Verdict(failures, warnings, code)


def judge_trial(record: Record) -> tuple[Finding, ...]:
    """Return what is wrong with a trial: the checks of a run, but for the proof of its precision.

    A trial only decides what is worth a run.
    """
    kpis = run_kpis(record)
    return (*_check_measured(record, kpis), *check_contention(record, list_taken(record, kpis)))


def _check_measured(record: Record, kpis: Kpis | None) -> tuple[Finding, ...]:
    """Whether what was asked is what was measured."""
    return (
        *check_status(record),
        *check_instances(record),
        *check_placement(record),
        *check_environment(record),
        *check_amounts(record, kpis),
    )


def _find_exit_code(record: Record) -> ExitCode:
    """Of an invalid result: whether it was the host's fault, the request's, or nobody's."""
    failed = find_loadgen_code(record)
    is_lost = bool(list_lost(record)) and record.status != "interrupted"
    if is_lost or record.status == "lost instances":
        return find_loss_code(record)
    return failed if failed is not None else ExitCode.INVALID_RESULT
