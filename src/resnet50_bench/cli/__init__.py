"""Which flags and commands are there? The only place that prints and exits.

One command a file, a folder once it needs more. Nothing here imports numpy, a framework or rich
before a command needs it: `r50 --help` is quick.

May import everything.

Public names:
    `main`: the program.
    `terminal.make_console`, `terminal.TerminalObserver`: output for people, and progress.
"""

from __future__ import annotations

import signal
import sys
import traceback

import click

from resnet50_bench import __version__
from resnet50_bench.cli.ab import ab
from resnet50_bench.cli.accuracy import accuracy
from resnet50_bench.cli.cases import cases
from resnet50_bench.cli.collect import collect
from resnet50_bench.cli.compare import compare
from resnet50_bench.cli.container import container
from resnet50_bench.cli.ctest.command import ctest, ctest_case
from resnet50_bench.cli.dataset.command import dataset
from resnet50_bench.cli.doctor import doctor
from resnet50_bench.cli.enclave import enclave
from resnet50_bench.cli.export import export
from resnet50_bench.cli.fleet.command import fleet
from resnet50_bench.cli.host import host
from resnet50_bench.cli.images import images
from resnet50_bench.cli.k8s import k8s
from resnet50_bench.cli.kpi import kpi
from resnet50_bench.cli.lines import print_line, show_usage_error, show_what_is_not_encoded
from resnet50_bench.cli.list import list_runs
from resnet50_bench.cli.loadgen.command import loadgen
from resnet50_bench.cli.model import model
from resnet50_bench.cli.peers import peers
from resnet50_bench.cli.plan import plan
from resnet50_bench.cli.profile import profile
from resnet50_bench.cli.query import query
from resnet50_bench.cli.reference import reference
from resnet50_bench.cli.report import report
from resnet50_bench.cli.roofline import roofline
from resnet50_bench.cli.run.command import run
from resnet50_bench.cli.serve.command import serve
from resnet50_bench.cli.show import show
from resnet50_bench.cli.slurm import slurm
from resnet50_bench.cli.streams import ReaderGone, discard_output, guard_streams, print_error
from resnet50_bench.cli.sweep.command import sweep
from resnet50_bench.cli.tune.command import tune
from resnet50_bench.cli.watch import watch
from resnet50_bench.errors import (
    NO_ROOM,
    ExitCode,
    OutputError,
    R50Error,
)
from resnet50_bench.signals import ignore_interrupts, raise_on_interrupt

_EPILOG = """\b
Examples:
  r50 run                                    measure throughput, fp32, all cores
  r50 run --mode latency --cores-per-instance 1
  r50 run --dataset ~/photos                 real images, decoded beforehand
  r50 run --mode accuracy --dataset ILSVRC2012_img_val.tar --model resnet50_v1.pb
  r50 run --dry-run                          what would run where
  r50 tune                                   the best configuration of this machine
  r50 sweep --precision all                  every combination, and the best of them
  r50 loadgen --scenario Offline             driven by MLPerf's own load generator
  r50 doctor                                 what this machine can run
  r50 roofline                               what it can do at most
  r50 plan --host "2x56x2 snc4"              what would run where, on another machine
  r50 cases                                  the test cases, by name
  r50 run throughput_avx_fp32_gated          one of them
  r50 show runs/NAME                         a result again
  r50 list                                   the runs so far, with their verdicts
  r50 report runs                            all of them as a page for the browser
  r50 query "from runs where valid"          a question over all runs, in SQL
  r50 export runs --format junit             runs as CI, dashboards and trackers read them
  r50 compare runs/BEFORE runs/AFTER         which is faster, and is it certain
  r50 peers                                  beside the engines' own benchmark programs
  r50 watch runs                             since when is it slower, and what changed then
  r50 fleet report fleet                     which of many machines are slow, and why
  r50 profile runs/NAME                      which kernels took its time
  r50 reference                              what others published, as shares of the limit
\b
Exit codes: 0 valid result, 1 invalid result, 2 wrong request, 3 an instance or the
host failed, 128+N ended by signal N (130 is Ctrl-C)."""


@click.group(epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="r50")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def r50(debug: bool) -> None:
    """Measure, and prove, how fast and how accurately this CPU runs ResNet-50 v1.5 inference."""
    # Read by main() when something is raised.
    click.get_current_context().ensure_object(dict)["debug"] = debug


r50.add_command(run)
r50.add_command(loadgen)
r50.add_command(tune)
r50.add_command(sweep)
r50.add_command(show)
r50.add_command(list_runs)
r50.add_command(query)
r50.add_command(export)
r50.add_command(profile)
r50.add_command(reference)
r50.add_command(roofline)
r50.add_command(report)
r50.add_command(serve)
r50.add_command(kpi)
r50.add_command(compare)
r50.add_command(ab)
r50.add_command(peers)
r50.add_command(watch)
r50.add_command(accuracy)
r50.add_command(model)
r50.add_command(dataset)
r50.add_command(doctor)
r50.add_command(plan)
r50.add_command(host)
r50.add_command(cases)
r50.add_command(collect)
r50.add_command(fleet)
r50.add_command(images)
r50.add_command(enclave)
r50.add_command(k8s)
r50.add_command(slurm)
r50.add_command(container)
r50.add_command(ctest)
r50.add_command(ctest_case)


def main() -> None:
    """Run the command line; every error ends in one clear message and the documented code."""
    guard_streams()
    show_what_is_not_encoded()
    raise_on_interrupt()
    try:
        code = _run()
    except ReaderGone:  # while an error was told
        code = _end_quietly()
    ignore_interrupts()
    sys.exit(code)


def _run() -> int:
    try:
        r50.main(standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt):
        print_line("interrupted", err=True)
        return 128 + signal.SIGINT
    except click.ClickException as error:
        show_usage_error(error)
        return ExitCode.WRONG_REQUEST
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else ExitCode.VALID
    except ReaderGone:
        return _end_quietly()
    except Exception as error:  # noqa: BLE001 - the one place where errors become messages
        if "--debug" in sys.argv[1:]:
            traceback.print_exc()
        return _explain(error)
    return ExitCode.VALID


def _end_quietly() -> int:
    """End as other tools do when the reader goes away, as in `r50 show RUN | head`."""
    discard_output(2)
    return 128 + signal.SIGPIPE


def _explain(error: Exception) -> int:
    """Print what went wrong and what to do; return the exit code."""
    if isinstance(error, OutputError):
        discard_output()
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        error = OutputError(error.filename or "a file", error)
    if isinstance(error, R50Error):
        print_error(error)
        return error.exit_code
    print_line(f"{type(error).__name__}: {error}", label="internal error: ", colour="red", err=True)
    print_line("  -> run it again as `r50 --debug ...` and report what it prints", err=True)
    return ExitCode.FAILURE
