"""The record of one run, from its first page to its last."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from resnet50_bench import __version__
from resnet50_bench.contention.samples import Contention
from resnet50_bench.errors import Interrupted
from resnet50_bench.host.cgroups import read_oom_kills
from resnet50_bench.host.energy import Energy
from resnet50_bench.launch.barrier import WatchCost
from resnet50_bench.planning.launchers import choose_launcher
from resnet50_bench.results.record import (
    Dataset,
    InstanceRecord,
    Launch,
    OtherHost,
    Record,
    Status,
    Trial,
)
from resnet50_bench.session.contention import note_lock
from resnet50_bench.session.outcome import describe_instances
from resnet50_bench.session.roofline import FoundRoofline
from resnet50_bench.session.run_folder import Kept, begin_record, keep_record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from resnet50_bench.contention.cpu_lock import CpuLock
    from resnet50_bench.launch import Worker
    from resnet50_bench.planning.plan import RunPlan
    from resnet50_bench.session.task import Task


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of measuring.

    Attributes:
        instances: what each answered, and how it ended.
        cost: what the parent used meanwhile; None when an instance was lost before the word.
        contention: what else ran on the CPUs meanwhile; None where nobody looked.
        energy: what the CPUs used meanwhile, or why that is not known.
        lost: an instance gave no result.
    """

    instances: tuple[InstanceRecord, ...]
    cost: WatchCost | None
    contention: Contention | None
    energy: Energy | None
    lost: bool


class Book:
    """What is to be written of a run; `concluding` writes it, however the run ends.

    Attributes:
        record: as it was last written.
        kept: where it lies, and what could not be written.
        workers: those that were started.
        measured: what came of them.
        proven: the measured instances with the kernels of a traced batch.
        trials: made to explain a low accuracy.
        limit: what the cores can do at most.
    """

    def __init__(self, folder: Path, record: Record) -> None:
        self._folder = folder
        self._oom_kills = read_oom_kills()
        self._begin_ns = time.monotonic_ns()
        self.record = record
        self.kept = Kept(folder)
        self.workers: Sequence[Worker] = ()
        self.measured: Measured | None = None
        self.proven: tuple[InstanceRecord, ...] = ()
        self.trials: tuple[Trial, ...] = ()
        self.limit = FoundRoofline()

    def read_measured(self) -> Record:
        """Return the record so far, with what the instances measured."""
        return replace(self.record, instances=self._list_instances())

    def count_oom_kills(self) -> int:
        """Return how many processes of this host the kernel killed for want of memory meanwhile."""
        return max(0, read_oom_kills() - self._oom_kills)

    @contextmanager
    def concluding(self, task: Task) -> Iterator[None]:
        """Write the last page behind the block, whatever happens in it."""
        try:
            yield
            lost = self.measured is None or self.measured.lost
            self._conclude("lost instances" if lost else "completed", task)
        except Interrupted as interruption:
            self._conclude("interrupted", task)
            interruption.folder = self.kept.folder
            raise
        except BaseException:
            # What comes after measuring only adds to it.
            instances = self._list_instances()
            complete = bool(instances) and all(item.reported for item in instances)
            self._conclude("completed" if complete else "lost instances", task)
            raise

    def _list_instances(self) -> tuple[InstanceRecord, ...]:
        """What is known of the instances, as long as it is known."""
        return self.proven or (self.measured.instances if self.measured is not None else ())

    def _conclude(self, status: Status, task: Task) -> None:
        """Write the record and the logs, once."""
        if self.record.status != "running":
            return
        oom_kills, measured = self.count_oom_kills(), self.measured
        launch = replace(self.record.launch, oom_kills=oom_kills)
        cost = measured.cost if measured is not None else None
        if cost is not None:
            launch = replace(launch, parent_cpu_ns=cost.cpu_ns, parent_wall_ns=cost.wall_ns)
        record = replace(
            self.limit.note(task.note(self.record)),
            status=status,
            launch=launch,
            instances=self._list_instances()
            or describe_instances(self.workers, oom_killed=oom_kills > 0, stopped=True),
            duration_ns=time.monotonic_ns() - self._begin_ns,
            trials=self.trials,
            contention=measured.contention if measured is not None else None,
            energy=measured.energy if measured is not None else None,
        )
        self.kept = keep_record(self._folder, record)
        if status == "completed" and not self.kept.problems:
            task.forget()
        self.record = record  # last: interrupted before, it is concluded again, as interrupted


def open_book(plan: RunPlan, folder: Path, command: Sequence[str], lock: CpuLock) -> Book:
    """Write the first page: what was asked and planned, of a run that is about to start.

    Raises:
        OutputError: it cannot be written: nothing was measured yet.
    """
    record = note_lock(plan_record(plan, folder, command), lock)
    lock.announce(folder)
    begin_record(folder, record)
    return Book(folder, record)


def plan_record(plan: RunPlan, folder: Path, command: Sequence[str]) -> Record:
    """Return the record of a run that is about to start."""
    dataset, launcher = None, choose_launcher(plan)
    if plan.source is not None and plan.config.dataset is not None:
        dataset = Dataset(
            path=plan.config.dataset,
            description=plan.source.describe(),
            images=len(plan.source.refs),
            skipped=tuple((item.name, item.reason) for item in plan.source.skipped),
        )
    return Record(
        tool_version=__version__,
        run_id=folder.name,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        command=tuple(command),
        status="running",
        config=plan.config,
        workload=plan.workload,
        host=plan.host,
        placement=plan.placement,
        others=tuple(
            OtherHost(name=site.name or "", host=site.host, placement=site.placement)
            for site in plan.sites[1:]
        ),
        model=plan.model.manifest if plan.model is not None else None,
        dataset=dataset,
        launch=Launch(environment=plan.environment, command=launcher.command, hosts=launcher.hosts),
        emulated=plan.emulated,
        instances=(),
        memory_estimate_bytes=plan.memory_per_instance_bytes,
    )
