"""Hostfiles, launchers and their command lines, and what they say about losses."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tests.records import make_slot

from resnet50_bench.config import Precision
from resnet50_bench.errors import HostError, RequestError
from resnet50_bench.instance.job import DummyFeedRequest, Entered, Job
from resnet50_bench.instance.mpi.protocol import (
    CHUNK_BYTES,
    JOBS_END,
    MARK,
    Errand,
    LogSent,
    decode_errand,
    encode_report,
    frame_report,
    join_lines,
    parse_report,
    plan_lines,
)
from resnet50_bench.launch.mpi import command as mpi_command
from resnet50_bench.launch.mpi.command import (
    FoundMpi,
    MpiPlan,
    MpiProgram,
    find_mpi,
    find_program,
    plan_command,
    plan_mpi,
    plan_rank,
    read_program,
)
from resnet50_bench.launch.mpi.hostfile import HostEntry, read_hostfile
from resnet50_bench.launch.mpi.losses import Death, find_death, find_lost_host, summarize_output

OPEN_MPI = MpiProgram("/opt/bin/mpirun", "Open MPI", "5.0.11")
MPICH = MpiProgram("/opt/bin/mpiexec", "MPICH", "5.0.2")


def make_program(folder: Path, name: str, output: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\ncat <<'E'\n{output}\nE\n")
    path.chmod(0o755)
    return path


class TestHostfile:
    def test_both_formats_and_notes(self, tmp_path):
        path = tmp_path / "hosts"
        path.write_text("# ours\nnodeA slots=4 max_slots=8\n\nnodeB:2 # half\n10.0.0.7\n")
        assert read_hostfile(path) == (
            HostEntry("nodeA", 4), HostEntry("nodeB", 2), HostEntry("10.0.0.7", None),
        )  # fmt: skip

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("nodeA\nnodeB slots=two\n", ", line 2: 'nodeB slots=two' is no host"),
            ("two words\n", ", line 1: 'two words' is no host"),
            ("a;rm\n", ", line 1: 'a;rm' is no host"),
            ("--oops\nb\n", ", line 1: '--oops' is no host"),
            ("nodeA\nnodeA:2\n", ", line 2: nodeA is there twice"),
            ("# nothing\n", " names no host"),
        ],
    )
    def test_what_is_wrong_is_said_with_its_line(self, tmp_path, text, message):
        path = tmp_path / "hosts"
        path.write_text(text)
        with pytest.raises(RequestError) as caught:
            read_hostfile(path)
        assert caught.value.message == f"--hostfile {path}{message}"

    def test_a_file_that_is_not_there(self, tmp_path):
        with pytest.raises(RequestError, match="cannot be read: No such file"):
            read_hostfile(tmp_path / "gone")


class TestPrograms:
    @pytest.mark.parametrize(
        ("output", "kind", "version"),
        [
            ("mpirun (Open MPI) 5.0.11\n\nReport bugs to x", "Open MPI", "5.0.11"),
            ("mpirun (Open MPI) 4.1.4", "Open MPI", "4.1.4"),
            ("HYDRA build details:\n    Version:      5.0.2\n    CC: cc", "MPICH", "5.0.2"),
        ],
    )
    def test_the_kind_and_version_are_what_it_says(self, tmp_path, output, kind, version):
        path = make_program(tmp_path, "mpirun", output)
        assert read_program(str(path)) == MpiProgram(str(path), kind, version)

    def test_an_unknown_launcher_is_quoted(self, tmp_path):
        path = make_program(tmp_path, "mpirun", "Fast MPI 7")
        with pytest.raises(HostError, match="to --version it says 'Fast MPI 7'"):
            read_program(str(path))

    def test_the_one_beside_python_comes_before_the_path(self, tmp_path, monkeypatch):
        own = make_program(tmp_path / "own", "mpiexec", "mpirun (Open MPI) 5.0.1")
        other = make_program(tmp_path / "other", "mpirun", "mpirun (Open MPI) 4.0.0")
        monkeypatch.setattr(sys, "executable", str(tmp_path / "own" / "python"))
        assert find_program(str(other.parent)).path == str(own)
        own.unlink()
        assert find_program(str(other.parent)).path == str(other)
        with pytest.raises(RequestError, match="no mpirun or mpiexec") as caught:
            find_program(str(tmp_path))
        assert caught.value.advice == "pip install 'resnet50-bench[mpi]'"

    def test_mpi4py_is_looked_for_first(self, monkeypatch):
        monkeypatch.setattr(mpi_command.importlib.util, "find_spec", lambda name: None)
        with pytest.raises(RequestError, match="--mpi needs mpi4py, which is not installed"):
            find_mpi(None, "")

    def test_slots_of_the_hostfile(self):
        entries = HostEntry("a", 2), HostEntry("b", None), HostEntry("c", 3)
        found = FoundMpi(OPEN_MPI, "hosts", entries)
        assert plan_mpi(found, (2, 9, 3)) == MpiPlan(OPEN_MPI, ("a", "b", "c"), (2, 9, 3))
        with pytest.raises(RequestError) as caught:
            plan_mpi(found, (2, 9, 4))
        assert caught.value.message == (
            "--hostfile hosts gives c 3 slots, and the run needs 4 there"
        )

    def test_a_rank_sits_where_the_hosts_before_it_are_full(self):
        plan = MpiPlan(OPEN_MPI, ("a", "b"), (2, 3))
        assert [plan.find_seat(rank) for rank in range(5)] == [
            (0, 0), (0, 1), (1, 0), (1, 1), (1, 2),
        ]  # fmt: skip
        assert [plan.find_host(rank) for rank in (1, 2)] == ["a", "b"]
        assert MpiPlan(OPEN_MPI, (), (2,)).find_host(1) is None


class TestCommands:
    def test_open_mpi_on_this_host(self, monkeypatch):
        monkeypatch.setattr(mpi_command.os, "geteuid", lambda: 1000)
        assert plan_command(MpiPlan(OPEN_MPI, (), (2,)), {"A": "1 2"}, ["rank"]) == [
            "/opt/bin/mpirun", "--mca", "pml", "ob1", "--mca", "btl", "self,tcp",
            "--mca", "btl_tcp_if_include", "lo", "--host", "localhost:2",
            "--map-by", "slot", "--bind-to", "none", "-n", "2", "env", "A=1 2", "rank",
        ]  # fmt: skip

    def test_open_mpi_on_hosts_as_root(self, monkeypatch):
        monkeypatch.setattr(mpi_command.os, "geteuid", lambda: 0)
        assert plan_command(MpiPlan(OPEN_MPI, ("a", "b", "c"), (4, 4, 2)), {}, ["rank"]) == [
            "/opt/bin/mpirun", "--allow-run-as-root", "--mca", "pml", "ob1",
            "--mca", "btl", "self,tcp", "--host", "a:4,b:4,c:2",
            "--map-by", "slot", "--bind-to", "none", "-n", "10", "env", "rank",
        ]  # fmt: skip

    def test_mpich(self):
        assert plan_command(MpiPlan(MPICH, (), (2,)), {}, ["rank"]) == [
            "/opt/bin/mpiexec", "-launcher", "fork", "-bind-to", "none", "-n", "2", "env", "rank",
        ]  # fmt: skip
        assert plan_command(MpiPlan(MPICH, ("a", "b"), (2, 3)), {}, ["rank"]) == [
            "/opt/bin/mpiexec", "-hosts", "a:2,b:3", "-bind-to", "none",
            "-n", "5", "env", "rank",
        ]  # fmt: skip

    def test_a_rank_runs_this_python(self):
        command = plan_rank(4, "/runs/x", "trace")
        assert command[0] == sys.executable
        assert command[-3:] == ["4", "/runs/x", "trace"]


OPEN_MPI_SIGNAL = """\
[vm:31884] plm:ssh: Warning: setpgid(31888,31888) failed in parent with errno=Permission denied(13)
--------------------------------------------------------------------------
prterun noticed that process rank 3 with PID 31932 on node nodeB exited on
signal 9 (Killed).
--------------------------------------------------------------------------
"""
OPEN_MPI_4_SIGNAL = """\
mpirun noticed that process rank 1 with PID 0 on node vm exited on signal 11 (Segmentation fault).
"""
OPEN_MPI_CODE = """\
prterun detected that one or more processes exited with non-zero status,
thus causing the job to be terminated. The first process to do so was:

   Process name: [prterun-vm-31827@1,3]
   Exit code:    5
