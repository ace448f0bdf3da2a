"""A run that has ended, and what its record says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from resnet50_bench.errors import OutputError
from resnet50_bench.results.accuracy import Accuracy, compute_accuracy
from resnet50_bench.results.kpi import Kpis, run_kpis
from resnet50_bench.results.record import Record
from resnet50_bench.verdict.judge import Verdict, judge


@dataclass(frozen=True, slots=True)
class Run:
    """A run: where it lies, and its record, from which all else is computed.

    Attributes:
        folder: that holds the record; the run's own even where no place took the record.
        record: everything that was asked, planned and seen.
        problems: what could not be written.
    """

    folder: Path
    record: Record
    problems: tuple[OutputError, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """Whether the result may be believed: `valid`, `failures`, `warnings`, `exit_code`."""
        return judge(self.record)

    @property
    def kpis(self) -> Kpis | None:
        """Throughput (images/s) and latencies (ns) over the common window.

        None in accuracy mode, and where instances were lost.
        """
        return run_kpis(self.record)

    @property
    def accuracy(self) -> Accuracy | None:
        """Right answers, with their interval; None but in accuracy mode."""
        evaluation = self.record.evaluation
        return compute_accuracy(evaluation) if evaluation is not None else None
