"""`r50 sweep`: every combination that fits this machine, and the best of them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from resnet50_bench.cli.options import parameter_options, take_flags, wait_option
from resnet50_bench.cli.sweep.options import FORMATS, SweepOptions, parse_duration
from resnet50_bench.parameters.table import PARAMETERS

_EPILOG = """\b
Examples:
  r50 sweep
  r50 sweep --batch-size 1,8,16..128 --cores-per-instance 1,2,4,... --precision all
  r50 sweep --mode latency --cores-per-instance 1,2,4,...
  r50 sweep --batch-size 8,32 --set "ALLOCATOR=system jemalloc" --budget 30m
  r50 sweep throughput_avx_fp32 --batch-size 16..64 --rounds 5
  r50 sweep --precision all --dry-run           what would be measured, and for how long
  r50 sweep --resume runs/NAME-sweep            after an interruption or a reboot
\b
Lists: 1,8,32 gives three values; 16..128 doubles: 16, 32, 64, 128; 1,2,4,...,64 goes on as
the last three do; `...` at the end of --cores-per-instance goes on to a whole socket; `all`
is every word of a parameter. docs/sweep.md has the whole grammar."""


@click.command(epilog=_EPILOG, context_settings={"max_content_width": 100})
@click.argument("case", required=False)
@parameter_options(PARAMETERS)
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="NAME=VALUES",
    help="Values of a parameter by the framework's name, as for `r50 run`; each of its "
    "combinations is combined with those of the flags.",
)
@click.option(
    "--config",
    "case_config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Take parameters of CASE from a test-config file.",
)
@click.option("--from-env", is_flag=True, help="Take parameters from the environment, too.")
@click.option(
    "--rounds",
    type=click.IntRange(1, 100),
    metavar="N",
    help="How often each combination is measured, in an order of its own each time; the interval "
    "comes from their spread.  [default: 3]",
)
@click.option(
    "--budget",
    metavar="TIME",
    help="Begin no run that would not be over by then, e.g. 30m, 2h or 90s; what is left can be "
    "gone on with.  [default: no bound]",
    callback=lambda _context, _option, text: parse_duration(text),
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="The sweep's own folder. One that holds an earlier sweep is gone on with; more values or "
    "rounds extend it.  [default: a new one in $R50_OUTPUT or runs]",
)
@click.option(
    "--resume",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Go on with the sweep in a folder, which names all the rest itself.",
)
@wait_option
@click.option("--dry-run", is_flag=True, help="List the points and the time they will take.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True)
def sweep(**values: Any) -> None:
    """Measure every combination of parameters that fits this machine; show the best ones.

    Each parameter's flag takes a list. Without any: batch sizes 1,8,16..128 (in latency mode 1) on
    instances of 1, 2, 4, ... cores and of a whole socket, in short runs, three rounds of them. A
    run that fails is kept and the others go on. CASE is a test case, as for `r50 run`.
    """
    from resnet50_bench.cli.sweep.conduct import conduct, show_points
    from resnet50_bench.cli.sweep.request import plan_request

    flags = take_flags(PARAMETERS, values)
    options = SweepOptions(**values, flags=flags)
    request = plan_request(options, os.environ)
    if options.dry_run:
        show_points(request, options)
        return
    sys.exit(conduct(request, options))
