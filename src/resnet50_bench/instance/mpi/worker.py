"""The entry of a rank of an MPI job: one instance; the work itself is `worker`'s.

Its arguments are how many ranks there must be, the run's folder, and the stem of its log's name.
"""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from resnet50_bench import __version__
from resnet50_bench.errors import HostError, RequestError
from resnet50_bench.files.hashes import hash_path
from resnet50_bench.host.machine import format_cpu_list, read_host
from resnet50_bench.instance.mpi.channel import Leaf, Parent, Root
from resnet50_bench.instance.mpi.joining import end_with_complaint, join_job, split_by_host
from resnet50_bench.instance.mpi.protocol import Landed, decode_errand
from resnet50_bench.instance.worker import answer
from resnet50_bench.signals import end_with_parent

if TYPE_CHECKING:
    from resnet50_bench.instance.job import Job
    from resnet50_bench.instance.mpi.protocol import Errand, HostFacts


def main() -> None:
    """Do one rank's part; a failure of MPI itself ends the rank at once, and so the whole job."""
    try:
        _run(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
    except BaseException as error:  # noqa: BLE001 - any other way out would wait for the others
        end_with_complaint(error)


def _run(size: int, folder: Path, stem: str) -> None:
    end_with_parent()
    comm, library = join_job(size)
    reports_fd = os.dup(sys.stdout.fileno())
    log = _move_output(folder, f"{stem}_{comm.rank:03d}.log")
    channel: Root | Leaf
    if comm.rank == 0:
        channel = Root(comm, log, Parent(sys.stdin.fileno(), reports_fd))
    else:
        channel = Leaf(comm, log)
    local = split_by_host(comm)
    errand = decode_errand(channel.receive_errand())
    channel.tells_meanwhile = errand.job.evaluation is not None
    channel.send(Landed(hostname=socket.gethostname(), log_path=str(log), library=library))
    answer(channel, lambda: _accept(errand, local.rank, local.size))
    channel.close()


def _move_output(folder: Path, name: str) -> Path:
    """Have all output go to a log: in the run's folder, where this host has that, or else in its
    folder for temporary files.
    """
    if not folder.is_dir():
        folder = Path(tempfile.gettempdir()) / f"r50-{folder.name}"
        folder.mkdir(exist_ok=True)
    path = folder / name
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(log, sys.stdout.fileno())
    os.dup2(log, sys.stderr.fileno())
    os.close(log)
    return path


def _accept(errand: Errand, place: int, ranks: int) -> Job:
    """Return the job, if this is where it was meant for.

    Raises:
        HostError: the launcher put another number of ranks on this host, or in another order.
        RequestError: this host is not what it was when its part of the run was planned.
    """
    if (place, ranks) != (errand.place, errand.ranks_per_host):
        raise HostError(
            f"on {socket.gethostname()} the launcher made this rank number {place} of {ranks}, and "
            f"it was to be number {errand.place} of {errand.ranks_per_host}",
            "look for settings of the MPI that change its mapping (OMPI_MCA_..., PRTE_MCA_...)",
        )
    os.environ.update(errand.environment)  # before anything that reads it is loaded
    if errand.facts is not None:
        _require_alike(errand.facts, errand.job.model_path)
    return errand.job


def _require_alike(facts: HostFacts, model_path: str | None) -> None:
    name, host = socket.gethostname(), read_host()
    advice = "run it again; if it stays so, look at what the launcher starts there, and where"
    if __version__ != facts.tool_version:
        raise RequestError(
            f"{name} has resnet50-bench {__version__} and r50 is {facts.tool_version}",
            "install the same version on all hosts",
        )
    if host.cpu_model != facts.cpu_model:
        raise RequestError(
            f"{name} has the CPU {host.cpu_model}, and its part was planned for {facts.cpu_model}",
            advice,
        )
    if host.cores != facts.cores:
        here, there = (
            format_cpu_list(tuple(cpu for core in cores for cpu in core.cpus))
            for cores in (host.cores, facts.cores)
        )
        raise RequestError(
            f"{name} has other cores than its part was planned for: CPUs {here} may be used now, "
            f"it was {there}, or their sockets and nodes differ",
            advice,
        )
    if model_path is not None:
        _require_model(name, Path(model_path), facts.model_sha256)


def _require_model(name: str, path: Path, sha256: str | None) -> None:
    advice = "share the folder of prepared models between the hosts, or copy it"
    try:
        found, _ = hash_path(path)
    except OSError as error:
        raise RequestError(
            f"{name} cannot read the prepared model {path}: {error.strerror}", advice
        ) from error
    if found != sha256:
        raise RequestError(f"{name} has another model in {path}", advice)
