"""Flags and commands: the only place that prints and exits.

Nothing here imports numpy, a framework or rich before a command needs it: `r50 --help` is quick.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from typing import Any

import click

from resnet50_bench import __version__
from resnet50_bench.cli.accuracy import accuracy
from resnet50_bench.cli.cases import cases
from resnet50_bench.cli.ctest import ctest, ctest_case
from resnet50_bench.cli.dataset import dataset
from resnet50_bench.cli.doctor import doctor
from resnet50_bench.cli.host import host
from resnet50_bench.cli.kpi import kpi
from resnet50_bench.cli.lines import print_line, show_usage_error, show_what_is_not_encoded
from resnet50_bench.cli.model import model
from resnet50_bench.cli.plan import plan
from resnet50_bench.cli.profile import profile
from resnet50_bench.cli.run import run
from resnet50_bench.cli.show import show
from resnet50_bench.errors import ConfigError, ExitCode, Interrupted, R50Error

_EPILOG = """\b
Examples:
  r50 run                                    measure throughput, fp32, all cores
  r50 run --mode latency --cores-per-instance 1
  r50 run --dataset ~/photos                 real images, decoded beforehand
  r50 run --mode accuracy --dataset ILSVRC2012_img_val.tar --model resnet50_v1.pb
  r50 run --dry-run                          what would run where
  r50 doctor                                 what this machine can run
  r50 plan --host "2x56x2 snc4"              what would run where, on another machine
  r50 cases                                  the test cases, by name
  r50 run throughput_avx_fp32_gated          one of them
  r50 show runs/NAME                         a result again
  r50 profile runs/NAME                      which kernels took its time
\b
Exit codes: 0 valid result, 1 invalid result, 2 wrong request, 3 an instance or the
host failed, 128+N ended by signal N (130 is Ctrl-C)."""


class _Commands(click.Group):
    """Ends as other tools do when the reader of its output goes away, as in `r50 show RUN | head`.

    click and rich make exit code 1 of it, which here means an invalid result.
    """

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except (BrokenPipeError, SystemExit) as end:
            if not any(isinstance(error, BrokenPipeError) for error in (end, end.__context__)):
                raise
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(128 + signal.SIGPIPE)


@click.group(
    cls=_Commands, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, prog_name="r50")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def r50(debug: bool) -> None:
    """Measure, and prove, how fast and how accurately this CPU runs ResNet-50 v1.5 inference."""
    # Read by main() when something is raised.
    click.get_current_context().ensure_object(dict)["debug"] = debug


r50.add_command(run)
r50.add_command(show)
r50.add_command(profile)
r50.add_command(kpi)
r50.add_command(accuracy)
r50.add_command(model)
r50.add_command(dataset)
r50.add_command(doctor)
r50.add_command(plan)
r50.add_command(host)
r50.add_command(cases)
r50.add_command(ctest)
r50.add_command(ctest_case)


def main() -> None:
    """Run the command line; every error ends in one clear message and the documented code."""
    show_what_is_not_encoded()
    try:
        r50.main(standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt):
        print_line("interrupted", err=True)
        sys.exit(128 + signal.SIGINT)
    except click.ClickException as error:
        show_usage_error(error)
        sys.exit(ExitCode.WRONG_REQUEST)
    except Exception as error:  # noqa: BLE001 - the one place where errors become messages
        if "--debug" in sys.argv[1:]:
            traceback.print_exc()
        sys.exit(_explain(error))


def _explain(error: Exception) -> int:
    """Print what went wrong and what to do; return the exit code."""
    if isinstance(error, R50Error):
        _print_error(error)
        return error.exit_code
    print_line(f"{type(error).__name__}: {error}", label="internal error: ", colour="red", err=True)
    print_line("  -> run it again as `r50 --debug ...` and report what it prints", err=True)
    return ExitCode.FAILURE


def _print_error(error: R50Error) -> None:
    messages = error.problems if isinstance(error, ConfigError) else (error.message,)
    label = "" if isinstance(error, Interrupted) else "error: "
    for message in messages:
        print_line(message, label=label, colour="red", err=True)
    for line in error.output:
        print_line(f"  | {line}", err=True)
    if error.advice is not None:
        print_line(f"  -> {error.advice}", err=True)
