"""How are instances started, held at the barrier, watched and ended?

One process an instance, by its module's name, with its environment set before it is executed; a
private channel to each; one word to all when all are ready. Whatever happens, none outlives its
block. `local` starts them here, `mpi` through MPI: one interface, `Launcher`.

May import `instance` (the messages, never its programs), `host` and the package root.

Public names:
    `Launcher`, `LocalLauncher`, `MpiLauncher`: how instances are started.
    `Worker`: an instance as its parent sees it.
    `run_workers`: everyone ready, one word to all, everyone finished.
"""

from resnet50_bench.launch.barrier import Deadlines, run_workers, wait_for_traces
from resnet50_bench.launch.gramine.launcher import GramineLauncher
from resnet50_bench.launch.local import LocalLauncher
from resnet50_bench.launch.mpi.command import FoundMpi, MpiPlan, find_mpi, plan_mpi
from resnet50_bench.launch.mpi.describing import describe_hosts
from resnet50_bench.launch.mpi.launcher import HostOrders, MpiLauncher
from resnet50_bench.launch.worker import Launcher, OnPredicted, Worker, ignore_answers

__all__ = [
    "Deadlines",
    "FoundMpi",
    "GramineLauncher",
    "HostOrders",
    "Launcher",
    "LocalLauncher",
    "MpiLauncher",
    "MpiPlan",
    "OnPredicted",
    "Worker",
    "describe_hosts",
    "find_mpi",
    "ignore_answers",
    "plan_mpi",
    "run_workers",
    "wait_for_traces",
]
