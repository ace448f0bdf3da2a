"""How a rank becomes part of its MPI job, and how it leaves when it cannot."""

from __future__ import annotations

import os
import socket
import sys
import traceback
from typing import TYPE_CHECKING, NoReturn

from resnet50_bench.errors import HostError
from resnet50_bench.instance.mpi.protocol import COMPLAINT

if TYPE_CHECKING:
    from mpi4py.MPI import Comm, Intracomm


def join_job(size: int) -> tuple[Intracomm, str]:
    """Return the communicator of all ranks, and the MPI library that was loaded.

    Args:
        size: how many ranks there must be.

    Raises:
        HostError: mpi4py does not work here, or sees another number of ranks.
    """
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        raise HostError(
            f"mpi4py does not work on {socket.gethostname()}: {error}; "
            "pip install 'resnet50-bench[mpi]' there"
        ) from error
    comm = MPI.COMM_WORLD
    library = MPI.Get_library_version().split(",")[0].split("\n")[0].strip()
    if comm.size != size:
        raise HostError(
            f"{size} processes were started and mpi4py sees {comm.size}: the launcher does not "
            f"belong to {library}, which mpi4py uses"
        )
    return comm, library


def split_by_host(comm: Intracomm) -> Comm:
    """Return the communicator of the ranks on this host."""
    from mpi4py import MPI

    return comm.Split_type(MPI.COMM_TYPE_SHARED)


def end_with_complaint(error: BaseException) -> NoReturn:
    """Say what is wrong where r50 looks for it, and end at once, without waiting for the others."""
    traceback.print_exception(error)
    where = "" if socket.gethostname() in str(error) else f" (on {socket.gethostname()})"
    sys.stderr.write(f"{COMPLAINT}{type(error).__name__}: {error}{where}\n")
    sys.stderr.flush()
    os._exit(1)
