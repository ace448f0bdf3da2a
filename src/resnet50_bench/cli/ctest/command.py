"""`r50 ctest`: what `ctest.sh` calls; and `r50 ctest-case`, which is one test of CTest's list."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from resnet50_bench.cli.ctest.options import CtestOptions
from resnet50_bench.cli.lines import print_text
from resnet50_bench.errors import HostError, RequestError
from resnet50_bench.parameters.table import PARAMETERS
from resnet50_bench.printable import join_lines
from resnet50_bench.report.ctest_file import TIMEOUT_S, TIMEOUT_VARIABLE

OPTIONS_VARIABLE = "R50_CTEST_OPTIONS"
"""Environment variable with the options of `r50 run` for every test, quoted as for a shell."""

_TEST_LIST = "CTestTestfile.cmake"

_CLOUD = "needs machines that are made for the test, in a cloud; here the tests run on this machine"
_CONTAINER = "is about a registry; here `make images` builds the images"
_REFUSED = {
    "--burst": f"{_CLOUD}, one after the other: use --loop N",
    "--prepare-sut": f"{_CLOUD}, and it needs no preparation",
    "--reuse-sut": f"{_CLOUD}, which is always the same",
    "--cleanup-sut": f"{_CLOUD}, and nothing is left to clean up",
    "--options": "is for the framework's Terraform and Kubernetes backends; there is none here: "
    "give parameters with --set",
    "--check-docker-image": _CONTAINER,
    "--push-docker-image": _CONTAINER,
    "--attach": "adds a file to the logs that are uploaded; nothing is uploaded here: copy the "
    "file into the logs-* folder",
    "--noenv": "is not needed: no parameter is taken from the environment here",
}
_WITH_VALUE = {"--burst", "--options", "--push-docker-image", "--attach"}

_EPILOG = """\b
Everything else goes to CTest: -N lists, -V shows the output, -R and -E select by regular
expression, -L by label, --output-junit FILE writes the results.
\b
Examples, in build/workload/ResNet50-TensorFlow-Xeon-Public:
  ./ctest.sh -N
  ./ctest.sh -R throughput -E 'gated|pkm' -V
  ./ctest.sh -R gated --set "BATCH_SIZE=1 2 4" --continue -V
  ./ctest.sh -R pkm --set "CUSTOMER_ENV=A=1 B=2" --nohup"""


def _refuse(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value and not context.resilient_parsing:
        name = parameter.opts[0]
        raise RequestError(f"{name} {_REFUSED[name]}")


def _refused_options(command: Any) -> Any:
    for name in _REFUSED:
        # The value is optional, and then "given": click takes `--docker` behind `--options` for
        # an option of its own.
        kind: dict[str, Any] = {"is_flag": True}
        if name in _WITH_VALUE:
            kind = {"is_flag": False, "flag_value": "given"}
        option = click.option(name, hidden=True, expose_value=False, callback=_refuse, **kind)
        command = option(command)
    return command


@click.command(
    epilog=_EPILOG,
    context_settings={"ignore_unknown_options": True, "max_content_width": 100},
)
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="NAME=VALUES",
    help="Set a parameter to each of several values in turn, as in `r50 run --set`.",
)
@click.option(
    "--config",
    "case_config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A test-config file: case-name patterns, parameters beneath.",
)
@click.option(
    "--testcase", multiple=True, metavar="NAME", help="Run this test case, by its exact name."
)
@click.option(
    "--testset",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Run what each document of a testset file asks for, one after the other.",
)
@click.option(
    "--loop",
    type=click.IntRange(1),
    metavar="N",
    help="Make N runs of each test case.  [default: one for each value of --set]",
)
@click.option(
    "--run", type=click.IntRange(1), default=1, metavar="N", help="Make each run N times in a row."
)
@click.option("--continue", "keep_going", is_flag=True, help="Go on after a run that failed.")
@click.option("--dry-run", is_flag=True, help="Print each test's configuration and stop.")
@click.option(
    "--nohup",
    "--daemon",
    "nohup",
    is_flag=True,
    help="Run in the background, with the output in nohup.out; --stop ends it.",
)
@click.option(
    "--stop",
    is_flag=False,
    flag_value="",
    metavar="[CASE]",
    help="End what --nohup started in this folder.",
)
@click.option("--docker", is_flag=True, help="Run the test cases in the project's image.")
@click.option("--describe-params", is_flag=True, help="Describe the parameters and stop.")
@_refused_options
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def ctest(**values: Any) -> None:
    """Run CTest on the test cases of the current folder, with options of the framework's ctest.sh.

    CMake puts it into the build folder as `ctest.sh`.
    """  # fmt: skip
    options = CtestOptions(**values)
    if options.describe_params:
        print_text(render_parameters())
        return
    sys.exit(run_tests(options))


@click.command("ctest-case", hidden=True)
@click.argument("name")
@click.option("--docker", is_flag=True)
def ctest_case(name: str, *, docker: bool) -> None:
    """Run one test of CTest's list, into the folder logs-NAME."""
    from resnet50_bench.cli.run.command import run

    try:
        extra = shlex.split(os.environ.get(OPTIONS_VARIABLE, ""))
    except ValueError as error:
        raise RequestError(f"environment variable {OPTIONS_VARIABLE}: {error}") from None
    extra += ["--docker"] * docker
    logs = f"logs-{name.removeprefix('test_')}"
    run.main([name, "--skip-unrunnable", "--output", logs, *extra], standalone_mode=False)


