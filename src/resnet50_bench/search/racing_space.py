"""Planned runs -> candidates of a race: which of them share a start, and whose variants they are."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from resnet50_bench.config import Allocator
from resnet50_bench.placement.layout import describe_size
from resnet50_bench.planning.plan import IMAGES_PER_CORE_S
from resnet50_bench.search.racing_costs import Amounts, Candidate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resnet50_bench.config import RunConfig
    from resnet50_bench.planning.plan import RunPlan


def plan_candidates(plans: Sequence[RunPlan]) -> tuple[Candidate, ...]:
    """Return a candidate for each plan, in their order.

    Runs share a start when only the batch size tells them apart, and the prepared model is the
    same. One with an allocator of its own is a variant of the same run with the C library's.
    """
    numbers = {repr(plan.config): number for number, plan in enumerate(plans)}
    return tuple(_plan_candidate(number, plan, numbers) for number, plan in enumerate(plans))


def _plan_candidate(number: int, plan: RunPlan, numbers: dict[str, int]) -> Candidate:
    config, placement = plan.config, plan.placement
    per_lane = placement.cores_per_instance
    base = None
    if config.allocator is not Allocator.SYSTEM:
        base = numbers.get(repr(replace(config, allocator=Allocator.SYSTEM)))
    return Candidate(
        number=number,
        start=repr((replace(config, batch_size=None), plan.model_source)),
        lanes=sum(max(1, len(slot.streams)) for slot in placement.slots),
        query_s=plan.workload.batch_size / (IMAGES_PER_CORE_S * per_lane),
        base=base,
    )


def plan_amounts(config: RunConfig, amounts: Amounts, warmup_queries: int) -> RunConfig:
    """Return the config of a trial."""
    return replace(
        config,
        steps=amounts.queries,
        min_time_s=amounts.seconds,
        warmup_steps=warmup_queries,
    )


def describe_plan(plan: RunPlan) -> str:
    """Say what makes a candidate, e.g. `batch 16, 1 instance x 2 cores, callers=2`."""
    config = plan.config
    parts = [f"batch {plan.workload.batch_size}", describe_size(plan.placement)]
    parts += [f"{name}={text}" for name, text in sorted(config.engine_options.items())]
    if config.allocator is not Allocator.SYSTEM:
        parts.append(config.allocator.value)
    return ", ".join(parts)
