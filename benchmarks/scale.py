"""Whether r50 itself keeps up with machines far larger than this one: `python benchmarks/scale.py`.

(a) the time to place 1,000 instances on 16 sockets, which are only described;
(b) processor time and memory to gather the answers of 2,500, 5,000 and 10,000 null-engine
    instances, none of which is a process, and to make, write, read and judge the record of them;
    once when all of them answered, and once when all were killed for want of memory;
(c) processor time and memory of `r50 fleet run` itself for 500, 1,000 and 2,000 null hosts, none of
    which is there: the playbook written, every event of Ansible taken, every record checked, put in
    its place and noted; and of `r50 fleet report` over them.

It ends with exit code 1 when placing takes 100 ms or more, or when a cost grows much faster than
the number of instances or hosts. It takes about two minutes.
"""

from __future__ import annotations

import argparse
import hashlib
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import msgspec

from resnet50_bench.config import Mode, Precision, RunConfig, plan_workload
from resnet50_bench.data.feed import FeedReport
from resnet50_bench.fleet.engine import playbook
from resnet50_bench.fleet.engine.incoming import Wanted
from resnet50_bench.fleet.engine.running import Event
from resnet50_bench.fleet.ledger import Ledger
from resnet50_bench.fleet.peers import HostRun, compare_hosts, read_host_run
from resnet50_bench.fleet.state import State, append_row, name_folder, read_state, write_state
from resnet50_bench.host.machine import Core, Host, Node
from resnet50_bench.host.memory_policy import MemoryPolicy
from resnet50_bench.host.specs import describe_host
from resnet50_bench.instance.job import (
    EvidenceSeen,
    Finished,
    Job,
    Phases,
    PlacementSeen,
    Ready,
    Started,
    encode,
)
from resnet50_bench.launch.local import Process
from resnet50_bench.placement.plan import plan_placement
from resnet50_bench.placement.request import PlacementRequest
from resnet50_bench.placement.slots import Placement, Slot
from resnet50_bench.report.peers import render_fleet
from resnet50_bench.report.terminal.placement_map import render_placement
from resnet50_bench.results.files import read_record, write_record
from resnet50_bench.results.kpi import run_kpis
from resnet50_bench.results.record import Launch, Record
from resnet50_bench.session.outcome import describe_instances
from resnet50_bench.verdict.judge import judge

BIG = "16x64x2 snc2"
PLACED = 1000
MAX_PLACING_S = 0.1
COUNTS = (2500, 5000, 10_000)
SOCKETS = 16
QUERIES = 40
QUERY_NS = 50_000_000
BEGIN_NS = 1_000_000_000_000
REPEATS = 5
MAX_GROWTH = 2.0
"""How much more an instance may cost among 10,000 than among 2,500: 1 is linear, 4 quadratic."""

NAMES = 400_000
"""Several times as many parts of paths as 2,000 hosts have."""

HOSTS = (500, 1000, 2000)
TASKS = ("prepare", "measure 0", "fetch 0", "clean")

NO_PROCESS = 2**22 + 1
"""Above the kernel's PID_MAX_LIMIT: a signal to it or its group reaches nothing."""

CONFIG = RunConfig(engine="null", batch_size=1, steps=QUERIES, cores_per_instance=1)


@dataclass
class Replay:
    """Stands in for a worker's process and socket: its answers are there already."""

    answers: bytes
    status: int
    pid: int = NO_PROCESS

    def recv(self, _size: int) -> bytes:
        """Everything at once, then the end of the stream."""
        answers, self.answers = self.answers, b""
        return answers

    def wait(self, _timeout: float | None = None) -> int:
        """It ended long ago."""
        return self.status


