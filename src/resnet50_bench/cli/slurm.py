"""`r50 slurm`: a test case as a job of a Slurm cluster."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from resnet50_bench.cli.lines import print_line, print_text
from resnet50_bench.cli.options import output_option
from resnet50_bench.errors import ConfigError, OutputError
from resnet50_bench.parameters.parameter import Setting
from resnet50_bench.parameters.settings import make_config

if TYPE_CHECKING:
    from resnet50_bench.cases.catalog import Case
    from resnet50_bench.packaging.slurm import SlurmRequest

_FOLDER = Path("FOLDER")
"""Stands for the job's folder in a script that is only shown."""

_EPILOG = """\b
Examples:
  r50 slurm throughput_avx_fp32 --nodes 2
  r50 slurm throughput_avx_int8 --nodes 2 --set INSTANCES=14 --set CORES_PER_INSTANCE=4
  r50 slurm accuracy_avx_fp32 --nodes 4 --time 2:00:00 --set DATASET=/data/val.tar --set MODEL=m.pb
  r50 slurm latency_avx_fp32 --partition short --wait
  r50 slurm throughput_avx_fp32 --nodes 2 --dry-run"""


@click.command(epilog=_EPILOG, context_settings={"max_content_width": 100})
@click.argument("case")
@click.option("--nodes", type=int, default=1, show_default=True,
              help="How many; on more than one, MPI starts the instances.")  # fmt: skip
@click.option(
    "--set", "assignments", multiple=True, metavar="NAME=VALUE", help="A parameter of the run."
)
@click.option("--time", default="", metavar="TIME",
              help="The job's limit, as sbatch takes it.  [default: the partition's]")  # fmt: skip
@click.option("--notice", "notice_s", type=int, default=60, show_default=True, metavar="SECONDS",
              help="How long before the limit the run is told to end.")  # fmt: skip
@click.option("--partition", default="", metavar="NAME")
@click.option("--account", default="", metavar="NAME")
@click.option("--sbatch-option", "options", multiple=True, metavar="OPTION",
              help="A further option of sbatch, such as --constraint=spr.")  # fmt: skip
@output_option("one folder per job; on all nodes")
@click.option("--wait", is_flag=True, help="Wait for the job's end, and exit with its exit code.")
@click.option("--dry-run", is_flag=True, help="Print the script and stop.")
@click.option("--json", "as_json", is_flag=True, help="Print the job's number as JSON.")
def slurm(*, case: str, assignments: tuple[str, ...], **values: Any) -> None:
    """Write the batch script that runs a test case on nodes of a Slurm cluster, and submit it.

    The job ends with the run's exit code. `scancel JOB`, or the limit that comes, ends the run
    as Ctrl-C would; an accuracy run can be resumed then.
    """
    from resnet50_bench.cases.catalog import find_case
    from resnet50_bench.packaging.slurm import (
        SlurmRequest,
        find_sbatch,
        render_script,
        require_possible,
    )

    found = find_case(case, ())
    submission = _Submission(*(values.pop(name) for name in _Submission.__match_args__))
    dry_run = values.pop("dry_run")
    request = SlurmRequest(
        name=f"r50-{found.short_name.removeprefix('inference_')}",
        run=[found.short_name, *(word for text in assignments for word in ("--set", text))],
        r50=_find_r50(),
        folder=_FOLDER,
        **values,
    )
    problems = _find_problems(found, assignments, request.nodes)
    try:
        require_possible(request)
    except ConfigError as error:
        problems += error.problems
    if problems:
        raise ConfigError(problems)
    if dry_run:
        print_text(render_script(request))
        return
    find_sbatch()
    sys.exit(_submit(request, submission))


@dataclass(frozen=True, slots=True)
class _Submission:
    """How a job is submitted, and told of."""

    output: Path
    wait: bool
    as_json: bool


def _submit(request: SlurmRequest, submission: _Submission) -> int:
    """Hand the script to Slurm, from a folder of the job's own; return the exit code."""
    from resnet50_bench.cli.terminal import print_json
    from resnet50_bench.packaging.slurm import (
        LOG_FILE,
        SCRIPT_FILE,
        render_script,
        require_possible,
        submit,
    )
    from resnet50_bench.session.run_folder import make_folder

    require_possible(replace(request, folder=submission.output))
    folder = make_folder(submission.output.absolute(), "slurm")
    script, log, wait = folder / SCRIPT_FILE, folder / LOG_FILE, submission.wait
    try:
        script.write_text(render_script(replace(request, folder=folder)))
    except OSError as error:
        raise OutputError(script, error) from error
    if wait:
        print_line(f"submit {script} and wait for its end; its log is {log}", err=True)
    job, code = submit(script, wait=wait)
    if submission.as_json:
        print_json({"job": int(job), "folder": str(folder), "exit_code": code if wait else None})
    elif wait:
        print_line(f"job {job} ended with exit code {code}: {folder}")
    else:
        print_line(f"job {job} submitted; its log will be {log}")
    return code


def _find_r50() -> list[str]:
    """The command that starts this r50, from wherever a node starts it."""
    script = Path(sys.executable).with_name("r50")
    return [str(script)] if script.exists() else [sys.executable, "-m", "resnet50_bench"]


def _find_problems(case: Case, assignments: tuple[str, ...], nodes: int) -> list[str]:
    """What is wrong with the parameters of the run."""
    from resnet50_bench.cases.grammar import plan_combinations

    try:
        combinations = plan_combinations(assignments)
        if len(combinations) > 1:
            return ["--set: a job makes one run: give each parameter one value"]
        named = {item.name.upper() for item in combinations[0]}
        if nodes > 1 and named & {"MPI", "HOSTFILE"}:
            return [
                "--set: on several nodes r50 is given MPI and HOSTFILE by the job: leave it out"
            ]
        mpi = [Setting("MPI", "True", "--nodes")] if nodes > 1 else []
        make_config([*case.settings(), *combinations[0], *mpi], complete=False)
    except ConfigError as error:
        return list(error.problems)
    return []
