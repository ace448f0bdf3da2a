"""A host as a file, so that a run can be planned for a machine elsewhere: versioned JSON.

It holds the `Host` as it was read, with the limits of the process that read it, and none of the
kernel's own files: these would be thousands on a large machine, and do not tell an affinity.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec

from resnet50_bench.errors import HostSpecError
from resnet50_bench.files.paths import describe_problem, read_content
from resnet50_bench.host.machine import Host, format_cpu_list, read_host
from resnet50_bench.host.specs import SYNTAX, describe_host, is_spec

HOST_FILE_VERSION = 1


class HostFile(msgspec.Struct, frozen=True, kw_only=True):
    """What `r50 host capture` writes.

    Attributes:
        host_file_version: of this layout; another one is refused.
        tool_version: of the r50 that wrote it.
        captured: when, UTC, ISO 8601.
        host: the machine, as the process that captured it may use it.
    """

    host_file_version: int = HOST_FILE_VERSION
    tool_version: str
    captured: str
    host: Host


class _Version(msgspec.Struct):
    host_file_version: int


def encode_host_file(file: HostFile) -> bytes:
    """Return the file's content: JSON that a person can read, too."""
    return msgspec.json.format(msgspec.json.encode(file), indent=1) + b"\n"


def read_host_file(path: Path) -> HostFile:
    """Read what `r50 host capture` wrote.

    Raises:
        HostSpecError: it cannot be read, is something else, or of another version.
    """
    try:
        content = read_content(path)
    except (OSError, ValueError) as error:
        raise HostSpecError(
            f"{path}: {describe_problem(error)}",
            f"name a file of `r50 host capture`, or write {SYNTAX}",
        ) from error
    try:
        version = msgspec.json.decode(content, type=_Version).host_file_version
        if version != HOST_FILE_VERSION:
            raise HostSpecError(
                f"{path} has host file version {version}, this r50 reads {HOST_FILE_VERSION}",
                "capture the host again with this r50",
            )
        file = msgspec.json.decode(content, type=HostFile)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise HostSpecError(
            f"{path} is not a host file: {error}", "write one with `r50 host capture FILE`"
        ) from error
    contradiction = _find_contradiction(file.host)
    if contradiction is not None:
        raise HostSpecError(f"{path} {contradiction}", "capture the host again")
    return file


def _find_contradiction(host: Host) -> str | None:
    """What no reader would have written, but somebody who edited the file."""
    if not host.cores or not all(core.cpus for core in host.cores):
        return "names no usable core"
    cpus = Counter(cpu for core in host.cores for cpu in core.cpus)
    twice = tuple(cpu for cpu, count in cpus.items() if count > 1)
    if twice:
        return f"has CPUs {format_cpu_list(twice)} in more than one core"
    nodes = [node.id for node in host.nodes]
    if len(set(nodes)) < len(nodes):
        return "has a memory node twice"
    unknown = {core.node for core in host.cores} - {*nodes, None}
    if unknown:
        return f"has cores of memory nodes that it does not list: {sorted(filter(None, unknown))}"
    if min(cpus) < 0:
        return f"has a CPU {min(cpus)}"
    return None


def open_host(text: str | None) -> Host:
    """Return this machine for None, else the one that the text describes or the file holds.

    Raises:
        HostSpecError: it is neither a description nor a host file.
        HostError: this machine cannot be read.
    """
    if text is None:
        return read_host()
    return describe_host(text) if is_spec(text) else read_host_file(Path(text)).host
