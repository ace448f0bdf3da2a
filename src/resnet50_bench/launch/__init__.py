"""Starts workers, holds them at the barrier, gathers what they answer, and leaves none behind."""

from resnet50_bench.launch.barrier import Deadlines, run_workers, wait_for_traces
from resnet50_bench.launch.local import Worker, ignore_answers, start_workers

__all__ = [
    "Deadlines",
    "Worker",
    "ignore_answers",
    "run_workers",
    "start_workers",
    "wait_for_traces",
]
