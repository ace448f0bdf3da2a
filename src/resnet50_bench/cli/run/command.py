"""`r50 run`: one configuration, or several, measured."""

from __future__ import annotations

import itertools
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from resnet50_bench.cli.lines import print_line
from resnet50_bench.cli.options import (
    collect_flags,
    output_option,
    parameter_options,
    take_flags,
    wait_option,
)
from resnet50_bench.cli.run.options import RunOptions
from resnet50_bench.cli.settings import collect_case_settings, collect_environment
from resnet50_bench.config import Mode
from resnet50_bench.errors import (
    CaseError,
    ConfigError,
    EngineError,
    ExitCode,
    MissingDataError,
    PlacementError,
    PrecisionError,
    RequestError,
    join_problems,
)
from resnet50_bench.parameters.parameter import Setting
from resnet50_bench.parameters.table import PARAMETERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resnet50_bench.config import RunConfig
    from resnet50_bench.search.points import Point

_EPILOG = """\b
Examples:
  r50 run
  r50 run --mode latency --cores-per-instance 1 --instances 2
  r50 run --batch-size 64 --steps 100
  r50 run throughput_avx_fp32_gated
  r50 run --set "BATCH_SIZE=1 2 4 ...64" --set STEPS=50
  r50 run --set "BATCH_SIZE=1 8/CORES_PER_INSTANCE=1 2" --continue
  BATCH_SIZE=32 STEPS=50 r50 run --from-env
  r50 run --data-type real --dataset ILSVRC2012_img_val.tar --limit 1000
  r50 run --mode accuracy --dataset ILSVRC2012_img_val.tar --model resnet50_v1.pb
  r50 run --engine all --precision avx_int8
  r50 run --engine tensorflow,openvino --repeat 5 --json
  r50 run --resume runs/NAME
  r50 run --resume runs/NAME --set MPI=False        the rest on this host alone
  r50 run --tuned
  r50 run --dry-run --json"""


