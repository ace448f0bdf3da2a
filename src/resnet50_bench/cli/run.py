"""`r50 run`: one configuration, measured."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from resnet50_bench.config import RunConfig
from resnet50_bench.errors import Interrupted
from resnet50_bench.parameters import (
    PARAMETERS,
    Parameter,
    Setting,
    find_environment_settings,
    make_config,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_EPILOG = """\b
Examples:
  r50 run
  r50 run --mode latency --cores-per-instance 1 --instances 2
  r50 run --batch-size 64 --steps 100
  r50 run --set BATCH_SIZE=32 --set STEPS=50
  BATCH_SIZE=32 STEPS=50 r50 run --from-env
  r50 run --data-type real --dataset ILSVRC2012_img_val.tar --limit 1000
  r50 run --dry-run --json"""


def _parameter_option(parameter: Parameter) -> Callable[[Any], Any]:
    text = parameter.help
    if parameter.default is not None:
        text += f"  [default: {parameter.default}]"
    if parameter.switch:
        return click.option(parameter.flag, f"_{parameter.name}", is_flag=True, help=text)
    metavar = "|".join(parameter.choices) or parameter.metavar
    return click.option(parameter.flag, f"_{parameter.name}", metavar=metavar, help=text)


def _parameter_options(command: Callable[..., None]) -> Callable[..., None]:
    """One option per parameter; values stay text, so that all problems are reported at once."""
    for parameter in reversed(PARAMETERS):
        command = _parameter_option(parameter)(command)
    return command


@click.command(epilog=_EPILOG, context_settings={"max_content_width": 100})
@_parameter_options
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="NAME=VALUE",
    help="Set a parameter by the framework's name; flags win over it.",
)
@click.option("--from-env", is_flag=True, help="Take parameters from the environment, too.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=lambda: os.environ.get("R50_OUTPUT", "runs"),
    metavar="DIR",
    help="The folder that gets one folder per run.  [default: $R50_OUTPUT or runs]",
)
@click.option("--dry-run", is_flag=True, help="Print the plan and stop.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def run(
    *,
    assignments: tuple[str, ...],
    from_env: bool,
    output: Path,
    dry_run: bool,
    as_json: bool,
    **flags: str | bool | None,
) -> None:
    """Measure one configuration of this CPU and judge the result.

    Without options: throughput in fp32 on generated images, one instance per socket, all cores.
    """
    config = make_config(_collect_settings(flags, assignments, from_env=from_env))
    from resnet50_bench.plan import plan_run

    plan = plan_run(config, os.environ)
    if dry_run:
        _show_plan(plan, as_json=as_json)
        return
    sys.exit(_measure(plan, config, output, as_json=as_json))


def _collect_settings(
    flags: dict[str, str | bool | None], assignments: tuple[str, ...], *, from_env: bool
) -> list[Setting]:
    """All settings, the weakest first: environment, --set, flags."""
    settings = find_environment_settings(os.environ) if from_env else []
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals:
            raise click.UsageError(f"--set {assignment}: give NAME=VALUE, e.g. BATCH_SIZE=32")
        settings.append(Setting(name, value, f"--set {name}"))
    for parameter in PARAMETERS:
        value_or_switch = flags[f"_{parameter.name}"]
        if value_or_switch is not None and value_or_switch is not False:
            settings.append(Setting(parameter.name, str(value_or_switch), parameter.flag))
    return settings


def _show_plan(plan: Any, *, as_json: bool) -> None:
    from resnet50_bench.cli.terminal import make_console, print_json
    from resnet50_bench.report.plan_text import print_plan, summarize_plan

    if as_json:
        print_json(summarize_plan(plan))
        return
    print_plan(make_console(), plan)
    for warning in plan.warnings():
        click.secho("warning: ", fg="yellow", nl=False, err=True)
        click.echo(warning, err=True)


def _measure(plan: Any, config: RunConfig, output: Path, *, as_json: bool) -> int:
    from resnet50_bench.cli.terminal import (
        TerminalObserver,
        make_console,
        print_json,
    )
    from resnet50_bench.report.summary import summarize
    from resnet50_bench.report.text import print_result
    from resnet50_bench.session import execute
    from resnet50_bench.verdict import judge

    with TerminalObserver() as observer:
        for warning in plan.warnings():
            observer.note(f"warning: {warning}")
        try:
            result = execute(plan, observer, output, ["r50", *sys.argv[1:]])
        except Interrupted as interruption:
            if interruption.folder is not None:
                observer.note(f"interrupted; the record is in {interruption.folder}")
            raise
    if as_json:
        print_json(summarize(result.record, result.folder))
    else:
        print_result(make_console(), result.record, result.folder, verbose=config.verbose)
    return judge(result.record).exit_code
