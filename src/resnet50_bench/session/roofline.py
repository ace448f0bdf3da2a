"""The part of a run that finds out what its cores can do at most, so that its speed says more.

The limit is measured on the cores that the run uses, before its instances are started, and kept for
the next run on them. Where a result passes it, one of the two is wrong: then the limit is measured
again, and the verdict is judged by the higher one, since nothing makes a core faster than it is.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from resnet50_bench.config import CaseType
from resnet50_bench.errors import HostError
from resnet50_bench.host.machine import short_list
from resnet50_bench.limits.cache import Place, keep, plan_place, read_kept
from resnet50_bench.limits.measure import choose_cpus, measure_roofline
from resnet50_bench.results.kpi import run_kpis
from resnet50_bench.results.limit import Limit, compute_limit

if TYPE_CHECKING:
    from resnet50_bench.limits.roofline import Roofline
    from resnet50_bench.planning.plan import RunPlan
    from resnet50_bench.results.record import Record
    from resnet50_bench.session.stages import Stages


@dataclass(frozen=True, slots=True)
class FoundRoofline:
    """What is known of the limit.

    Attributes:
        roofline: as it was measured; None where it was not.
        failure: why not; None where it was not wanted either.
    """

    roofline: Roofline | None = None
    failure: str | None = None

    def note(self, record: Record) -> Record:
        """Return the record with it."""
        return replace(record, roofline=self.roofline, roofline_failure=self.failure)


def find_roofline(plan: RunPlan, stages: Stages) -> FoundRoofline:
    """Return the limit of the cores of a run that is about speed: the one kept, or a new one."""
    if not _wants_limit(plan):
        return FoundRoofline()
    place = _plan_place(plan)
    kept = read_kept(place)
    return FoundRoofline(kept) if kept is not None else _measure(plan, place, stages)


def confirm_roofline(
    plan: RunPlan, found: FoundRoofline, record: Record, stages: Stages
) -> FoundRoofline:
    """Return what is to be put on record: measured again where the result passes it.

    Args:
        plan: of the run.
        found: before it.
        record: of the run, with what its instances measured.
        stages: are told.
    """
    before = _compute(found, record)
    if before is None or before.share <= 1:
        return found
    stages.note(f"{before.share:.0%} of this machine's limit cannot be: it is measured again")
    again = _measure(plan, _plan_place(plan), stages)
    after = _compute(again, record)
    return found if after is None or after.share > before.share else again


def _compute(found: FoundRoofline, record: Record) -> Limit | None:
    completed = replace(found.note(record), status="completed")
    return compute_limit(completed, run_kpis(completed))


def _wants_limit(plan: RunPlan) -> bool:
    """Not without a model, not for accuracies and short checks, and not for other hosts."""
    return (
        plan.model is not None
        and plan.evaluation is None
        and plan.config.case_type is not CaseType.GATED
        and not (plan.mpi is not None and plan.mpi.hosts)
    )


def _plan_place(plan: RunPlan) -> Place:
    used = {cpu for slot in plan.placement.slots for cpu in slot.cpus}
    return plan_place(plan.host, choose_cpus(plan.host, used), os.environ)


def _measure(plan: RunPlan, place: Place, stages: Stages) -> FoundRoofline:
    """What cannot be measured or kept is told, and ends no run."""
    on = f"CPUs {short_list(place.cpus)}"
    stages.note(f"measuring the limit of {on} for some seconds: once, then it is kept")
    try:
        roofline = measure_roofline(
            plan.host,
            place.cpus,
            lambda name, share: stages.show_share(f"the limit of {on}: {name}", share),
        )
    except HostError as error:
        return FoundRoofline(failure=error.message)
    try:
        keep(place, roofline)
    except HostError as error:
        stages.note(f"warning: the limit is not kept: {error.message}")
    return FoundRoofline(roofline)
