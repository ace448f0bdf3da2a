"""Candidates of a sweep that was never made, and what came of them."""

from __future__ import annotations

from resnet50_bench.config import Mode, Precision, RunConfig
from resnet50_bench.parameters.parameter import Setting
from resnet50_bench.search.attempts import Attempt, Figures
from resnet50_bench.search.folder import Sweep
from resnet50_bench.search.grid import Candidate
from resnet50_bench.search.identity import MachineIdentity, hash_config

MACHINE = MachineIdentity(cpu_model="Synthetic CPU", sockets=1, cores=4, threads=4, nodes=1)


def make_candidate(
    batch_size: int = 1,
    cores: int = 1,
    precision: Precision = Precision.AVX_FP32,
    mode: Mode = Mode.THROUGHPUT,
) -> Candidate:
    settings = (
        Setting("PRECISION", precision.value, "--precision"),
        Setting("BATCH_SIZE", str(batch_size), "--batch-size"),
        Setting("CORES_PER_INSTANCE", str(cores), "--cores-per-instance"),
    )
    config = RunConfig(
        mode=mode, precision=precision, batch_size=batch_size, cores_per_instance=cores
    )
    return Candidate(settings, config)


def make_attempt(
    candidate: Candidate, images_per_s: float, limit_share: float | None = None, **changes: object
) -> Attempt:
    """A valid run; its latency is what one caller would see."""
    config = candidate.config
    figures = Figures(
        batch_size=config.batch_size or 1,
        cores_per_instance=config.cores_per_instance or 1,
        instances=4 // (config.cores_per_instance or 1),
        images_per_s=images_per_s,
        throughput_interval=(images_per_s - 1, images_per_s + 1),
        latency_ms=1000 * (config.batch_size or 1) / images_per_s,
        latency_p99_ms=None,
        limit_share=limit_share,
    )
    fields = {
        "key": hash_config(config), "exit_code": 0, "seconds": 10.0, "folder": "20260101T000000Z-x",
        "figures": figures,
    }  # fmt: skip
    return Attempt(**(fields | changes))


def fail(candidate: Candidate, exit_code: int, problem: str, folder: str | None = None) -> Attempt:
    return Attempt(
        key=hash_config(candidate.config), exit_code=exit_code, folder=folder, problem=problem
    )


def make_sweep(*candidates: Candidate, **changes: object) -> Sweep:
    fields = {
        "tool_version": "1.0", "created": "2026-01-01T00:00:00+00:00", "command": ("r50", "sweep"),
        "machine": MACHINE, "rounds": 3, "seed": 0, "candidates": candidates,
    }  # fmt: skip
    return Sweep(**(fields | changes))
