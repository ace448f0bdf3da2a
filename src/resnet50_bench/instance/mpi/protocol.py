"""What r50 and the ranks of an MPI job tell each other, where it differs from `job`.

Rank 0 talks to r50 for all: it gets lines on its stdin, which the launcher forwards, and answers on
its stdout. A line on stdin is at most `CHUNK_BYTES` long and is sent only when rank 0 has asked for
it with `NEXT`: Open MPI 5.0.11 was seen to lose longer pieces on their way to another host. A line
on stdout is `MARK`, the number of the rank that answers, and the answer as JSON; whatever else
stands there is the launcher's own.
"""

from __future__ import annotations

import base64
import zlib
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from resnet50_bench.host.amx_probe import AmxProbe
from resnet50_bench.host.machine import Core, Host
from resnet50_bench.instance.job import (
    Answer,
    Entered,
    Failed,
    Finished,
    Job,
    Predicted,
    Ready,
    Started,
    Traced,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MARK = b"@r50 "
NEXT = b"next"
JOBS_END = b"end of jobs"
GO = b"go"
GATHER = b"gather"
"""Pass on what the other ranks have to say, even though rank 0 itself has not finished."""

COMPLAINT = "r50: "
"""Begins the line that a rank writes when it cannot even say through MPI what is wrong."""

CHUNK_BYTES = 2000


class HostSeen(msgspec.Struct, frozen=True, kw_only=True):
    """What a host is, as its own rank says before anything is planned.

    Attributes:
        tool_version: of this package.
        host: the machine.
        amx: what using AMX came to; None where the CPU has none.
        boot_id: of the machine's kernel; None where it is not told.
    """

    tool_version: str
    host: Host
    amx: AmxProbe | None
    boot_id: str | None


class HostFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a host must be: what its part of the run was planned for.

    Attributes:
        tool_version: of this package.
        cpu_model: the CPU's name.
        cores: the usable cores.
        model_sha256: of what the engine loads, which every host reads from the same path; None for
            engines that need none.
    """

    tool_version: str
    cpu_model: str
    cores: tuple[Core, ...]
    model_sha256: str | None


class Errand(msgspec.Struct, frozen=True, kw_only=True):
    """What one rank is told.

    Attributes:
        job: as for any worker.
        place: which of its host's ranks it must be, from 0.
        ranks_per_host: how many there must be on its host.
        environment: variables of its host, where they differ from those of the first.
        facts: to compare its host with; None where r50 alone starts ranks, on its own host.
    """

    job: Job
    place: int
    ranks_per_host: int
    environment: dict[str, str] = {}
    facts: HostFacts | None = None


class Landed(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The first answer of a rank: where it is.

    Attributes:
        hostname: as the host itself says.
        log_path: of its output, on that host.
        library: the MPI library that it loaded, e.g. `Open MPI v5.0.11`.
    """

    hostname: str
    log_path: str
    library: str


class LogSent(msgspec.Struct, frozen=True, tag=True):
    """The end of the rank's output, or all of it since `job.TRACE_BEGIN`."""

    text: str


Report: TypeAlias = Answer | Landed | LogSent

_reports: msgspec.json.Decoder[Report] = msgspec.json.Decoder(
    Started | Entered | Ready | Predicted | Finished | Traced | Failed | Landed | LogSent
)
_errands: msgspec.json.Decoder[Errand] = msgspec.json.Decoder(Errand)


_seen: msgspec.json.Decoder[HostSeen] = msgspec.json.Decoder(HostSeen)


def encode_report(report: Report | HostSeen) -> bytes:
    """Return an answer as JSON, in one line without its end."""
    return msgspec.json.encode(report)


def frame_report(rank: int, report: bytes) -> bytes:
    """Return the line that rank 0 writes for a rank's answer."""
    return b"%s%d %s\n" % (MARK, rank, report)


def parse_report(frame: bytes) -> tuple[int, Report]:
    """Return the rank and its answer from what stands behind `MARK`.

    Raises:
        ValueError: it is not such a line.
    """
    rank, _, report = frame.partition(b" ")
    return int(rank), _reports.decode(report)


def parse_seen(frame: bytes) -> tuple[int, HostSeen]:
    """Return the rank and what its host is, from what stands behind `MARK`.

    Raises:
        ValueError: it is not such a line.
    """
    rank, _, seen = frame.partition(b" ")
    return int(rank), _seen.decode(seen)


def plan_lines(errands: Sequence[Errand]) -> Iterator[bytes]:
    """Yield the lines that bring the errands, by rank, to rank 0."""
    packed = base64.b64encode(zlib.compress(b"\n".join(map(msgspec.json.encode, errands))))
    size = CHUNK_BYTES - 1
    for first in range(0, len(packed), size):
        yield packed[first : first + size] + b"\n"
    yield JOBS_END + b"\n"


def join_lines(lines: Sequence[bytes]) -> list[bytes]:
    """Return each rank's errand, still encoded, from the lines before `JOBS_END`."""
    return zlib.decompress(base64.b64decode(b"".join(lines))).split(b"\n")


def decode_errand(text: bytes) -> Errand:
    """Read an errand."""
    return _errands.decode(text)