"""
OPEN_MPI_4_CODE = "  Process name: [[9411,1],2]\n  Exit code:    7\n"
MPICH_SIGNAL = """\
===================================================================================
=   BAD TERMINATION OF ONE OF YOUR APPLICATION PROCESSES
=   PID 4242 RUNNING AT vm
=   EXIT CODE: 9
=   CLEANING UP REMAINING PROCESSES
===================================================================================
YOUR APPLICATION TERMINATED WITH THE EXIT STRING: Killed (signal 9)
"""
MPICH_CODE = "=   PID 4242 RUNNING AT vm\n=   EXIT CODE: 5\n"
UNREACHABLE = """\
------------------------------------------------------------
A daemon failed to report back after being spawned.

  Local host:    vm
  Remote host:   nodeA
  Daemon exit status: 1
------------------------------------------------------------
"""
ABORT = """\
[nodeA:00000] *** An error occurred in Socket closed
prterun has exited due to process rank 0 with PID 0 on node nodeA calling
"abort".
"""


class TestLosses:
    @pytest.mark.parametrize(
        ("text", "death"),
        [
            (OPEN_MPI_SIGNAL, Death(3, 31932, -9)),
            (OPEN_MPI_4_SIGNAL, Death(1, 0, -11)),
            (OPEN_MPI_CODE, Death(3, None, 5)),
            (OPEN_MPI_4_CODE, Death(2, None, 7)),
            (MPICH_SIGNAL, Death(None, 4242, -9)),
            (MPICH_CODE, Death(None, 4242, 5)),
            (MPICH_CODE.replace("5", "9"), Death(None, 4242, -9)),
            (UNREACHABLE, None),
            # Rank 0 saw another's end: it is not the one that was lost.
            (ABORT, None),
            ("", None),
        ],
    )
    def test_the_process_is_the_one_that_the_launcher_names(self, text, death):
        assert find_death(text) == death

    def test_the_host_that_was_lost(self):
        assert find_lost_host(UNREACHABLE) == "nodeA"
        lost = "  HNP daemon   : [x@0,0] on node vm\n  Remote daemon: [x@0,2] on node nodeB\n"
        assert find_lost_host(lost) == "nodeB"
        assert find_lost_host(OPEN_MPI_SIGNAL) is None

    def test_a_summary_is_one_line_without_frames(self):
        assert summarize_output(OPEN_MPI_SIGNAL) == (
            "prterun noticed that process rank 3 with PID 31932 on node nodeB exited on signal 9 "
            "(Killed)."
        )
        assert "not named" in summarize_output(ABORT)

    def test_what_a_rank_complained_of_counts_most(self):
        text = "Traceback\nr50: HostError: mpi4py does not work\n" + OPEN_MPI_CODE
        assert summarize_output(text) == "HostError: mpi4py does not work"


def make_errand(instance: int) -> Errand:
    job = Job(
        slot=make_slot(instance),
        engine="null",
        engine_options={},
        model_path="/models/" + "x" * 3000,
        precision=Precision.AVX_FP32,
        batch_size=1,
        steps=2,
        warmup_steps=1,
        min_time_ns=0,
        dummy=DummyFeedRequest(instance),
    )
    return Errand(job=job, place=instance, ranks_per_host=300)


class TestProtocol:
    def test_errands_of_any_size_arrive_in_short_lines(self):
        errands = [make_errand(instance) for instance in range(300)]
        *lines, end = plan_lines(errands)
        assert end == JOBS_END + b"\n"
        assert len(lines) > 1
        assert all(len(line) <= CHUNK_BYTES and line.endswith(b"\n") for line in lines)
        arrived = join_lines([line.rstrip(b"\n") for line in lines])
        assert [decode_errand(text) for text in arrived] == errands

    @pytest.mark.parametrize("report", [Entered("loading"), LogSent("two\nlines \u00e9")])
    def test_an_answer_is_one_line_with_its_rank(self, report):
        line = frame_report(12, encode_report(report))
        assert line.startswith(MARK)
        assert line.count(b"\n") == 1
        assert parse_report(line.removeprefix(MARK).rstrip(b"\n")) == (12, report)
