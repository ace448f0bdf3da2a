"""How near to the machine's roofline each convolution of a run came.

    time of an ideal machine = the larger of operations / peak and bytes / bandwidth

A layer whose operations take longer is compute-bound, any other is memory-bound. The bytes are the
least there are: weights once a query, each image's values read once and written once. The bandwidth
is that of the nearest level of the measured ones into which the layer's data fit, a core's part of
them into the buffer that the level was measured with; that of memory where they fit into none. A
layer that took less than its ideal time found its data nearer than that, or skipped zeros of the
padding, which count as work.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.limits.kind import plan_kind
from resnet50_bench.limits.levels import DRAM

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resnet50_bench.limits.roofline import Bandwidth, Roofline
    from resnet50_bench.results.kernel_logs import Profile
    from resnet50_bench.results.layers import LayerTime
    from resnet50_bench.results.record import Record

_MS = 1e3
_VALUE_BYTES = {"f32": 4, "bf16": 2, "f16": 2, "u8": 1, "s8": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """What an ideal machine would take for a layer.

    Attributes:
        is_compute: the operations take longer than the bytes.
        level: that the bytes were taken to come from.
        ideal_ms: for one query.
        peak_share: the rate that was reached, of the peak, 0..1.
    """

    is_compute: bool
    level: str
    ideal_ms: float
    peak_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerResult:
    """A convolution, as means over the queries that were counted.

    Attributes:
        time: what was measured of it.
        query_ms: its kernels' time.
        operations: two for each multiply-add, padding counted.
        moved_bytes: the least that it moves.
        bound: None without a measured roofline.
    """

    time: LayerTime
    query_ms: float
    operations: float
    moved_bytes: float
    bound: Bound | None

    @property
    def operations_per_s(self) -> float | None:
        """The rate that was reached; None where the trace's clock saw no time."""
        return self.operations * _MS / self.query_ms if self.query_ms else None

    @property
    def intensity(self) -> float:
        """Operations for each byte."""
        return self.operations / self.moved_bytes

    @property
    def lost_ms(self) -> float | None:
        """What it took longer than an ideal machine; below 0 where it was faster."""
        return self.query_ms - self.bound.ideal_ms if self.bound is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerResults:
    """All convolutions of a run.

    Attributes:
        layers: in the model's order; () where the lines could not be told apart.
        cores: that compute one kernel together.
        unbounded: why there are no bounds; None where there are.
    """

    layers: tuple[LayerResult, ...]
    cores: float
    unbounded: str | None

    @property
    def query_ms(self) -> float:
        """Of all convolutions together."""
        return sum(item.query_ms for item in self.layers)

    @property
    def ideal_ms(self) -> float | None:
        """What an ideal machine of this roofline would take for them; None without one."""
        bounds = [item.bound for item in self.layers if item.bound is not None]
        return sum(bound.ideal_ms for bound in bounds) if bounds else None


@dataclass(frozen=True, slots=True)
class _Roof:
    """The part of a roofline that the cores of one kernel have."""

    peak_per_s: float
    bandwidths: tuple[Bandwidth, ...]
    part: float
    cores: float

    def bound(self, operations: float, moved_bytes: float, query_ms: float) -> Bound:
        level = self._choose_level(moved_bytes / self.cores)
        compute_ms = operations / (self.peak_per_s * self.part) * _MS
        memory_ms = moved_bytes / (level.bytes_per_s * self.part) * _MS
        return Bound(
            is_compute=compute_ms >= memory_ms,
            level=level.level,
            ideal_ms=max(compute_ms, memory_ms),
            peak_share=compute_ms / query_ms if query_ms else 0.0,
        )

    def _choose_level(self, bytes_per_core: float) -> Bandwidth:
        fitting = (
            item
            for item in self.bandwidths
            if item.level == DRAM or bytes_per_core <= item.buffer_bytes
        )
        return next(fitting, self.bandwidths[-1])


def compute_layers(record: Record, profile: Profile) -> LayerResults:
    """Return the convolutions of a profile, against the roofline on record.

    Args:
        record: of the run.
        profile: of its trace.
    """
    cores = count_cores(record, profile.instances)
    roof, unbounded = _find_roof(record, cores)
    layers = tuple(_compute_layer(item, roof) for item in profile.layers.layers if item.passes)
    return LayerResults(layers=layers, cores=cores, unbounded=unbounded)


def count_cores(record: Record, instances: Sequence[int]) -> float:
    """Return how many cores compute one kernel: an instance's, or a part of them.

    A stream's threads, and several callers, each compute a part of a query on their own.
    """
    slots = [slot for slot in record.placement.slots if slot.instance in instances]
    slot = (slots or record.placement.slots)[0]
    if slot.streams:
        return 1.0
    callers = record.config.engine_options.get("callers", "1")
    return slot.cores / max(1, int(callers) if callers.isdecimal() else 1)


def _find_roof(record: Record, cores: float) -> tuple[_Roof | None, str | None]:
    roofline = record.roofline
    if roofline is None:
        reason = record.roofline_failure or "none was measured with this run"
        return None, f"no roofline is on record: {reason}"
    kind = plan_kind(record.config.precision, record.host.cpu_flags, emulated=record.emulated)
    peak = roofline.find_peak(kind)
    bandwidths = _list_reads(roofline)
    if peak is None or not bandwidths:
        missing = f"peak of {kind.value}" if peak is None else "bandwidth"
        return None, f"the roofline on record has no {missing}"
    return _Roof(peak, bandwidths, cores / len(roofline.cpus), cores), None


def _list_reads(roofline: Roofline) -> tuple[Bandwidth, ...]:
    return tuple(item for item in roofline.bandwidths if item.access == "read")


def _compute_layer(item: LayerTime, roof: _Roof | None) -> LayerResult:
    layer, passes = item.layer, item.passes
    value_bytes = _count_value_bytes(item.kind[0])
    values = layer.input_values + layer.output_values
    moved = (
        passes * layer.count_weight_bytes(value_bytes)
        + (item.images * values + item.added_images * layer.output_values) * value_bytes
    )
    operations, query_ms = item.images * layer.operations / passes, item.time_ms / passes
    moved_bytes = moved / passes
    return LayerResult(
        time=item,
        query_ms=query_ms,
        operations=operations,
        moved_bytes=moved_bytes,
        bound=roof.bound(operations, moved_bytes, query_ms) if roof is not None else None,
    )


def _count_value_bytes(dtype: str) -> int:
    """Of a value in memory, by the begin of the data type's name: its source's."""
    sizes = (size for name, size in _VALUE_BYTES.items() if dtype.startswith(name))
    return next(sizes, 4)
