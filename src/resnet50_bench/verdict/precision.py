"""Whether what ran is what the label says: the kernels of a record against its precision."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from resnet50_bench.engines.base import UNKNOWN_ISA, KernelShare
from resnet50_bench.precision.meaning import plan_meaning
from resnet50_bench.precision.proof import Proof, ProofState, plan_verdict
from resnet50_bench.results.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from resnet50_bench.precision.meaning import PrecisionMeaning
    from resnet50_bench.results.record import InstanceRecord, Record


def prove(record: Record) -> Proof | None:
    """Return what the kernels that ran say about the precision; None for an engine without any.

    Every instance has to prove it, by a trace that holds every convolution of the model: one that
    ran outside oneDNN is in no trace. The answer is that of the instance with the least share.
    """
    if record.model is None:
        return None
    needed = record.model.graph.structure.convolutions
    proofs = [plan_verdict(_read_meaning(record, item), item.kernels) for item in record.instances]
    if not proofs or any(_count_convolutions(item) < needed for item in record.instances):
        return Proof(ProofState.UNPROVEN, None, ())
    return min(proofs, key=lambda proof: proof.share or 0.0)


def _read_meaning(record: Record, item: InstanceRecord) -> PrecisionMeaning:
    """What the precision means on the machine that an instance was on."""
    return plan_meaning(record.config.precision, record.find_host(item.host).cpu_flags)


def _count_convolutions(item: InstanceRecord) -> int:
    return sum(kernel.calls for kernel in item.kernels if kernel.primitive == "convolution")


def _explain_unproven(record: Record) -> str:
    unseen = any(
        kernel.primitive == "convolution" and kernel.isa == UNKNOWN_ISA
        for item in record.instances
        for kernel in item.kernels
    )
    if unseen:
        return "with which instructions its convolutions computed is not known"
    return "the engine's trace does not hold the model's convolutions"


def merge_kernels(traces: Sequence[tuple[KernelShare, ...]]) -> tuple[KernelShare, ...]:
    """Return the kernels of several traces as one: the mean share, all calls; longest first."""
    shares: dict[tuple[str, str, str], float] = defaultdict(float)
    calls: dict[tuple[str, str, str], int] = defaultdict(int)
    for kernel in (kernel for trace in traces for kernel in trace):
        kind = kernel.primitive, kernel.dtype, kernel.isa
        shares[kind] += kernel.time_share / len(traces)
        calls[kind] += kernel.calls
    by_share = sorted(shares, key=lambda kind: shares[kind], reverse=True)
    return tuple(KernelShare(*kind, shares[kind], calls[kind]) for kind in by_share)


def check_precision(record: Record) -> Iterator[Finding]:
    """What ran is what the label says; an emulated run need only keep to the data type."""
    proof = prove(record)
    if proof is None or record.status != "completed":
        return
    if proof.share is None:
        failures = sorted({item.trace_failure for item in record.instances if item.trace_failure})
        reason = "; ".join(failures) or _explain_unproven(record)
        yield Finding(
            f"UNPROVEN: what ran could not be read from the engine: {reason}",
            "look at the trace_*.log files of the run, and at --customer-env",
        )
        return
    meaning = plan_meaning(record.config.precision, record.host.cpu_flags)
    wrong = proof.offenders
    if record.emulated:
        wrong = tuple(item for item in wrong if item.dtype not in meaning.kernel_dtypes)
    if proof.state is ProofState.MISLABELED and wrong:
        kernels = ", ".join(
            f"{kernel.primitive} in {kernel.dtype} on {kernel.isa} ({kernel.time_share:.0%})"
            for kernel in wrong[:3]
        )
        yield Finding(
            f"MISLABELED: {proof.share:.0%} of the convolutions' time was spent in "
            f"{record.config.precision.value}; the rest ran as {kernels}",
            "something excludes the instructions: look at ONEDNN_MAX_CPU_ISA in --customer-env",
        )
