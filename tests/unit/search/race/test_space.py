from __future__ import annotations

from dataclasses import replace

import pytest

from resnet50_bench.config import Allocator, Mode, RunConfig
from resnet50_bench.host.specs import describe_host
from resnet50_bench.parameters.parameter import Setting
from resnet50_bench.search.grid import plan_grid
from resnet50_bench.search.race.space import (
    describe_plan,
    drop_same,
    list_core_counts,
    plan_axes,
    plan_combinations,
    plan_entrants,
)
from resnet50_bench.session import door

HOST = describe_host("1x4")


def give(**texts: str) -> dict[str, Setting]:
    return {name: Setting(name, text, "--x") for name, text in texts.items()}


def list_values(combinations, name: str) -> list[str]:
    return [item.value for settings in combinations for item in settings if item.name == name]


@pytest.mark.parametrize(
    ("spec", "sizes"),
    [("1x4", (1, 2, 4)), ("2x56x2", (1, 2, 4, 7, 8, 14, 28, 56)), ("1x3", (1, 3))],
)
def test_sizes_fill_a_socket(spec: str, sizes: tuple[int, ...]) -> None:
    assert list_core_counts(describe_host(spec)) == sizes


def test_the_usual_space_of_a_throughput() -> None:
    axes = plan_axes(give(ALLOCATOR="system"), Mode.THROUGHPUT, HOST)
    values = [[item.value for item in axis] for axis in axes]
    assert values == [
        ["tensorflow"], ["system"], ["False", "True"], [""], ["1", "2", "4"],
        ["1", "2", "4", "8", "16", "32", "64", "128"],
    ]  # fmt: skip


def test_a_latency_is_that_of_one_image() -> None:
    axes = plan_axes(give(ALLOCATOR="system"), Mode.LATENCY, HOST)
    assert [item.value for item in axes[-1]] == ["1"]
    assert [item.value for item in axes[2]] == ["False"]


def test_instances_of_several_cores_are_tried_with_callers_too() -> None:
    given = give(ALLOCATOR="system", WEIGHT_SHARING="False", CORES_PER_INSTANCE="1,2",
                 BATCH_SIZE="1,2")  # fmt: skip
    combinations = plan_combinations(plan_axes(given, Mode.THROUGHPUT, HOST), "")
    # One core has one caller; a batch of one image cannot be shared out.
    assert list_values(combinations, "ENGINE_OPTION") == ["", "", "", "", "callers=2"]


def test_callers_that_were_asked_for_are_not_varied() -> None:
    given = give(ALLOCATOR="system", WEIGHT_SHARING="False", CORES_PER_INSTANCE="2", BATCH_SIZE="8")
    combinations = plan_combinations(plan_axes(given, Mode.THROUGHPUT, HOST), "callers=1")
    assert list_values(combinations, "ENGINE_OPTION") == ["callers=1"]


def test_a_wrong_list_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\.\.\."):
        plan_axes(give(BATCH_SIZE="1,..."), Mode.THROUGHPUT, HOST)


def test_what_does_not_fit_is_left_out_with_its_reason() -> None:
    given = give(ALLOCATOR="system", CORES_PER_INSTANCE="2,8", BATCH_SIZE="8", ENGINE="null")
    combinations = plan_combinations(plan_axes(given, Mode.THROUGHPUT, HOST), "")
    grid = plan_grid(combinations, [Setting("MODE", "throughput", "--objective")], HOST)
    assert [item.config.cores_per_instance for item in grid.candidates] == [2]
    assert len(grid.left_out) == 3  # two sizes too large, and fp32 shares no weights


def plan_null(**fields) -> object:
    config = RunConfig(engine="null", cores_per_instance=1, instances=1, **fields)
    return door.plan(config)


def test_batch_sizes_share_a_start_and_options_do_not() -> None:
    plans = drop_same(
        [plan_null(batch_size=1), plan_null(batch_size=4), plan_null(batch_size=4),
         plan_null(batch_size=4, engine_options={"query_ms": "2"})]
    )  # fmt: skip
    assert len(plans) == 3
    first, second, third = plan_entrants(plans)
    assert first.start == second.start != third.start
    assert [item.lanes for item in (first, second, third)] == [1, 1, 1]
    assert first.query_s < second.query_s
    assert describe_plan(plans[2]) == "batch 4, 1 instance x 1 core, query_ms=2"


def test_another_allocator_is_a_variant_of_the_same_run() -> None:
    plan = drop_same([plan_null(batch_size=4)])[0]
    variant = replace(plan, config=replace(plan.config, allocator=Allocator.JEMALLOC))
    assert [item.base for item in plan_entrants([plan, variant])] == [None, 0]
    assert describe_plan(variant).endswith(", jemalloc")
