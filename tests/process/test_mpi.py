"""Instances as the ranks of an MPI job: on this host, and on two that are made of this one."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from resnet50_bench.errors import R50Error
from resnet50_bench.launch.mpi.command import find_program
from resnet50_bench.results.kpi import compute_kpis

from .conftest import MEASURE, QUICK, STEPS, assert_nothing_left, make_r50, wait_until
from .test_accuracy import IMAGES, WRONG, labelled, plan_words  # noqa: F401 - a fixture

try:
    PROGRAM = find_program(os.environ.get("PATH", ""))
except R50Error:
    PROGRAM = None
HAS_MPI = PROGRAM is not None and importlib.util.find_spec("mpi4py") is not None

needs_mpi = [
    pytest.mark.skipif(not HAS_MPI, reason="no MPI launcher or no mpi4py: install the extra mpi"),
    pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="two ranks need two cores"),
]

pytestmark = needs_mpi

MEASURING = "measure for about"
STARTING = "load, fill the feed, warm up"
LONG = [*QUICK, "--engine-option", "query_ms=20", "--steps", "100000"]
TWO = ["--mpi", "--num-mpi", 2]
AGENT = """\
#!/bin/sh
while [ "${1#-}" != "$1" ]; do shift; done
host=$1; shift
exec unshare --uts --mount sh -c 'hostname "$1"; %s shift; exec sh -c "$*"' sh "$host" "$@"
"""
"""Takes the place of ssh: it starts what it is to start in a host name of its own."""


class Hosts:
    """Two hosts, nodeA and nodeB, that are this machine under other names."""

    def __init__(self, root: Path) -> None:
        self._agent = root / "agent"
        self.file = root / "hosts"
        self.file.write_text("nodeA slots=2\nnodeB slots=2  # the same machine\n")
        self.change("")

    def change(self, commands: str) -> None:
        """Make the hosts differ by shell commands that each runs first, in its mounts."""
        self._agent.write_text(AGENT % commands)
        self._agent.chmod(0o755)

    def environment(self, agent: str | None = None) -> dict[str, str]:
        agent = agent or str(self._agent)
        if PROGRAM.kind == "MPICH":
            return {"HYDRA_LAUNCHER": "ssh", "HYDRA_LAUNCHER_EXEC": agent, "HYDRA_IFACE": "lo"}
        if PROGRAM.version.startswith("4."):
            return {"OMPI_MCA_plm_rsh_agent": agent}
        return {"PRTE_MCA_plm_ssh_agent": agent}


@pytest.fixture
def hosts(r50) -> Hosts:
    try:
        subprocess.run(["unshare", "--uts", "--mount", "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no right to give a process a host name of its own")
    return Hosts(r50.root)


def run(r50, *arguments, **options):
    return r50("run", *arguments, "--output", r50.output, **options)


def lines_about(text: str, word: str) -> list[str]:
    return [line for line in text.splitlines() if word in line]


class TestOneHost:
    def test_two_ranks_share_the_socket_and_the_record_says_where_they_ran(self, r50):
        ended = run(r50, *MEASURE, *TWO)
        assert ended.code == 0, ended.stdout + ended.stderr
        assert ended.stdout.endswith("\nVALID\n")
        assert f"by {PROGRAM.describe()}" in ended.stderr
        record = r50.record()
        assert [item.exit.kind for item in record.instances] == ["ok", "ok"]
        assert [item.seen.cpus for item in record.instances] == [
            item.slot.cpus for item in record.instances
        ]
        assert len({item.slot.cpus for item in record.instances}) == 2
        assert len({item.pid for item in record.instances}) == 2
        assert [item.host for item in record.instances] == [None, None]
        assert all(len(item.end_ns) >= STEPS for item in record.instances)
        assert all(item.spawn_ns > 0 for item in record.instances)
        assert record.launch.hosts == ()
        assert record.launch.command[0] == PROGRAM.path
        assert sorted(path.name for path in r50.folder().iterdir()) == [
            "benchmark_throughput_avx_fp32.log",
            "instance_000.log", "instance_001.log", "mpi.log", "record.json",
        ]  # fmt: skip
        assert r50("show", r50.folder()).stdout == ended.stdout

    def test_latency_with_cores_named(self, r50):
        arguments = [*MEASURE, *TWO, "--mode", "latency", "--cores-per-instance", 1]
        assert run(r50, *arguments).code == 0
        assert [item.slot.cores for item in r50.record().instances] == [1, 1]

    def test_instances_are_those_of_the_host(self, r50):
        arguments = [*MEASURE, "--mpi", "--instances", 2, "--cores-per-instance", 1]
        ended = run(r50, *arguments)
        assert ended.code == 0, ended.stdout + ended.stderr
        assert len({item.seen.cpus for item in r50.record().instances}) == 2

    def test_a_rank_with_streams_that_share_its_weights(self, r50):
        sharing = ["--weight-sharing", "--precision", "avx_int8", "--cores-per-instance", 1]
        ended = run(r50, *MEASURE, "--mpi", *sharing)
        assert ended.code == 0, ended.stdout + ended.stderr
        item = r50.record().instances[0]
        assert [stream.cpus for stream in item.streams] == list(item.slot.streams)
        assert len(item.streams) > 1
        assert all(len(stream.end_ns) >= STEPS for stream in item.streams)

    def test_real_images_reach_every_rank(self, r50, picture):
        assert run(r50, *MEASURE, *TWO, "--dataset", picture).code == 0
        assert [item.feed.kind for item in r50.record().instances] == ["real", "real"]

    def test_variables_reach_the_ranks(self, r50):
        run(r50, *MEASURE, *TWO, "--customer-env", "A='two words' OMP_NUM_THREADS=3")
        command = r50.record().launch.command
        assert "A=two words" in command
        assert "OMP_NUM_THREADS=3" in command

    def test_a_dry_run_prints_the_command_that_a_run_uses(self, r50):
        planned = json.loads(run(r50, *MEASURE, *TWO, "--dry-run", "--json").stdout)["mpi_command"]
        assert run(r50, *MEASURE, *TWO).code == 0
        assert r50.record().launch.command == tuple(planned)
        shown = run(r50, *MEASURE, *TWO, "--dry-run").stdout
        assert shlex.split(lines_about(shown, "MPI ")[0].removeprefix("MPI"))[0] == PROGRAM.path


class TestTwoHosts:
    def test_each_has_a_window_and_the_throughput_is_their_sum(self, r50, hosts):
        ended = run(r50, *MEASURE, *TWO, "--hostfile", hosts.file, env=hosts.environment())
        assert ended.code == 0, ended.stdout + ended.stderr
        record = r50.record()
        assert record.launch.hosts == ("nodeA", "nodeB")
        assert [item.host for item in record.instances] == ["nodeA", "nodeA", "nodeB", "nodeB"]
        assert [item.slot.instance for item in record.instances] == [0, 1, 2, 3]
        assert [item.seen.cpus for item in record.instances] == [
            slot.cpus for slot in record.placement.slots * 2
        ]
        assert [item.spawn_ns for item in record.instances] == [None] * 4
        own = [compute_kpis(record.instances[first : first + 2], 1) for first in (0, 2)]
        total = sum(kpis.images_per_s for kpis in own)
        assert f"Throughput  {total:.2f} images/s" in ended.stdout
        assert f"nodeB: {own[1].images_per_s:.2f} images/s" in ended.stdout
        assert "INSTANCES: 4" in r50.log().splitlines()
        # r50 cannot read the counters of other hosts: each instance has read its own CPUs'.
        assert record.contention is None
        assert [item.contention.cpus for item in record.instances] == [
            item.slot.cpus for item in record.instances
        ]
        assert "other hosts are watched over the whole window only" in ended.stdout

    def test_the_log_of_a_host_without_the_runs_folder_comes_back(self, r50, hosts):
        hosts.change(f"mount -t tmpfs none {r50.output};")
        fault = "query_ms=5 fault=raise fault_instance=3 fault_query=20"
        arguments = [*QUICK, *TWO, "--hostfile", hosts.file, "--engine-option", fault]
        ended = run(r50, *arguments, env=hosts.environment())
        assert ended.code == 3
        assert (
            "RuntimeError: the null engine was told to fail" in r50.record().instances[3].log_tail
        )
        assert not (r50.folder() / "instance_003.log").exists()
        (kept,) = r50.temporary.glob("r50-*")
        assert kept.name == f"r50-{r50.folder().name}"
        where = f"(its log is {kept / 'instance_003.log'} on nodeB)"
        assert r50.record().instances[3].log_tail.startswith(where)
        shutil.rmtree(kept)

    def test_a_precision_that_one_host_lacks_is_refused_by_name(self, r50, hosts):
        flags = r50.root / "cpuinfo"
        flags.write_text(
            re.sub(r" (avx512|amx|avx_vnni)\w*", "", Path("/proc/cpuinfo").read_text())
        )
        hosts.change(f"[ $1 = nodeB ] && mount --bind {flags} /proc/cpuinfo;")
        asked = ["--engine", "tensorflow", "--precision", "avx_int8", "--dry-run"]
        ended = run(r50, *asked, *TWO, "--hostfile", hosts.file, env=hosts.environment())
        assert ended.code == 2, ended.stdout + ended.stderr
        assert "error: nodeB: " in ended.stderr
        assert "avx_int8" in ended.stderr

    def test_a_host_that_cannot_be_reached(self, r50, hosts):
        environment = hosts.environment(agent=shutil.which("false"))
        ended = run(r50, *MEASURE, *TWO, "--hostfile", hosts.file, env=environment)
        assert ended.code == 3
        assert "error: node" in ended.stderr
        assert f" did not say what it is; {PROGRAM.describe()} says: " in ended.stderr
        assert "`ssh HOST true` must work without a password" in ended.stderr
        assert not r50.output.exists()

    def test_a_host_where_mpi4py_does_not_work(self, r50, hosts):
        import mpi4py

        folder = Path(mpi4py.__file__).parent
        hosts.change(f"[ $1 = nodeB ] && mount -t tmpfs none {folder};")
        ended = run(r50, *MEASURE, *TWO, "--hostfile", hosts.file, env=hosts.environment())
        assert ended.code == 3
        assert "HostError: mpi4py does not work on nodeB: " in ended.stderr
        assert "pip install 'resnet50-bench[mpi]' there" in ended.stderr

    def test_a_killed_rank_is_named_and_the_others_end_with_it(self, r50, hosts):
        arguments = [*LONG, *TWO, "--hostfile", hosts.file, *killed_by_itself(3)]
        ended = run(r50, *arguments, env=hosts.environment())
        assert_one_was_killed(r50, ended, 3)
        assert "instance 3 on nodeB was lost while measuring: signal: SIGKILL" in ended.stdout


def killed_by_itself(number: int) -> list[str]:
    """A second into the window. While the ranks still gather at the barrier, another one may see
    the connection close before the launcher sees which process died."""
    return [
        "--engine-option",
        f"query_ms=20 fault=kill fault_instance={number} fault_query=50",
    ]


def assert_one_was_killed(r50, ended, number: int) -> None:
    assert ended.code == 3
    assert r50.live() == {}
    record = r50.record()
    assert record.status == "lost instances"
    assert record.instances[number].exit.detail == "SIGKILL (Killed)"
    others = [item for item in record.instances if item.slot.instance != number]
    assert {item.exit.kind for item in others} == {"stopped"}
    assert {item.exit.detail for item in others} == {
        f"ended by {PROGRAM.describe()} with instance {number}, which was lost"
    }
    assert "#INVALID RESULT" in ended.stdout


class TestAccuracy:
    """Images are dealt to the ranks, whose answers arrive while the run goes on."""

    SEEN = f"{IMAGES - len(WRONG)} and {IMAGES - len(WRONG)} of {IMAGES} images"

    def test_hosts_of_different_kinds_see_each_image_once(self, r50, hosts, labelled):  # noqa: F811
        """nodeB may use one core of two, and its CPU has another name."""
        other = r50.root / "cpuinfo"
        names = re.sub(r"(model name\s*: ).*", r"\1Abacus 9000", Path("/proc/cpuinfo").read_text())
        other.write_text(names)
        first = min(os.sched_getaffinity(0))
        hosts.change(
            f"[ $1 = nodeB ] && mount --bind {other} /proc/cpuinfo && "
            f"taskset -cp {first} $$ >/dev/null;"
        )
        more = ["--engine-option", "answer=image", "--mpi", "--cores-per-instance", 1]
        arguments = plan_words(labelled, r50.output, *more, "--hostfile", hosts.file)
        ended = r50(*arguments, env=hosts.environment())
        assert ended.code == 0, ended.stdout + ended.stderr
        assert self.SEEN in ended.stdout
        assert (
            "dealt to 3 instances: 22 (nodeA 16, nodeB 6); seen 22, 0 of them twice" in ended.stdout
        )
        assert "nodeB: Abacus 9000" in ended.stdout
        record = r50.record()
        assert [(item.host, item.asked) for item in record.evaluation.shares] == [
            ("nodeA", 8), ("nodeA", 8), ("nodeB", 6),
        ]  # fmt: skip
        assert [item.seen.cpus for item in record.instances] == [
            slot.cpus for placement in record.placements for slot in placement.slots
        ]
        (there,) = record.others
        assert (there.name, there.host.cpu_model) == ("nodeB", "Abacus 9000")
        assert there.host.physical_cores == 1

    def test_a_killed_rank_loses_what_is_named_and_the_rest_is_seen_without_mpi(
        self,
        r50,
        labelled,  # noqa: F811
    ):
        fault = "answer=image query_ms=1100 fault=kill fault_instance=1 fault_query=3"
        ended = r50(*plan_words(labelled, r50.output, "--engine-option", fault, *TWO))
        assert ended.code == 3
        lost = r50.record().evaluation
        left = sum(len(item.missing) for item in lost.shares)
        assert 0 < left < IMAGES
        assert f"failed: {left} of {IMAGES} images were not answered: " in ended.stdout
        assert {item.asked > len(item.missing) for item in lost.shares} == {True}
        resumed = r50("run", "--resume", r50.folder(), "--set", "MPI=False")
        assert resumed.code == 0, resumed.stdout + resumed.stderr
        assert self.SEEN in resumed.stdout
        record = r50.record()
        assert not record.config.mpi
        assert record.evaluation.resumed_images >= IMAGES - left


@pytest.fixture(scope="module")
def hung(picture, tmp_path_factory):
    """Runs with a rank that hangs, at the same time: they wait for the deadline."""
    faults = {
        "measuring 0": "query_ms=5 fault=hang fault_instance=0 fault_query=20",
        "measuring 1": "query_ms=5 fault=hang fault_instance=1 fault_query=20",
        "loading": "fault=hang fault_instance=1",
    }

    def start(fault: str):
        runner = make_r50(tmp_path_factory.mktemp("hung"))
        arguments = [*QUICK, *TWO, "--dataset", picture, "--engine-option", fault]
        ended = run(runner, *arguments, "--timeout", 12)
        assert_nothing_left(runner)
        return runner, ended

    with ThreadPoolExecutor(len(faults)) as pool:
        return dict(zip(faults, pool.map(start, faults.values()), strict=True))


class TestLosses:
    @pytest.mark.parametrize("number", [0, 1])
    def test_a_rank_killed_while_it_measures(self, r50, number):
        ended = run(r50, *LONG, *TWO, *killed_by_itself(number))
        assert_one_was_killed(r50, ended, number)

    @pytest.mark.parametrize("number", [0, 1])
    def test_a_rank_that_fails_does_not_disturb_the_other(self, r50, number):
        fault = f"query_ms=5 fault=raise fault_instance={number} fault_query=20"
        ended = run(r50, *QUICK, *TWO, "--engine-option", fault)
        assert ended.code == 3
        kinds = [item.exit.kind for item in r50.record().instances]
        assert kinds == ["exception", "ok"] if number == 0 else ["ok", "exception"]
        assert f"instance {number} was lost while measuring: exception" in ended.stdout
        assert "Subtotal" in ended.stdout

    @pytest.mark.parametrize("number", [0, 1])
    def test_a_hung_rank_is_the_one_that_is_named(self, hung, number):
        runner, ended = hung[f"measuring {number}"]
        assert ended.code == 3
        kinds = [item.exit.kind for item in runner.record().instances]
        assert kinds == ["deadline", "ok"] if number == 0 else ["ok", "deadline"]
        assert lines_about(ended.stdout, "was lost") == [
            f"failed: instance {number} was lost while measuring: deadline: no answer in time, so "
            "r50 ended it"
        ]

    def test_a_rank_that_hangs_while_it_loads(self, hung):
        runner, ended = hung["loading"]
        assert ended.code == 3
        first, second = runner.record().instances
        assert (second.exit.kind, second.phase) == ("deadline", "loading")
        assert first.exit.kind == "stopped"


class TestSignals:
    @pytest.mark.parametrize("stage", [STARTING, MEASURING])
    @pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
    def test_a_signal_to_r50_ends_everything(self, r50, number, code, stage):
        options = ["--engine-option", "fault=hang"] if stage == STARTING else []
        process = r50.start("run", *LONG, *TWO, *options, "--output", r50.output)
        r50.wait_for_stderr(process, stage)
        process.send_signal(number)
        ended = r50.end(process)
        assert r50.live() == {}
        assert ended.code == code
        assert "Traceback" not in ended.stderr
        assert r50.record().status == "interrupted"
        assert {item.exit.kind for item in r50.record().instances} <= {"stopped"}

    def test_nothing_outlives_an_r50_that_was_killed(self, r50):
        process = r50.start("run", *LONG, *TWO, "--output", r50.output)
        r50.wait_for_stderr(process, MEASURING)
        process.kill()
        process.wait()
        wait_until(lambda: r50.live() == {}, "the launcher and its ranks")


class TestRefusals:
    def test_more_ranks_than_cores(self, r50):
        ended = run(r50, *MEASURE, "--mpi", "--num-mpi", 10_000)
        assert ended.code == 2
        assert "error: --num-mpi 10000 does not fit: " in ended.stderr
        assert "  -> use --num-mpi " in ended.stderr

    def test_more_cores_than_a_socket_has(self, r50):
        ended = run(r50, *MEASURE, *TWO, "--cores-per-instance", 10_000)
        assert ended.code == 2
        assert "error: --cores-per-instance 10000 does not fit" in ended.stderr

    def test_no_launcher(self, r50):
        """A Python in a folder without one, and nothing in $PATH."""
        alone = r50.root / "alone"
        alone.mkdir()
        (alone / "python").symlink_to(sys.executable)
        paths = {sysconfig.get_path("purelib"), *filter(None, sys.path)}
        ended = r50(
            "run", *MEASURE, *TWO, "--output", r50.output,
            command=[str(alone / "python"), "-c", "from resnet50_bench.cli import main; main()"],
            env={"PATH": str(alone), "PYTHONPATH": os.pathsep.join(paths)},
        )  # fmt: skip
        assert ended.code == 2
        assert ended.stderr.splitlines() == [
            "error: --mpi needs an MPI launcher, and there is no mpirun or mpiexec in $PATH",
            "  -> pip install 'resnet50-bench[mpi]'",
        ]
