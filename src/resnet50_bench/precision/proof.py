"""Whether the kernels that ran are the ones a precision promises."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from resnet50_bench.engines.base import UNKNOWN_ISA

if TYPE_CHECKING:
    from resnet50_bench.engines.base import KernelShare
    from resnet50_bench.precision.meaning import PrecisionMeaning

PROVEN_SHARE = 0.95
"""The least share of the convolutions' time that proves a precision."""


class ProofState(str, Enum):
    """What the kernels that ran say about the precision asked for."""

    PROVEN = "PROVEN"
    MISLABELED = "MISLABELED"
    UNPROVEN = "UNPROVEN"


@dataclass(frozen=True, slots=True)
class Proof:
    """The claim of a precision, checked against the kernels that ran.

    Attributes:
        state: PROVEN, MISLABELED, or UNPROVEN when no convolution was traced, or when the
            instruction set of too many of them is not known.
        share: the fraction of the convolutions' time spent as claimed, 0..1; None if UNPROVEN.
        offenders: the convolution kernels that ran otherwise, by time, longest first; a PROVEN
            result may have a few.
    """

    state: ProofState
    share: float | None
    offenders: tuple[KernelShare, ...]


def plan_verdict(meaning: PrecisionMeaning, kernels: tuple[KernelShare, ...]) -> Proof:
    """Return whether the kernels that ran are those the precision promises.

    Only convolutions count: they are what the precision is about, and the final layer, the pooling
    and the conversions between layouts may well run otherwise.
    """
    convolutions = [kernel for kernel in kernels if kernel.primitive == "convolution"]
    total = math.fsum(kernel.time_share for kernel in convolutions)
    unknown = math.fsum(item.time_share for item in convolutions if item.isa == UNKNOWN_ISA)
    if total <= 0 or unknown / total > 1 - PROVEN_SHARE:
        return Proof(ProofState.UNPROVEN, None, ())
    offenders = [kernel for kernel in convolutions if not meaning.is_proven_by(kernel)]
    offenders.sort(key=lambda kernel: kernel.time_share, reverse=True)
    claimed = (kernel.time_share for kernel in convolutions if meaning.is_proven_by(kernel))
    share = math.fsum(claimed) / total
    state = ProofState.PROVEN if share >= PROVEN_SHARE else ProofState.MISLABELED
    return Proof(state, share, tuple(offenders))
