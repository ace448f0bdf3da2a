"""Runs of a made-up fleet: hosts of one model that scatter by half a percent."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.records import BEGIN_NS, FOUR_CORES, MS, make_instance, make_queries, make_record

from resnet50_bench.config import Precision, RunConfig
from resnet50_bench.engines.base import KernelShare
from resnet50_bench.host.settings import Settings

if TYPE_CHECKING:
    from resnet50_bench.host.machine import Host
    from resnet50_bench.results.record import Record

USUAL = Settings(bios="AMI 1.3", microcode="0xa1")


def make_fleet_host(name: str, settings: Settings = USUAL, **changes) -> Host:
    fields = {"hostname": name, "settings": settings, "governor": "performance", "turbo": True}
    return replace(FOUR_CORES.host(), **(fields | changes))


def make_fleet_record(
    name: str,
    factors: tuple[float, float] = (1.0, 1.0),
    precision: Precision = Precision.AVX_FP32,
    host: Host | None = None,
    **changes,
) -> Record:
    """A run of two instances, each so many times as fast as usual, give or take half a percent."""
    luck = math.exp(random.Random(f"{name} {precision.value}").gauss(0, 0.005))
    config = RunConfig(cores_per_instance=2, instances=2, precision=precision)
    kernel = {
        Precision.AVX_FP32: KernelShare("convolution", "f32", "avx2", 1.0, 53),
        Precision.AVX_INT8: KernelShare("convolution", "u8s8", "avx2_vnni", 1.0, 53),
    }[precision]
    base = make_record(config, host or make_fleet_host(name), run_id=f"run-{name}")
    instances = tuple(
        make_instance(
            slot, make_queries(BEGIN_NS, 60, int(500 * MS / (luck * factor))), kernels=(kernel,)
        )
        for slot, factor in zip(base.placement.slots, factors)
    )
    return replace(base, instances=instances, **changes)
