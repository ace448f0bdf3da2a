"""How much of what the machine can do a run got out of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.limits.kernels import PeakKernel, find_peak_kernel
from resnet50_bench.limits.kind import plan_kind
from resnet50_bench.limits.work import OPERATIONS, count_multiply_adds, read_layers

if TYPE_CHECKING:
    from resnet50_bench.results.kpi import Kpis
    from resnet50_bench.results.record import Record

DEFINITION = (
    "the multiply-adds of convolutions and classifier, padding counted, at the rate that the run's "
    "cores reach together in registers"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What the machine can do at most with the model, and what the run got.

    Attributes:
        kernel: whose rate is the limit.
        operations_per_s: of all cores of the run together, as it was measured.
        operations_per_image: of the model.
        cpus: on which it was measured: one of each core.
        measured: when: UTC, ISO 8601.
        images_per_s: what the run got.
    """

    kernel: PeakKernel
    operations_per_s: float
    operations_per_image: int
    cpus: tuple[int, ...]
    measured: str
    images_per_s: float

    @property
    def limit_images_per_s(self) -> float:
        """What would be possible if nothing but multiply-adds took time."""
        return self.operations_per_s / self.operations_per_image

    @property
    def share(self) -> float:
        """What the run got of it; more than 1 cannot be."""
        return self.images_per_s / self.limit_images_per_s


def compute_limit(record: Record, kpis: Kpis | None) -> Limit | None:
    """Return the share of the limit; None where no limit was measured, or nothing has a speed."""
    if record.roofline is None or record.model is None or kpis is None:
        return None
    kernel = find_peak_kernel(
        plan_kind(record.config.precision, record.host.cpu_flags, emulated=record.emulated)
    )
    rate = record.roofline.find_peak(kernel.kind)
    layers = read_layers(record.model.graph.structure)
    if rate is None or layers is None:
        return None
    return Limit(
        kernel=kernel,
        operations_per_s=rate,
        operations_per_image=OPERATIONS * count_multiply_adds(layers),
        cpus=record.roofline.cpus,
        measured=record.roofline.measured,
        images_per_s=kpis.images_per_s,
    )
