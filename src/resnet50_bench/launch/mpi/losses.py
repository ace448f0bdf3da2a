"""What a launcher says about a process that died: which it was, and of what."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass

from resnet50_bench.instance.mpi.protocol import COMPLAINT
from resnet50_bench.interpreter import find_error

_BY_SIGNAL = re.compile(
    r"process rank (\d+) with PID (\d+) on\s+node\s+\S+\s+exited\s+on\s+signal\s+(\d+)"
)
_BY_CODE = re.compile(r"Process name:\s+\[.*[@,]\d+\]?,(\d+)\]\s+Exit code:\s+(\d+)")
_HYDRA = re.compile(r"=\s+PID (\d+) RUNNING AT \S+\s+=\s+EXIT CODE: (\d+)")
_HYDRA_SIGNAL = re.compile(r"EXIT STRING: .*\(signal (\d+)\)")
_DEADLY = frozenset(
    {signal.SIGILL, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGKILL, signal.SIGSEGV,
     signal.SIGTERM}
)  # fmt: skip
"""With several hosts MPICH 5.0.2 gives the number of a signal as an exit code; ranks themselves end
with none of these."""

_LOST_HOST = re.compile(r"(?:Remote (?:host|daemon):\s+(?:\S+ on node )?)(\S+)")
_COMPLAINT = re.compile(rf"^{COMPLAINT}(.+)$", re.MULTILINE)
_NOISE = re.compile(r"^[-=*\s]*$|^\[\S+\] plm:\w+: Warning: setpgid")
"""Frames, and what Open MPI says of its own agents whether or not something is wrong."""


@dataclass(frozen=True, slots=True)
class Death:
    """A process that ended and took its job along.

    Attributes:
        rank: None where the launcher names only the process id.
        pid: on its host; None where the launcher does not say.
        status: exit status, negative for a signal.
    """

    rank: int | None
    pid: int | None
    status: int


def find_death(text: str) -> Death | None:
    """Return the process that the launcher's output names first; None if it names none."""
    if match := _BY_SIGNAL.search(text):
        return Death(int(match[1]), int(match[2]), -int(match[3]))
    if match := _BY_CODE.search(text):
        return Death(int(match[1]), None, int(match[2]))
    if match := _HYDRA.search(text):
        by_signal, code = _HYDRA_SIGNAL.search(text), int(match[2])
        if by_signal or code in _DEADLY:
            code = -int(by_signal[1]) if by_signal else -code
        return Death(None, int(match[1]), code)
    return None


def find_lost_host(text: str) -> str | None:
    """Return the host the launcher could not reach or keep; None if it names none."""
    match = _LOST_HOST.search(text)
    return match[1] if match else None


def summarize_output(text: str) -> str:
    """Return what a rank complained of, or else what the launcher said, in one line."""
    if complaint := _COMPLAINT.search(text):
        return complaint[1]
    if error := find_error(text):  # of a rank that could not even begin
        return error
    if "Socket closed" in text:  # that a rank saw another's end before the launcher did
        return "a rank lost its connection to another, which is not named, and ended the job"
    lines = (line.strip() for line in text.splitlines() if not _NOISE.match(line))
    return " ".join(lines)[:300]
