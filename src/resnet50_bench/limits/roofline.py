"""What a machine can do at most, as it was measured: the answer that is kept, and put on record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.limits.kernels import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

METHOD_VERSION = 1
"""Raised when something else is measured than before under the same name."""

UNSTEADY = 0.1
"""From this difference of a peak's rounds on other work had the cores, or their frequency did not
hold; on a quiet machine they are 1 to 4 % apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """The most multiply-adds, in registers, by instructions of one kind.

    Attributes:
        kind: of instructions.
        operations_per_s: of all the CPUs together, the best of the rounds; two for a multiply-add.
        rounds: of each round, in their order.
    """

    kind: Kind
    operations_per_s: float
    rounds: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bandwidth:
    """The most bytes to and from a level of cache, or memory.

    Attributes:
        level: `L1`, `L2`, `L3` or `DRAM`.
        access: `read`, or `triad`, whose three arrays are counted once each, as STREAM does.
        bytes_per_s: of all the CPUs together, the best of the rounds.
        rounds: of each round, in their order.
        buffer_bytes: that each CPU went over again and again.
    """

    level: str
    access: str
    bytes_per_s: float
    rounds: tuple[float, ...]
    buffer_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Roofline:
    """All that was measured at one time.

    Attributes:
        version: `METHOD_VERSION` of the r50 that measured.
        cpus: on which; one of each core, all at once.
        measured: when: UTC, ISO 8601.
        peaks: of each kind that this machine can run.
        bandwidths: of each level and access that could be measured, the nearest level first.
        absent: what could not be measured, by its name, and why.
    """

    version: int = METHOD_VERSION
    cpus: tuple[int, ...]
    measured: str
    peaks: tuple[Peak, ...]
    bandwidths: tuple[Bandwidth, ...]
    absent: dict[str, str]

    def find_peak(self, kind: Kind) -> float | None:
        """Return the operations per second of a kind; None where it is absent."""
        return next((item.operations_per_s for item in self.peaks if item.kind is kind), None)

    def find_bandwidth(self, level: str, access: str = "read") -> float | None:
        """Return the bytes per second of a level; None where it is absent."""
        found = (
            item.bytes_per_s
            for item in self.bandwidths
            if (item.level, item.access) == (level, access)
        )
        return next(found, None)

    @property
    def spread(self) -> float:
        """Return the largest difference between the rounds of a peak, as a share of the best.

        Large where other work had the CPUs meanwhile, or their frequency did not hold.
        """
        return max((compute_spread(item.rounds) for item in self.peaks), default=0.0)


def compute_spread(rounds: Sequence[float]) -> float:
    """Return how far the lowest is below the highest, as a share of the highest."""
    best = max(rounds, default=0.0)
    return 1 - min(rounds) / best if best > 0 else 0.0
