"""Asks the hosts of a hostfile what they are, by an MPI job of one rank on each."""

from __future__ import annotations

import os
import re
import selectors
import subprocess
import tempfile
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from resnet50_bench import __version__
from resnet50_bench.errors import HostError, RequestError
from resnet50_bench.instance.mpi.protocol import MARK, HostSeen, parse_seen
from resnet50_bench.launch.mpi.command import MpiPlan, plan_command, plan_describer
from resnet50_bench.launch.mpi.losses import find_lost_host, summarize_output
from resnet50_bench.launch.mpi.process import close_pipes, end_process, start_process
from resnet50_bench.signals import signals_held

if TYPE_CHECKING:
    from collections.abc import Mapping

_ANSWER_SECONDS = 120.0
_END_SECONDS = 5.0
_READ_BYTES = 1 << 20


def describe_hosts(
    plan: MpiPlan, environment: Mapping[str, str], own: Mapping[str, str]
) -> tuple[HostSeen, ...]:
    """Return what each host of a plan is, in their order; asked once in the life of this process.

    Args:
        plan: with one rank on each host.
        environment: the complete environment of the launcher.
        own: the variables of it that are set for the ranks on all hosts.

    Raises:
        HostError: a host cannot be reached, or does not answer.
        RequestError: a host has another version of this package.
    """
    seen = _ask(plan, tuple(environment.items()), tuple(own.items()))
    for name, item in zip(plan.hosts, seen, strict=True):
        if item.tool_version != __version__:
            raise RequestError(
                f"{name} has resnet50-bench {item.tool_version} and r50 is {__version__}",
                "install the same version on all hosts",
            )
    return seen


@cache
def _ask(
    plan: MpiPlan, environment: tuple[tuple[str, str], ...], own: tuple[tuple[str, str], ...]
) -> tuple[HostSeen, ...]:
    command = plan_command(plan, dict(own), plan_describer(plan.ranks))
    with tempfile.TemporaryDirectory(prefix="r50-hosts-") as folder:
        log = Path(folder) / "mpi.log"
        process = None
        try:
            with signals_held():
                process = start_process(command, dict(environment), log)
            output = _read_to_end(process)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_END_SECONDS)
        finally:
            if process is not None:
                with signals_held():
                    end_process(process)
                    close_pipes(process)
        return parse_output(plan, output, log.read_text(errors="replace"))


def _read_to_end(process: subprocess.Popen[bytes]) -> bytes:
    """All that the launcher's ranks write; what there is when they take too long."""
    assert process.stdout is not None
    deadline, output = time.monotonic() + _ANSWER_SECONDS, bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while (left := deadline - time.monotonic()) > 0:
            if selector.select(left):
                data = os.read(process.stdout.fileno(), _READ_BYTES)
                if not data:
                    break
                output += data
    return bytes(output)


def parse_output(plan: MpiPlan, output: bytes, said: str) -> tuple[HostSeen, ...]:
    """Return each host's answer.

    Args:
        plan: with one rank on each host.
        output: of the ranks.
        said: what the launcher and they said beside it.

    Raises:
        HostError: a host gave none, or none that can be read.
    """
    seen: dict[int, HostSeen] = {}
    for line in output.split(b"\n"):
        _, mark, frame = line.partition(MARK)
        if mark:
            try:
                rank, item = parse_seen(frame)
            except (ValueError, msgspec.DecodeError) as error:
                raise HostError(f"a host's description cannot be read: {error}") from error
            seen[rank] = item
    missing = [name for rank, name in enumerate(plan.hosts) if rank not in seen]
    if missing:
        raise _refuse(plan, missing, said)
    return tuple(seen[rank] for rank in range(plan.ranks))


def _refuse(plan: MpiPlan, missing: list[str], said: str) -> HostError:
    reason = summarize_output(said)
    lost = find_lost_host(said)
    named = [name for name in missing if name in {lost, *re.findall(r"[\w.-]+", reason)}]
    who = ", ".join(named or missing)  # one that cannot be reached takes the others along
    reason = reason or f"nothing within {_ANSWER_SECONDS:.0f} s"
    return HostError(
        f"{who} did not say what it is; {plan.program.describe()} says: {reason}",
        "`ssh HOST true` must work without a password, and this Python be there under the same "
        "path; for how the launcher gets to a host see docs/mpi.md",
    )