@click.command(epilog=_EPILOG, context_settings={"max_content_width": 100})
@click.argument("case", required=False)
@parameter_options(PARAMETERS)
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="NAME=VALUES",
    help="Set a parameter by the framework's name, to each of several values in turn; flags win "
    "over it. docs/ctest-and-kpi.md has the grammar.",
)
@click.option(
    "--config",
    "case_config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Take parameters of CASE from a test-config file; --set wins over it.",
)
@click.option("--from-env", is_flag=True, help="Take parameters from the environment, too.")
@click.option(
    "--strict-env",
    is_flag=True,
    help="As --from-env, and refuse what is no parameter there and no system's variable either.",
)
@click.option(
    "--loop",
    type=click.IntRange(1),
    metavar="N",
    help="Make N runs, starting the values of --set again.  [default: one run for each]",
)
@click.option(
    "--repeat",
    type=click.IntRange(1),
    metavar="N",
    help="Make each run N times in a row; with several engines, N rounds of them.  [default: 1; "
    "with several engines 3]",
)
@click.option("--continue", "keep_going", is_flag=True, help="Go on after a run that failed.")
@click.option(
    "--skip-unrunnable",
    is_flag=True,
    help=f"Exit {int(ExitCode.SKIPPED)}, not 2, where this machine or version cannot run it; of "
    "several engines, measure those that can run.",
)
@output_option("one folder per run")
@click.option(
    "--resume",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Go on with an interrupted accuracy run, given its folder; it names all the rest itself, "
    "but how the instances are started may be given anew: --mpi, --hostfile, --instances.",
)
@wait_option
@click.option(
    "--compare-unshared",
    is_flag=True,
    help="With --weight-sharing, measure the same in separate processes too, and compare.",
)
@click.option(
    "--docker",
    is_flag=True,
    help="Run in the project's image, by docker or podman (docs/containers.md).",
)
@click.option(
    "--compare-native",
    is_flag=True,
    help="With --gramine, measure the same outside too, and print the ratios.",
)
@click.option(
    "--tuned",
    is_flag=True,
    help="Run what `r50 tune` found best on this machine; every other setting wins over it.",
)
@click.option("--sla", metavar="pN=TIME", help="With --tuned, the answer found under this limit.")
@click.option(
    "--mlflow",
    metavar="URI",
    help="Tell an MLflow store of the run: a folder, sqlite:///FILE or a server's address.",
)
@click.option("--dry-run", is_flag=True, help="Print the plan and stop.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def run(**values: Any) -> None:
    """Measure one configuration of this CPU, or several, and judge the result.

    Without options: throughput in fp32 on generated images, one instance per socket, all cores.
    CASE is a test case (`r50 cases`), by its name with or without `test_`, or by enough of it.
    """
    flags = take_flags(PARAMETERS, values)
    options = RunOptions(**values, flags=flags)
    _refuse_mlflow(options)
    if options.resume is not None:
        from resnet50_bench.cli.run.resuming import resume_one

        sys.exit(resume_one(options.resume, options))
    sys.exit(_run_or_skip(options))


def _run_or_skip(options: RunOptions) -> int:
    """Measure what is asked; with --skip-unrunnable what cannot be had here is no failure."""
    asked: list[RunConfig] = []
    try:
        if options.engines is not None:
            from resnet50_bench.cli.run.engines import plan_engines, run_engines

            configs = plan_engines(options.engines, options, partial(_plan_engine, options))
            asked += configs.values()
            return run_engines(configs, options)
        points = _plan_or_explain(options)
        asked += (point.config for point in points)
        return _run_points(points, options)
    except RequestError as error:
        if not options.skip_unrunnable or not _is_unrunnable(error, asked):
            raise
        print_line(f"SKIPPED: {join_problems(error)}")
        return ExitCode.SKIPPED


def _run_points(points: tuple[Point, ...], options: RunOptions) -> int:
    if options.docker and not options.dry_run:
        from resnet50_bench.cli.run.containers import run_in_containers

        return run_in_containers(points, options)
    from resnet50_bench.cli.run.points import run_all, run_one, show_plans

    if options.dry_run:
        show_plans(points, options.output, as_json=options.as_json)
        return ExitCode.VALID
    if options.compare_native:
        from resnet50_bench.cli.run.contrasts import run_beside_native

        return run_beside_native(points, options)
    if options.compare_unshared:
        return _run_both(points, options)
    return run_one(points[0], options) if len(points) == 1 else run_all(points, options)


def _run_both(points: tuple[Point, ...], options: RunOptions) -> int:
    from resnet50_bench.cli.run.contrasts import run_contrast

    if len(points) > 1 or not points[0].config.weight_sharing:
        raise RequestError(
            "--compare-unshared compares one run with weight sharing",
            "add --weight-sharing, and one value of each parameter",
        )
    if points[0].config.mode is Mode.ACCURACY:
        raise RequestError(
            "--compare-unshared compares speeds and memory, and accuracy mode asks for neither",
            "leave it out",
        )
    return run_contrast(points[0], options)


def _refuse_mlflow(options: RunOptions) -> None:
    """The store is told by the process that measures, of each run by itself."""
    others = [f"--{name.replace('_', '-')}" for name in ("docker", "compare_native",
              "compare_unshared") if getattr(options, name)]  # fmt: skip
    if options.mlflow is not None and others:
        raise RequestError(
            f"--mlflow tells a store of runs, not of what {others[0]} makes of them",
            f"leave out one of --mlflow and {others[0]}",
        )


def _plan_engine(options: RunOptions, name: str) -> RunConfig:
    """What is asked of one of several engines.

    Raises:
        RequestError: several runs of it are asked for.
    """
    flags = {**options.flags, "ENGINE": name}
    points = _plan_or_explain(replace(options, flags=flags, repeat=None))
    if len(points) > 1:
        raise RequestError(
            "several engines are compared in one configuration, and --set gives several",
            "give one value of each parameter; `r50 sweep --engine LIST` measures combinations",
        )
    return points[0].config


def _plan_or_explain(options: RunOptions) -> tuple[Point, ...]:
    """The runs to make, or all that is wrong with them: what this host cannot do, too."""
    try:
        return _plan(options)
    except ConfigError as error:
        if error.config is None:
            raise
        from resnet50_bench.planning.plan import find_host_problems

        problems = [*error.problems, *find_host_problems(error.config)]
        raise type(error)(list(dict.fromkeys(problems)), error.config) from None


def _plan(options: RunOptions) -> tuple[Point, ...]:
    """The runs to make. The strongest setting comes last: environment, case, file, --set, flags."""
    from resnet50_bench.cases.grammar import plan_combinations
    from resnet50_bench.search.assignments import Repetition, plan_points

    before = [
        *collect_environment(from_env=options.from_env, strict=options.strict_env),
        *collect_case_settings("run", options.case, options.case_config),
    ]
    repetition = Repetition(loop=options.loop, repeat=options.repeat or 1)
    flags = collect_flags(PARAMETERS, options.flags)
    combinations = plan_combinations(options.assignments)
    if options.docker:
        before = [*_find_own_images([*before, *itertools.chain(*combinations), *flags]), *before]
    before = [*_find_tuned(options, combinations, before, flags), *before]
    return plan_points(combinations, before, flags, repetition)


def _find_tuned(
    options: RunOptions,
    combinations: Sequence[tuple[Setting, ...]],
    before: Sequence[Setting],
    flags: Sequence[Setting],
) -> list[Setting]:
    """With --tuned, the stored answer: it is weaker than anything that was asked for."""
    if not options.tuned:
        if options.sla is not None:
            raise RequestError("--sla names a stored answer, and none is used", "add --tuned")
        return []
    from resnet50_bench.cli.run.tuned import find_tuned

    return find_tuned(combinations, before, flags, options.sla)


def _find_own_images(settings: list[Setting]) -> list[Setting]:
    """With real data and no data set, the images are those that the image holds."""
    from resnet50_bench.packaging.variables import DATASET_FOLDER

    named = {item.name.upper(): item.value.lower() for item in settings}
    if named.get("DATA_TYPE") != "real" or named.get("DATASET"):
        return []
    return [Setting("DATASET", str(DATASET_FOLDER), "the image's own images")]


def _is_unrunnable(error: RequestError, asked: Sequence[RunConfig]) -> bool:
    """Whether it is the machine or this version that cannot, not the request that is wrong."""
    if isinstance(error, PlacementError):
        return all(
            config.cores_per_instance is None and config.instances is None for config in asked
        )
    if isinstance(error, (EngineError, PrecisionError, MissingDataError)):
        return True
    return isinstance(error, CaseError) and error.known