def make_host(cores: int) -> Host:
    """One core per instance; more than a kernel supports, so it cannot be described."""
    per_socket = -(-cores // SOCKETS)
    usable = tuple(Core((cpu,), cpu // per_socket, cpu // per_socket) for cpu in range(cores))
    nodes = tuple(
        Node(node, tuple(core.cpus[0] for core in usable if core.node == node), 1 << 40)
        for node in range(SOCKETS)
    )
    return replace(
        describe_host("1x1"),
        cores=usable,
        nodes=nodes,
        total_sockets=SOCKETS,
        total_cores=cores,
        online_cpus=cores,
        allowed_cpus=tuple(range(cores)),
        memory_total_bytes=1 << 44,
        memory_available_bytes=1 << 43,
    )


def make_worker(slot: Slot, *, killed: bool) -> Process:
    """A worker that has said all it will say."""
    workload = plan_workload(CONFIG)
    job = Job(
        slot=slot,
        engine="null",
        engine_options={},
        model_path=None,
        precision=Precision.AVX_FP32,
        batch_size=1,
        steps=workload.steps,
        warmup_steps=workload.warmup_steps,
        min_time_ns=workload.min_time_ns,
    )
    begin = BEGIN_NS + slot.instance * 1000
    starts = tuple(begin + index * QUERY_NS for index in range(QUERIES))
    answers: list[Any] = [Started(1000 + slot.instance, BEGIN_NS)]
    if not killed:
        feed = FeedReport(
            kind="dummy", images=128, batches=128, batch_size=1, source="generated images, seed 0"
        )
        answers += [
            Ready(
                phases=Phases(load_ns=1, feed_ns=1, warmup_ns=1),
                warmup_query_ns=(QUERY_NS,) * workload.warmup_steps,
                feed=feed,
            ),
            Finished(
                start_ns=starts,
                end_ns=tuple(start + QUERY_NS for start in starts),
                cpu_ns=QUERIES * QUERY_NS,
                seen=PlacementSeen(
                    cpus=slot.cpus,
                    threads=1,
                    memory_policy=MemoryPolicy("bind", slot.nodes),
                    memory_policy_error=None,
                    anonymous_bytes={slot.nodes[0]: 100 << 20},
                ),
                resident_bytes=100 << 20,
                peak_resident_bytes=100 << 20,
                evidence=EvidenceSeen(runtime="null", fused_ops={}, notes=()),
            ),
        ]
    replay = Replay(b"".join(map(encode, answers)), -9 if killed else 0)
    stand_in = cast("Any", replay)
    return Process(
        job=job,
        process=stand_in,
        stream=stand_in,
        log_path=Path("/nonexistent"),
        launched_ns=BEGIN_NS,
        heard_ns=BEGIN_NS,
        on_predicted=lambda _: None,
    )


def gather(host: Host, placement: Placement, *, killed: bool) -> Record:
    """What the parent does with the answers of all workers."""
    workers = [make_worker(slot, killed=killed) for slot in placement.slots]
    for worker in workers:
        while not worker.closed:
            worker.receive()
    return Record(
        tool_version="0.1.0",
        run_id="simulated",
        created="2026-01-02T03:04:05+00:00",
        command=("r50", "run"),
        status="lost instances" if killed else "completed",
        config=CONFIG,
        workload=plan_workload(CONFIG),
        host=host,
        placement=placement,
        model=None,
        dataset=None,
        launch=Launch(environment={}, command=("python",)),
        instances=describe_instances(workers, oom_killed=killed, stopped=killed),
        memory_estimate_bytes=100 << 20,
    )


def measure(work: Callable[[], Any]) -> tuple[Any, float, int]:
    """The result, the processor time in seconds (the best of some), and the most memory held."""
    times = []
    for _ in range(REPEATS):
        begin = time.process_time()  # what else the machine does is not the question here
        work()
        times.append(time.process_time() - begin)
    tracemalloc.start()
    result = work()
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return result, min(times), peak_bytes


def measure_record(count: int, folder: Path, *, killed: bool) -> dict[str, tuple[float, int]]:
    """Seconds and bytes of each step of a run of so many instances."""
    host = make_host(count)
    costs: dict[str, tuple[float, int]] = {}

    def step(name: str, work: Callable[[], Any]) -> Any:
        result, *costs[name] = measure(work)  # type: ignore[assignment]
        return result

    placement = step("place", lambda: plan_placement(host, PlacementRequest(Mode.THROUGHPUT, 1)))
    assert len(placement.slots) == count
    step("draw the map", lambda: render_placement(host, placement))
    record = step("gather the record", lambda: gather(host, placement, killed=killed))
    step("write it", lambda: write_record(folder, record))
    again = step("read it", lambda: read_record(folder))
    assert again == record
    kpis = step("compute KPIs", lambda: run_kpis(record))
    assert (kpis is None) is killed
    verdict = step("judge", lambda: judge(record))
    assert verdict.valid is not killed
    return costs


def report_records(*, killed: bool) -> bool:
    """Print the table; return whether every cost is in proportion."""
    print("all killed for want of memory" if killed else "all answered")
    rows: dict[int, dict[str, tuple[float, int]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        measure_record(COUNTS[0], Path(folder), killed=killed)  # warm: imports, caches
        for count in COUNTS:
            rows[count] = measure_record(count, Path(folder), killed=killed)
    return print_growth(rows, COUNTS)


def measure_hosts(count: int, folder: Path) -> dict[str, tuple[float, int]]:
    """Seconds and bytes of each step of a fleet of so many hosts."""
    names = [f"node{number:04}" for number in range(count)]
    record = gather_small()
    content = msgspec.json.encode(record)
    sha256 = hashlib.sha256(content).hexdigest()
    case = Wanted("throughput_avx_fp32", Mode.THROUGHPUT, Precision.AVX_FP32)
    job = playbook.Job(
        cases=((case.name, "--engine", "null"),),
        missing=dict.fromkeys(names, (0,)),
        folders={name: name_folder(name) for name in names},
        installed="r50",
        wheel=None,
        image=None,
        limit_s=60,
        token="run-0",
        incoming=folder / "incoming",
    )
    job.incoming.mkdir()
    costs: dict[str, tuple[float, int]] = {}

    def step(name: str, work: Callable[[], Any]) -> Any:
        begin = time.process_time()
        tracemalloc.start()
        result = work()
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        costs[name] = (time.process_time() - begin, peak_bytes)
        return result

    def listen() -> int:
        """Two hosts at a time, as Ansible tells them: each task begins and ends."""
        state, measured = State(), 0
        write_state(folder, state)
        ledger = Ledger((case,), job.missing, job.folders, job.incoming, folder)
        said = f"r50-fleet now={time.time():.0f} code=0 size={len(content)} sha256={sha256}"
        for name in names:
            for task in TASKS:
                (job.incoming / f"{job.folders[name]}-0.json").write_bytes(content)
                ledger.take(Event(event="start", host=name, task=task))
                for ended in ledger.take(Event(event="ok", host=name, task=task, stdout=said)):
                    state.put(ended.row)
                    append_row(folder, ended.row)
                    measured += ended.row.outcome == "measured"
        assert ledger.close("") == []
        return measured

    def report() -> str:
        rows = read_state(folder)
        assert rows is not None
        runs = [
            run
            for row in rows.rows
            if isinstance(
                run := read_host_run(read_record(folder / str(row.folder)), row.host), HostRun
            )
        ]
        assert len(runs) == count
        return render_fleet(compare_hosts(runs))

    step("write the playbook", lambda: playbook.render_playbook(job))
    assert step("take in records", listen) == count
    step("report", report)
    return costs


def gather_small() -> Record:
    """A run of one instance that measured, as a null host sends it."""
    host = describe_host("1x1")
    placement = plan_placement(host, PlacementRequest(Mode.THROUGHPUT, 1))
    return gather(host, placement, killed=False)


def make_room_for_names() -> None:
    """Let Python's own table of interned strings grow now, and not while memory is counted.

    pathlib interns each part of each path. The table forgets a string when nobody holds it any
    more, and keeps its place until it is built anew: 0.9 MiB at once, at a host that nobody can
    foretell, whether there are 500 or 2,000 of them.
    """
    names = [sys.intern(f"name {number}") for number in range(NAMES)]
    names.clear()


def report_hosts() -> bool:
    """Print the table; return whether every cost is in proportion."""
    print("a fleet of null hosts")
    make_room_for_names()
    rows: dict[int, dict[str, tuple[float, int]]] = {}
    for count in (HOSTS[0], *HOSTS):  # the first is for imports and caches
        with tempfile.TemporaryDirectory() as folder:
            rows[count] = measure_hosts(count, Path(folder))
    return print_growth(rows, HOSTS)


def print_growth(rows: dict[int, dict[str, tuple[float, int]]], counts: tuple[int, ...]) -> bool:
    """Print the costs by count; return whether each is in proportion."""
    print(" " * 20 + "".join(f"{count:>22,}" for count in counts) + "   cost of one grows by")
    linear = True
    for name in rows[counts[0]]:
        cells = [rows[count][name] for count in counts]
        scale = counts[-1] / counts[0]
        growth = [last / first / scale for first, last in zip(cells[0], cells[-1])]
        linear &= growth[1] <= MAX_GROWTH
        linear &= growth[0] <= MAX_GROWTH or cells[-1][0] < 0.05
        text = "".join(f"{s * 1000:>11.1f} ms{b / 2**20:>6.1f} MB" for s, b in cells)
        print(f"  {name:18}{text}   x{growth[0]:.2f} time, x{growth[1]:.2f} memory")
    return linear


def report_placing(rounds: int) -> bool:
    """Print how long placing takes; return whether that is quick enough."""
    host = describe_host(BIG)
    request = PlacementRequest(Mode.THROUGHPUT, cores_per_instance=1, instances=PLACED)
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        placement = plan_placement(host, request)
        times.append(time.perf_counter() - begin)
    assert len(placement.slots) == PLACED
    median = statistics.median(times)
    print(
        f"placing {PLACED} instances on {BIG}: {median * 1000:.1f} ms "
        f"({min(times) * 1000:.1f} .. {max(times) * 1000:.1f} in {rounds})"
    )
    return median < MAX_PLACING_S


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    good = [report_placing(parser.parse_args().rounds)]
    good += [report_records(killed=killed) for killed in (False, True)]
    good.append(report_hosts())
    sys.exit(not all(good))


if __name__ == "__main__":
    main()
