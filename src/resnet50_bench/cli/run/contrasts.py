"""Measures the same in two ways, one after the other, and prints what the difference makes."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from resnet50_bench.cli.lines import print_text
from resnet50_bench.cli.measuring import (
    hold_plans,
    make_desk,
    measure_plan,
    plan_point,
    tell_result,
)
from resnet50_bench.cli.terminal import print_json
from resnet50_bench.config import Attestation, Gramine, Mode, SharePer
from resnet50_bench.errors import RequestError
from resnet50_bench.report.terminal.enclave import compare_native, render_rows
from resnet50_bench.report.terminal.sharing import contrast, render_contrast
from resnet50_bench.session import door

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resnet50_bench.cli.run.options import RunOptions
    from resnet50_bench.search.points import Point


def run_contrast(point: Point, options: RunOptions) -> int:
    """Measure a point with shared weights, then in separate processes; return the worse code."""
    plan = plan_point(point.config, options.output)
    separate = replace(
        point.config,
        weight_sharing=False,
        share_per=SharePer.SOCKET,
        force=False,
        cores_per_instance=plan.placement.cores_per_instance,
        instances=sum(len(slot.streams) for slot in plan.placement.slots),
    )
    # What is wrong with it is said before anything is measured.
    plans = [plan, door.plan(separate)]
    records, codes = [], []
    with hold_plans(plans, wait=options.wait) as lock:
        for config in (point.config, separate):
            plan = door.plan(config)
            result = measure_plan(plan, make_desk(options.output, lock))
            records.append(result.record)
            codes.append(tell_result(result, plan, as_json=None if options.as_json else False))
    rows = contrast(*records)
    if options.as_json:
        print_json({"shared": records[0].run_id, "separate": records[1].run_id,
                    "figures": [asdict(row) | {"ratio": row.ratio} for row in rows]})  # fmt: skip
    else:
        print_text(f"\n{render_contrast(rows)}")
    return max(codes)


def run_beside_native(points: Sequence[Point], options: RunOptions) -> int:
    """Measure each point natively and inside gramine, and print the ratios; return the worst code.

    Raises:
        RequestError: a point does not run inside gramine, or asks for no speed.
    """
    for point in points:
        if point.config.gramine is Gramine.OFF or point.config.mode is Mode.ACCURACY:
            raise RequestError(
                "--compare-native compares the speed inside gramine with the native one",
                "add --gramine sgx, or name a throughput or latency case with sgx in its name",
            )
    plans = [plan_point(point.config, options.output) for point in points]
    rows, codes = [], []
    with hold_plans(plans, wait=options.wait) as lock:
        for point in points:
            native = replace(point.config, gramine=Gramine.OFF, remote_attestation=Attestation.NONE)
            records = []
            for config in (native, point.config):
                plan = door.plan(config)
                result = measure_plan(plan, make_desk(options.output, lock))
                records.append(result.record)
                codes.append(tell_result(result, plan, as_json=None if options.as_json else False))
            rows.append(compare_native(*records))
    if options.as_json:
        print_json({"rows": [asdict(row) | {"ratio": row.ratio} for row in rows]})
    else:
        print_text(f"\n{render_rows(rows, points[0].config.gramine.value)}")
    return max(codes)
