"""Starts workers, holds them at the barrier, gathers what they answer, and leaves none behind."""

from resnet50_bench.launch.barrier import Deadlines, run_workers, wait_for_traces
from resnet50_bench.launch.gramine import GramineLauncher
from resnet50_bench.launch.local import LocalLauncher
from resnet50_bench.launch.mpi.command import MpiPlan, plan_mpi
from resnet50_bench.launch.mpi.launcher import MpiLauncher
from resnet50_bench.launch.worker import Launcher, Worker, ignore_answers

__all__ = [
    "Deadlines",
    "GramineLauncher",
    "Launcher",
    "LocalLauncher",
    "MpiLauncher",
    "MpiPlan",
    "Worker",
    "ignore_answers",
    "plan_mpi",
    "run_workers",
    "wait_for_traces",
]
