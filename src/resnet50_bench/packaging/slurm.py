"""A test case -> the batch script that runs it on nodes of a Slurm cluster, and its submission.

The script becomes r50 itself (`exec`): Slurm's signal goes to r50, and the job ends with the run's
exit code. On several nodes r50 starts its instances by MPI, on the hosts that Slurm has given.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.errors import ConfigError, HostError, RequestError

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT_FILE = "job.sh"
LOG_FILE = "slurm.log"
HOSTS_FILE = "hosts"

_TIME = r"\d+|\d+:\d\d(:\d\d)?|\d+-\d+(:\d\d){0,2}"
_WORD = r"[\w.,@+-]+"
_OPTION = r"--[a-z][a-z0-9-]*(=.*)?"
_OWN = ("--nodes", "--output", "--error", "--signal", "--wrap", "--array", "--job-name", "--time",
        "--partition", "--account", "--ntasks-per-node")  # fmt: skip
_PATIENCE_S = 60.0

_ENVIRONMENT = {f"{prefix}_MCA_ras_slurm_use_entire_allocation": "1" for prefix in ("PRTE", "OMPI")}
"""Open MPI takes Slurm's tasks for its own slots, of which there is one on each node; with this it
takes the CPUs (ras_slurm_module.c), and r50 says how many processes there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmRequest:
    """What a run needs of a cluster.

    Attributes:
        name: of the job.
        run: the arguments of `r50 run`, without its output folder and hosts.
        r50: the command that starts r50, on every node.
        folder: gets the script, its log, the list of hosts, and the run's own folder.
        nodes: how many.
        time: its limit, as sbatch takes it; "" for that of the partition.
        notice_s: how long before the limit the run is told to end.
        partition, account: as sbatch takes them; "" for the user's own.
        options: further options of sbatch.
    """

    name: str
    run: Sequence[str]
    r50: Sequence[str]
    folder: Path
    nodes: int = 1
    time: str = ""
    notice_s: int = 60
    partition: str = ""
    account: str = ""
    options: Sequence[str] = ()


def require_possible(request: SlurmRequest) -> None:
    """Check what was asked of Slurm.

    Raises:
        ConfigError: with every problem.
    """
    rows = [
        ("--time", request.time, _TIME, "minutes, MINUTES:SECONDS, H:MM:SS or DAYS-HOURS"),
        ("--partition", request.partition, _WORD, "the name of a partition"),
        ("--account", request.account, _WORD, "the name of an account"),
        *(("--sbatch-option", text, _OPTION, "as --constraint=TEXT") for text in request.options),
    ]
    problems = [
        f"{flag} {text!r} must be {what}"
        for flag, text, pattern, what in rows
        if text and not re.fullmatch(pattern, text)
    ]
    problems += [
        f"--sbatch-option {text!r}: the script has an {text.partition('=')[0]} of its own"
        for text in request.options
        if text.partition("=")[0] in _OWN
    ]
    if not str(request.folder).isprintable():
        problems.append(f"--output {str(request.folder)!r}: a script cannot hold such a name")
    if request.nodes < 1:
        problems.append(f"--nodes {request.nodes} must be 1 or more")
    if not 1 <= request.notice_s <= 65535:  # sbatch(1), --signal
        problems.append(f"--notice {request.notice_s} must be 1 .. 65535 seconds")
    if problems:
        raise ConfigError(problems)


def render_script(request: SlurmRequest) -> str:
    """Return the batch script.

    Raises:
        ConfigError: what was asked of Slurm is not possible.
    """
    require_possible(request)
    asked = [
        f"--job-name={request.name}",
        f"--nodes={request.nodes}",
        "--ntasks-per-node=1",
        "--exclusive",
        f"--output={str(request.folder / LOG_FILE).replace('%', '%%')}",  # %j is a job's number
        # To the batch shell alone, which is r50 by then: it ends its ranks itself.
        f"--signal=B:TERM@{request.notice_s}",
        *(f"--time={text}" for text in [request.time] if text),
        *(f"--partition={text}" for text in [request.partition] if text),
        *(f"--account={text}" for text in [request.account] if text),
        *request.options,
    ]
    run = [*request.r50, "run", *request.run, "--output", str(request.folder)]
    before: list[str] = []
    if request.nodes > 1:
        hosts = str(request.folder / HOSTS_FILE)
        before = [
            f'scontrol show hostnames "$SLURM_JOB_NODELIST" > {shlex.quote(hosts)} || exit 3',
            *(f"export {name}={shlex.quote(text)}" for name, text in _ENVIRONMENT.items()),
        ]
        run += ["--mpi", "--hostfile", hosts]
    lines = [
        "#!/bin/bash",
        *(f"#SBATCH {_quote_option(option)}" for option in asked),
        "# Made by `r50 slurm`. The shell becomes r50, whose exit code is the job's.",
        *before,
        f"exec {shlex.join(run)}",
    ]
    return "\n".join(lines) + "\n"


def submit(script: Path, *, wait: bool) -> tuple[str, int]:
    """Hand a script to Slurm; return the job's number and, having waited, its exit code, else 0.

    Args:
        script: from `render_script`.
        wait: until the job has ended.

    Raises:
        RequestError: there is no sbatch.
        HostError: Slurm takes no such job, or does not answer.
    """
    sbatch = find_sbatch()
    command = [sbatch, "--parsable", *(["--wait"] if wait else []), str(script)]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=None if wait else _PATIENCE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HostError(
            f"{shlex.join(command)} fails: {error}", "see `sinfo` and `squeue`"
        ) from error
    job = done.stdout.partition(";")[0].strip()
    if not job.isdigit():
        said = " ".join(done.stderr.split()) or f"nothing (exit {done.returncode})"
        raise HostError(
            f"Slurm does not take the job; sbatch says: {said}",
            f"the script is {script}; `sinfo` lists partitions and their nodes",
        )
    return job, done.returncode


def find_sbatch() -> str:
    """Return the path of sbatch.

    Raises:
        RequestError: it is not there.
    """
    path = shutil.which("sbatch")
    if path is None:
        raise RequestError(
            "there is no sbatch in $PATH",
            "run it on a machine that submits to Slurm; --dry-run prints the script here",
        )
    return path


def _quote_option(option: str) -> str:
    """Quote the value of an option as sbatch reads a line of #SBATCH: in double quotes."""
    name, equals, text = option.partition("=")
    if re.fullmatch(r"[\w./:@%+,-]*", text):
        return option
    inside = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'{name}{equals}"{inside}"'
