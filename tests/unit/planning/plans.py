"""Plans of the null engine, on a host of two sockets, in place of this machine."""

from __future__ import annotations

from tests.hosts.synthetic import Machine

from resnet50_bench.config import DataType, RunConfig
from resnet50_bench.data.sources import ImageRef
from resnet50_bench.planning.plan import RunPlan, plan_run

EIGHT_CORES = Machine(packages=2, nodes=(4,), smt=2)
MIB = 1024**2
IMAGE_BYTES = 602_112  # 224 * 224 * 3 values of 4 bytes


def plan(environ: dict[str, str] | None = None, **asked: object) -> RunPlan:
    return plan_run(RunConfig(**({"engine": "null"} | asked)), environ or {})


def real(images: str, **asked: object) -> RunPlan:
    return plan(data_type=DataType.REAL, dataset=images, **asked)


def names(refs: tuple[ImageRef, ...]) -> list[str]:
    return [ref.name for ref in refs]
