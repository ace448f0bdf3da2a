"""Described hosts: machines that nobody here has, and the plans expected for them.

`tests/hosts/plans/NAME.txt` holds what is expected of each, made by `render_plans`. Whoever changes
a rule on purpose writes the files anew with `python -m tests.hosts.described`, and reads the
difference line by line: it is the review.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from tests.hosts.synthetic import (
    GENOA_NPS4,
    GIB,
    GNR_SNC3,
    SPR,
    SPR_SNC4,
    Machine,
    Numbering,
    write_files,
    write_host,
)

from resnet50_bench.config import CoreKind, Mode, Precision, RunConfig, SharePer
from resnet50_bench.errors import ConfigError, PlacementError
from resnet50_bench.host.kernel_files import parse_cpu_list
from resnet50_bench.host.machine import Host, format_cpu_list, read_host
from resnet50_bench.placement.layout import plan_layout
from resnet50_bench.placement.supply import count_cores, label_kind
from resnet50_bench.report.terminal.host import describe_host_shape

if TYPE_CHECKING:
    from resnet50_bench.placement.slots import Placement, Slot

PLANS = Path(__file__).parent / "plans"


@dataclass(frozen=True, kw_only=True, eq=False)
class Described:
    """A host.

    Attributes:
        name: of its file of plans.
        about: what is special about it.
        machine: its topology.
        files: more files of its kernel, such as cgroups.
        cpuset: the CPUs that its cgroup allows, as a kernel list; "" for all.
    """

    name: str
    about: str
    machine: Machine
    files: dict[str, str] = field(default_factory=dict)
    cpuset: str = ""

    @property
    def allowed(self) -> frozenset[int]:
        """The CPUs that may be used, worked out without the reader."""
        online = set(self.machine.numbers) - self.machine.offline
        return frozenset(online & set(parse_cpu_list(self.cpuset)) if self.cpuset else online)

    def read(self, root: Path) -> Host:
        """Write the host's files below a folder and read them."""
        write_host(root, self.machine)
        write_files(root, self.files)
        return read_host(root)


def cgroup_v2(cpus: str = "", quota: str = "max 100000", mems: str = "") -> dict[str, str]:
    """The files of a container under cgroup v2."""
    pod = "sys/fs/cgroup/kube/pod"
    files = {"proc/self/cgroup": "0::/kube/pod\n", f"{pod}/cpu.max": f"{quota}\n"}
    files |= {f"{pod}/cpuset.cpus.effective": f"{cpus}\n"} if cpus else {}
    return files | ({f"{pod}/cpuset.mems.effective": f"{mems}\n"} if mems else {})


def cgroup_v1(cpus: str, quota_us: int, period_us: int) -> dict[str, str]:
    """The files of a container under cgroup v1."""
    folder = "sys/fs/cgroup"
    return {
        "proc/self/cgroup": "3:cpuset:/job\n2:cpu,cpuacct:/job\n1:name=systemd:/\n",
        f"{folder}/cpuset/job/cpuset.cpus": f"{cpus}\n",
        f"{folder}/cpu,cpuacct/job/cpu.cfs_quota_us": f"{quota_us}\n",
        f"{folder}/cpu,cpuacct/job/cpu.cfs_period_us": f"{period_us}\n",
    }


_GENOA_CPUS = "0-11,24-29,96-131,192-203,216-221,288-323"
_V1_CPUS = "4-9,20-25,36-41"

