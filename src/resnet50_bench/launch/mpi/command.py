"""Which MPI launcher there is, and the command line that has it start the ranks.

The launcher is asked for so many processes on each host and no binding; which CPUs each takes is
in its job, and it reports where it ran. That is the one contract all launchers keep.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from resnet50_bench.errors import HostError, RequestError
from resnet50_bench.interpreter import plan_arguments
from resnet50_bench.launch.mpi.hostfile import HostEntry, read_hostfile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_ADVICE = "pip install 'resnet50-bench[mpi]'"
_VERSION_SECONDS = 20.0
_OPEN_MPI = re.compile(r"\((?:Open MPI|OpenRTE)\) (\d[\w.]*)")
_MPICH = re.compile(r"HYDRA build details:.*?Version:\s*(\S+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class MpiProgram:
    """An MPI launcher.

    Attributes:
        path: of `mpirun` or `mpiexec`.
        kind: decides its options.
        version: as it says.
    """

    path: str
    kind: Literal["Open MPI", "MPICH"]
    version: str

    def describe(self) -> str:
        """Its name and version."""
        return f"{self.kind} {self.version}"


@dataclass(frozen=True, slots=True)
class FoundMpi:
    """An MPI launcher, and the hosts it is to start ranks on.

    Attributes:
        program: the launcher.
        hostfile: as it was named; None for this host alone.
        entries: of the hostfile; () for this host alone.
    """

    program: MpiProgram
    hostfile: str | None
    entries: tuple[HostEntry, ...]

    @property
    def hosts(self) -> tuple[str, ...]:
        """As the hostfile names them."""
        return tuple(entry.name for entry in self.entries)


@dataclass(frozen=True, slots=True)
class MpiPlan:
    """How MPI is to start a run.

    Attributes:
        program: the launcher.
        hosts: as the hostfile names them; () for this host alone.
        counts: how many ranks each host gets, in their order; one number for this host alone.
    """

    program: MpiProgram
    hosts: tuple[str, ...]
    counts: tuple[int, ...]

    @property
    def ranks(self) -> int:
        """How many processes there are in all."""
        return sum(self.counts)

    def find_seat(self, rank: int) -> tuple[int, int]:
        """Return a rank's host, by its place in `counts`, and which of that host's ranks it is."""
        for host, count in enumerate(self.counts):
            if rank < count:
                return host, rank
            rank -= count
        raise IndexError(f"there are {self.ranks} ranks")

    def find_host(self, rank: int) -> str | None:
        """Return where a rank is, as the hostfile names it; None for this host."""
        return self.hosts[self.find_seat(rank)[0]] if self.hosts else None

    def describe(self) -> str:
        """In a few words."""
        where = f" on {len(self.hosts)} hosts" if self.hosts else ""
        return f"by {self.program.describe()}{where}"


def find_mpi(hostfile: str | None, search_path: str) -> FoundMpi:
    """Find the launcher and the hosts.

    Args:
        hostfile: its path; None for this host alone.
        search_path: folders to look for a launcher in, as in $PATH.

    Raises:
        RequestError: there is no launcher or no mpi4py, or the hostfile is wrong.
        HostError: the launcher does not say its version.
    """
    entries = read_hostfile(Path(hostfile)) if hostfile is not None else ()
    if importlib.util.find_spec("mpi4py") is None:
        raise RequestError("--mpi needs mpi4py, which is not installed", _ADVICE)
    return FoundMpi(find_program(search_path), hostfile, entries)


def plan_mpi(found: FoundMpi, counts: tuple[int, ...]) -> MpiPlan:
    """Return how so many ranks on each host are started.

    Raises:
        RequestError: the hostfile gives a host fewer slots.
    """
    for entry, count in zip(found.entries, counts):
        if entry.slots is not None and entry.slots < count:
            raise RequestError(
                f"--hostfile {found.hostfile} gives {entry.name} {entry.slots} slots, and the run "
                f"needs {count} there",
                "raise the slots, or ask for fewer: --num-mpi or --instances",
            )
    return MpiPlan(found.program, found.hosts, counts)


def find_program(search_path: str) -> MpiProgram:
    """Return the launcher beside this Python, whose library mpi4py loads, or else the first found.

    Raises:
        RequestError: there is none.
        HostError: it does not run, or is none that is known.
    """
    own = str(Path(sys.executable).parent)
    for folders in (own, search_path):
        for name in ("mpirun", "mpiexec"):
            path = shutil.which(name, path=folders)
            if path is not None:
                return read_program(path)
    raise RequestError(
        "--mpi needs an MPI launcher, and there is no mpirun or mpiexec in $PATH", _ADVICE
    )


def read_program(path: str) -> MpiProgram:
    """Ask a launcher for its version.

    Raises:
        HostError: it does not run, or is none that is known.
    """
    try:
        done = subprocess.run(
            [path, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_VERSION_SECONDS,
            check=False,
        )
        text = done.stdout + done.stderr
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HostError(f"{path} --version fails: {error}", _ADVICE) from error
    open_mpi, mpich = _OPEN_MPI.search(text), _MPICH.search(text)
    if open_mpi:
        return MpiProgram(path, "Open MPI", open_mpi[1])
    if mpich:
        return MpiProgram(path, "MPICH", mpich[1])
    first = next(iter(text.strip().splitlines()), "nothing")
    raise HostError(
        f"{path} is no launcher that is known: Open MPI or MPICH; to --version it says {first!r}",
        _ADVICE,
    )


def plan_command(plan: MpiPlan, environment: Mapping[str, str], rank: Sequence[str]) -> list[str]:
    """Return the command line that starts the ranks.

    Args:
        plan: from `plan_mpi`.
        environment: the variables to set for the ranks, on every host.
        rank: the command of a rank, see `plan_rank`.
    """
    settings = [f"{name}={text}" for name, text in environment.items()]
    ranks = ["env", *settings, *rank]
    count = ["-n", str(plan.ranks)]
    hosts = zip(plan.hosts or ("localhost",), plan.counts, strict=True)
    places = ",".join(f"{host}:{count}" for host, count in hosts)
    if plan.program.kind == "MPICH":
        where = ["-hosts", places] if plan.hosts else ["-launcher", "fork"]
        return [plan.program.path, *where, "-bind-to", "none", *count, *ranks]
    as_root = ["--allow-run-as-root"] if os.geteuid() == 0 else []
    # Probing for fast networks takes a second and gains nothing: the messages are small and few.
    transport = ["--mca", "pml", "ob1", "--mca", "btl", "self,tcp"]
    if not plan.hosts:
        transport += ["--mca", "btl_tcp_if_include", "lo"]
    mapping = ["--host", places, "--map-by", "slot", "--bind-to", "none"]
    return [plan.program.path, *as_root, *transport, *mapping, *count, *ranks]


def plan_rank(ranks: int, folder: str, stem: str) -> list[str]:
    """Return the command of a rank: the same on all hosts."""
    module = plan_arguments("resnet50_bench.instance.mpi.worker")
    return [sys.executable, *module, str(ranks), folder, stem]


def plan_describer(ranks: int) -> list[str]:
    """Return the command of a rank that says what its host is."""
    module = plan_arguments("resnet50_bench.instance.mpi.describer")
    return [sys.executable, *module, str(ranks)]
