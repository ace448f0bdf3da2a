"""`r50 cases`: the designed test cases, and which of them can run here."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from resnet50_bench.cli.lines import print_line
from resnet50_bench.errors import refuse_output

if TYPE_CHECKING:
    from resnet50_bench.cases.catalog import CaseAnswer
    from resnet50_bench.config import Platform
    from resnet50_bench.host.machine import Host


@click.command(
    epilog="\b\nExamples:\n  r50 cases\n  r50 cases --platform SPR\n  r50 cases --all --json"
)
@click.option("--platform", metavar="NAME", help="List those of this platform, not this machine's.")
@click.option("--all", "all_precisions", is_flag=True, help="Add every precision it supports.")
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
@click.option(
    "--ctest",
    "ctest_file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the list as CTest tests into FILE; CMakeLists.txt does so.",
)
@click.option(
    "--backend",
    type=click.Choice(["native", "docker"]),
    default="native",
    help="What the CTest tests run on.  [default: native]",
)
def cases(
    *,
    platform: str | None,
    all_precisions: bool,
    as_json: bool,
    ctest_file: Path | None,
    backend: str,
) -> None:
    """List the test cases, each with whether this machine can run it, and why not."""
    from resnet50_bench.cases.catalog import design_cases, plan_case
    from resnet50_bench.cases.platforms import parse_platform
    from resnet50_bench.host.amx_probe import probe_amx
    from resnet50_bench.host.machine import read_host
    from resnet50_bench.host.sgx import read_sgx

    host = read_host()
    sgx = read_sgx()
    amx = probe_amx() if "amx_tile" in host.cpu_flags else None
    chosen = parse_platform(platform) if platform else _require_platform(host)
    designed = design_cases(chosen, all_precisions=all_precisions)
    answers = [plan_case(case, host, amx, sgx) for case in designed]
    if ctest_file is not None:
        _write_tests(ctest_file, answers, docker=backend == "docker")
    elif as_json:
        _print_json(chosen, answers)
    else:
        _print_list(chosen, host, answers)


def _require_platform(host: Host) -> Platform:
    from resnet50_bench.cases.platforms import detect_platform
    from resnet50_bench.config import Platform
    from resnet50_bench.errors import RequestError

    platform = detect_platform(host)
    if platform is None:
        names = ", ".join(item.value for item in Platform)
        raise RequestError(
            f"no test case is designed for {host.cpu_model}: it has no AVX2",
            f"--platform NAME lists those of another machine: {names}",
        )
    return platform


def _print_json(platform: Platform, answers: list[CaseAnswer]) -> None:
    import msgspec

    from resnet50_bench.cli.terminal import print_json

    rows = [
        {
            "number": number,
            "name": answer.case.name,
            **msgspec.to_builtins(answer.case),
            "runnable": answer.runnable,
            "reason": answer.reason,
        }
        for number, answer in enumerate(answers, 1)
    ]
    print_json({"platform": platform.value, "cases": rows})


def _print_list(platform: Platform, host: Host, answers: list[CaseAnswer]) -> None:
    from resnet50_bench.cases.platforms import describe_platform, detect_platform

    meaning = describe_platform(platform)
    place = "this machine" if platform is detect_platform(host) else "not this machine"
    precisions = ", ".join(item.value for item in meaning.precisions)
    print_line(f"Platform {platform.value} ({place}); default precision "
               f"{meaning.default_precision.value}, of {precisions}")  # fmt: skip
    for number, answer in enumerate(answers, 1):
        print_line(f"  Test {f'#{number}':>3}: {answer.case.name}")
        state = "runnable" if answer.runnable else "not runnable here"
        print_line(f"             {state}: {answer.reason}")
    runnable = sum(answer.runnable for answer in answers)
    print_line(f"{len(answers)} test cases, {runnable} runnable on this machine")


def _write_tests(path: Path, answers: list[CaseAnswer], *, docker: bool) -> None:
    from resnet50_bench.files.atomic import write_atomically
    from resnet50_bench.report.ctest_file import render_tests

    designed = [answer.case for answer in answers]
    text = render_tests(designed, sys.executable, docker=docker)
    try:
        write_atomically(path, os.fsencode(text))
    except OSError as error:
        raise refuse_output("--ctest", path, error) from error