HOSTS = (
    Described(
        name="desktop",
        about="one socket of four cores, a kernel without memory nodes",
        machine=Machine(nodes=(4,), smt=2, has_nodes=False),
    ),
    Described(name="two-sockets", about="Sapphire Rapids, 2 x 56 cores", machine=SPR),
    Described(name="snc4", about="the same with four memory nodes a socket", machine=SPR_SNC4),
    Described(name="snc3", about="Granite Rapids: nodes of 43, 43 and 42 cores", machine=GNR_SNC3),
    Described(
        name="zen1-8-nodes",
        about="two EPYC 7601, four dies each",
        machine=Machine(packages=2, nodes=(8, 8, 8, 8), smt=2),
    ),
    Described(
        name="one-socket-8-nodes",
        about="an EPYC with every L3 cache as a memory node",
        machine=Machine(nodes=(3,) * 8, smt=2),
    ),
    Described(
        name="hybrid",
        about="Alder Lake: 8 P cores of two threads, 8 E cores",
        machine=Machine(nodes=(16,), smt=2, efficient=8),
    ),
    Described(
        name="hybrid-three-kinds",
        about="6 P, 8 E and 2 LP-E cores, and the quota of a cgroup of 9.5 CPUs",
        machine=Machine(nodes=(16,), smt=2, efficient=8, low_power=2),
        files=cgroup_v2(quota="950000 100000"),
    ),
    Described(
        name="hybrid-e-only",
        about="a container on a hybrid CPU that may use E cores and one P core's second thread",
        machine=Machine(nodes=(16,), smt=2, efficient=8),
        files=cgroup_v2(cpus="1,16-21"),
        cpuset="1,16-21",
    ),
    Described(
        name="arm-big-little",
        about="Arm, 4 big and 4 little cores by their capacity, no other file to tell",
        machine=Machine(nodes=(8,), efficient=4, kinds_by="capacity", has_nodes=False),
    ),
    Described(
        name="sixteen-sockets",
        about="1,024 CPUs",
        machine=Machine(packages=16, nodes=(32,), smt=2),
    ),
    Described(
        name="memory-only-nodes",
        about="Xeon Max: every node of cores has one of HBM without",
        machine=Machine(packages=2, nodes=(12, 12, 12, 12), smt=2, memory_only_nodes=8),
    ),
    Described(
        name="offline",
        about="CPU 0, all of core 3 and the second threads of socket 1 are off",
        machine=Machine(
            packages=2, nodes=(8,), smt=2, offline=frozenset({0, 3, 19, *range(24, 32)})
        ),
    ),
    Described(
        name="cgroup-v1",
        about="a cpuset that is uneven over the sockets, and a quota of 7.5 CPUs",
        machine=Machine(packages=2, nodes=(16,), smt=2, numbering=Numbering.SOCKETS_INTERLEAVED),
        files=cgroup_v1(_V1_CPUS, 375_000, 50_000),
        cpuset=_V1_CPUS,
    ),
    Described(
        name="cgroup-v2",
        about="parts of the nodes of a Genoa, and a quota of 37.5 CPUs",
        machine=GENOA_NPS4,
        files=cgroup_v2(cpus=_GENOA_CPUS, quota="3750000 100000"),
        cpuset=_GENOA_CPUS,
    ),
    Described(
        name="less-than-a-core",
        about="two cores, and a quota of 0.75 CPUs",
        machine=Machine(nodes=(2,)),
        files=cgroup_v2(quota="75000 100000"),
    ),
    Described(
        name="far-memory",
        about="memory of node 0 alone",
        machine=Machine(packages=2, nodes=(6,), smt=2),
        files=cgroup_v2(mems="0"),
    ),
    Described(
        name="emulated-nodes",
        about="numa=fake: two memory nodes list the same CPUs",
        machine=Machine(packages=2, nodes=(6,), smt=2, emulated_nodes=2, node_bytes=32 * GIB),
    ),
    Described(
        name="missing-node",
        about="four sockets with odd numbers, a hole from CPU 10 on, node 2 not shown",
        machine=Machine(
            packages=4,
            nodes=(5,),
            smt=2,
            package_ids=(0, 2, 36, 40),
            numbering=Numbering.SOCKETS_INTERLEAVED,
            hole=(10, 22),
            unlisted_nodes=frozenset({2}),
        ),
    ),
    Described(
        name="guest-of-sockets",
        about="a hypervisor that makes every CPU a socket",
        machine=Machine(packages=8, nodes=(1,), has_nodes=False),
    ),
)

