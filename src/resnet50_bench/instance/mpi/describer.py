"""The entry of a rank that says what its host is: one on each host, before anything is planned.

Its argument is how many ranks there must be. Rank 0 writes what all have said.
"""

from __future__ import annotations

import os
import socket
import sys

from resnet50_bench import __version__
from resnet50_bench.errors import HostError
from resnet50_bench.host.amx_probe import probe_amx
from resnet50_bench.host.machine import read_boot_id, read_host
from resnet50_bench.instance.mpi.channel import Parent, take_message
from resnet50_bench.instance.mpi.joining import end_with_complaint, join_job, split_by_host
from resnet50_bench.instance.mpi.protocol import HostSeen, encode_report
from resnet50_bench.signals import end_with_parent

_SEEN = 5  # a tag


def main() -> None:
    """Describe this host; a failure ends the rank at once, and so the whole job."""
    try:
        _run(int(sys.argv[1]))
    except BaseException as error:  # noqa: BLE001 - any other way out would wait for the others
        end_with_complaint(error)


def _run(size: int) -> None:
    end_with_parent()
    comm, _ = join_job(size)
    local = split_by_host(comm)
    if local.size != 1:
        raise HostError(
            f"the launcher put {local.size} ranks on {socket.gethostname()}, and it was to put one "
            "on each host: two names of --hostfile may be one machine"
        )
    reports_fd = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    seen = encode_report(_describe())
    if comm.rank:
        comm.Send(seen, 0, _SEEN)
        return
    parent = Parent(sys.stdin.fileno(), reports_fd)
    parent.tell(0, seen)
    for rank in range(1, size):
        parent.tell(rank, take_message(comm, rank, _SEEN))


def _describe() -> HostSeen:
    host = read_host()
    amx = probe_amx() if "amx_tile" in host.cpu_flags else None
    return HostSeen(tool_version=__version__, host=host, amx=amx, boot_id=read_boot_id())