def run_tests(options: CtestOptions) -> int:
    """Do what the options say; return the exit code."""
    from resnet50_bench.cli.ctest import background

    if options.stop is not None:
        background.stop(Path.cwd())
        return 0
    _require_test_list()
    if options.nohup:
        background.start(Path.cwd())
        return 0
    if options.testset is not None:
        from resnet50_bench.cli.ctest.testset import plan_testset

        plans = plan_testset(options)
        return max((run_tests(plan) for plan in plans), default=0)
    return _run_ctest(options)


def plan_run_options(options: CtestOptions) -> list[str]:
    """Return the options of `r50 run` for every test.

    Raises:
        ConfigError: --set is not in its grammar, or sets something wrong whatever the case.
        RequestError: the test-config file cannot be read.
    """
    words = [word for text in options.assignments for word in ("--set", text)]
    if options.case_config is not None:
        words += ["--config", str(options.case_config.absolute())]
    if options.loop is not None:
        words += ["--loop", str(options.loop)]
    if options.run > 1:
        words += ["--repeat", str(options.run)]
    words += ["--continue"] if options.keep_going else []
    words += ["--docker"] if options.docker else []
    return words + (["--dry-run"] if options.dry_run else [])


def plan_arguments(options: CtestOptions) -> list[str]:
    """Return the arguments of CTest itself."""
    from resnet50_bench.cases.catalog import design_cases, find_case
    from resnet50_bench.config import Platform

    every = [case for platform in Platform for case in design_cases(platform, all_precisions=True)]
    arguments = list(options.arguments)
    if options.testcase:
        names = [find_case(text, list(dict.fromkeys(every))).name for text in options.testcase]
        arguments += ["-R", f"^({'|'.join(names)})$"]
    if options.dry_run and not {"-N", "--show-only", "-V", "-VV"} & set(arguments):
        arguments.append("-V")
    return arguments


def count_runs(options: CtestOptions) -> int:
    """Check --set and --config, and return how many runs each test makes.

    Raises:
        ConfigError: --set is not in its grammar, or sets something wrong whatever the case.
        RequestError: the test-config file cannot be read.
    """
    from resnet50_bench.cases.files import read_case_config
    from resnet50_bench.cases.grammar import plan_combinations
    from resnet50_bench.search.assignments import Repetition, plan_points

    if options.case_config is not None:
        read_case_config(options.case_config)
    combinations = plan_combinations(options.assignments)
    repetition = Repetition(loop=options.loop, repeat=options.run)
    return len(plan_points(combinations, [], [], repetition))


def render_parameters() -> str:
    """Return every parameter with its meaning, values and default."""
    lines = []
    for parameter in PARAMETERS:
        lines.append(f"{parameter.name}: {parameter.help}")
        if parameter.choices:
            lines.append(f"    values: {', '.join(parameter.choices)}")
        if parameter.default is not None:
            lines.append(f"    default: {parameter.default}")
    return join_lines(lines)


def _require_test_list() -> None:
    if not Path(_TEST_LIST).is_file():
        raise RequestError(
            f"there is no {_TEST_LIST} in {Path.cwd()}",
            "run ctest.sh in build/workload/ResNet50-TensorFlow-Xeon-Public, which cmake makes",
        )


def _run_ctest(options: CtestOptions) -> int:
    program = shutil.which(os.environ.get("R50_CTEST", "ctest"))
    if program is None:
        raise HostError("ctest is not installed", "install cmake: apt install cmake")
    runs = count_runs(options)
    environment = dict(os.environ)
    words = plan_run_options(options)
    if words:
        environment[OPTIONS_VARIABLE] = shlex.join(words)
    if runs > 1:
        environment.setdefault(TIMEOUT_VARIABLE, str(TIMEOUT_S * runs))
    sys.stdout.flush()
    command = [program, *plan_arguments(options)]
    try:
        return subprocess.run(command, env=environment, check=False).returncode
    except OSError as error:
        raise HostError(f"cannot start {program}: {error.strerror}") from error