_SHARED = {"weight_sharing": True, "precision": Precision.AVX_INT8}
REQUESTS: dict[str, dict[str, object]] = {
    "--cores-per-instance 1": {"cores_per_instance": 1},
    "--cores-per-instance 4": {"cores_per_instance": 4},
    "--cores-per-instance left out, all of a socket": {},
    "--cores-per-instance 4 --smt": {"cores_per_instance": 4, "smt": True},
    "--smt": {"smt": True},
    "--mode latency --span-sockets": {"mode": Mode.LATENCY, "span_sockets": True},
    "--mode accuracy": {"mode": Mode.ACCURACY},
    "--weight-sharing": _SHARED,
    "--weight-sharing --share-per node --cores-per-instance 3": {
        **_SHARED,
        "share_per": SharePer.NODE,
        "cores_per_instance": 3,
    },
    "--mpi --num-mpi 2": {"mpi": True, "num_mpi": 2},
    "--mpi --smt --cores-per-instance 4": {"mpi": True, "smt": True, "cores_per_instance": 4},
}
HYBRID_REQUESTS: dict[str, dict[str, object]] = {
    "--core-kind e": {"core_kind": CoreKind.E},
    "--core-kind lp --cores-per-instance 1": {"core_kind": CoreKind.LP, "cores_per_instance": 1},
    "--core-kind any": {"core_kind": CoreKind.ANY},
    "--core-kind any --cores-per-instance 3": {"core_kind": CoreKind.ANY, "cores_per_instance": 3},
    "--core-kind any --mode accuracy": {"core_kind": CoreKind.ANY, "mode": Mode.ACCURACY},
    "--core-kind any --weight-sharing": {"core_kind": CoreKind.ANY, **_SHARED},
    "--core-kind any --mpi --num-mpi 2": {"core_kind": CoreKind.ANY, "mpi": True, "num_mpi": 2},
}


def list_requests(described: Described) -> dict[str, dict[str, object]]:
    """What is asked of a host."""
    return REQUESTS | (HYBRID_REQUESTS if described.machine.is_hybrid else {})


def render_plans(described: Described, host: Host) -> str:
    """The plans of a host, a paragraph for each request."""
    lines = [f"# {described.about}", f"# {describe_host_shape(host)}"]
    for name, asked in list_requests(described).items():
        lines += ["", name, *(f"  {line}" for line in _render_plan(host, asked))]
    return "\n".join(lines) + "\n"


def _render_plan(host: Host, asked: dict[str, object]) -> list[str]:
    try:
        placement = plan_layout(RunConfig(**asked), host)
    except PlacementError as error:
        return [f"refused: {error.message}", f"  -> {error.advice}"]
    except ConfigError as error:
        return [f"refused: {error.message}"]
    return [
        *_render_slots(placement),
        *(f"idle {format_cpu_list(idle.cpus)}: {idle.reason}" for idle in placement.idle_cores),
        *(f"note: {note}" for note in placement.notes),
    ]


def _render_slots(placement: Placement) -> list[str]:
    lines = []
    for _, group in groupby(placement.slots, key=_describe_slot):
        slots = list(group)
        who = format_cpu_list(tuple(slot.instance for slot in slots))
        cpus = format_cpu_list(tuple(cpu for slot in slots for cpu in slot.cpus))
        lines.append(f"instance {who}: {_describe_slot(slots[0])}, cpus {cpus}")
    return lines


def _describe_slot(slot: Slot) -> str:
    streams = f" in {_count(len(slot.streams), 'stream')}" if slot.streams else ""
    return (
        f"{count_cores(slot.cores, label_kind(slot.core_kind))}, "
        f"{_count(slot.threads, 'thread')}{streams}, socket "
        f"{format_cpu_list(slot.sockets)}, node {format_cpu_list(slot.nodes)}"
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def main() -> None:
    """Write the files of plans anew."""
    PLANS.mkdir(exist_ok=True)
    for described in HOSTS:
        with tempfile.TemporaryDirectory() as folder:
            text = render_plans(described, described.read(Path(folder)))
        (PLANS / f"{described.name}.txt").write_text(text)
        sys.stdout.write(f"{described.name}.txt\n")


if __name__ == "__main__":
    main()
