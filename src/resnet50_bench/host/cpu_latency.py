"""The kernel's limit on how long an idle CPU may take to wake (PM QoS).

An operation that is shared out to several cores ends with cores that wait for work. An idle core
sleeps, in a virtual machine by leaving the guest, and takes tens of microseconds to wake: at batch
size 1 that is a large part of a query (docs/precisions.md). A limit of 0 keeps idle cores awake.

The limit is a request made by an open file. The kernel takes the lowest of all requests, for the
whole machine, and drops a request when its file is closed, whatever its process died of. Source:
the kernel's `Documentation/power/pm_qos_interface.rst`, "CPU latency QoS".
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from resnet50_bench.errors import RequestError

DEVICE = Path("/dev/cpu_dma_latency")
"""Takes and gives a 32-bit number of microseconds in the machine's byte order."""

HIGHEST_US = 2_000_000_000
"""`PM_QOS_CPU_LATENCY_DEFAULT_VALUE` of the kernel's pm_qos.h: what holds without a request."""

_BYTES = 4


class CpuLatencyLimit:
    """A request for a limit: it holds as long as this object does, or until it is closed.

    Args:
        limit_us: microseconds, 0 .. `HIGHEST_US`.
        device: the kernel's, or a stand-in.

    Raises:
        RequestError: the kernel has no such device, or does not let this process use it.
    """

    def __init__(self, limit_us: int, device: Path = DEVICE) -> None:
        try:
            self._file = device.open("r+b", buffering=0)
            self._file.write(limit_us.to_bytes(_BYTES, sys.byteorder, signed=True))
        except OSError as error:
            raise RequestError(
                f"--cpu-latency-limit {limit_us}: {device}: {error.strerror}",
                "run as root, or as one who may write that device (containers: --device "
                f"{device}), or leave the flag out",
            ) from error

    def read_us(self) -> int:
        """Return the limit that holds for the machine: the lowest of all requests."""
        held = os.pread(self._file.fileno(), _BYTES, 0)
        return int.from_bytes(held, sys.byteorder, signed=True)

    def close(self) -> None:
        """Drop the request."""
        self._file.close()


def check_limit(limit_us: int | None, device: Path = DEVICE) -> None:
    """Find out whether a limit can be asked for, if one is to be.

    Raises:
        RequestError: it cannot.
    """
    if limit_us is not None:
        CpuLatencyLimit(limit_us, device).close()
