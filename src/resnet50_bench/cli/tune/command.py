"""`r50 tune`: the best configuration of this machine, in a fraction of the time of trying all."""

from __future__ import annotations

import sys
from typing import Any

import click

from resnet50_bench.cli.options import output_option, parameter_options, take_flags, wait_option
from resnet50_bench.cli.tune.request import FORMATS, TuneOptions
from resnet50_bench.parameters.table import PARAMETERS

_FIXED = frozenset(
    {
        "PRECISION", "MODEL", "CALIBRATION", "ACCEPT_LOSS", "ENGINE_OPTION", "SEED", "SMT",
        "SPAN_SOCKETS", "CORE_KIND", "EMULATED", "SHARE_PER", "FORCE", "CPU_LATENCY_LIMIT",
        "ACCEPT_NOISE", "CUSTOMER_ENV", "TIMEOUT",
    }
)  # fmt: skip
"""Parameters that are the same for every configuration."""

_PARAMETERS = tuple(item for item in PARAMETERS if item.name in _FIXED)

_EPILOG = """\b
Examples:
  r50 tune                                     the highest throughput in fp32
  r50 tune --precision avx_int8 --budget 10m
  r50 tune --objective throughput --sla p99=20ms
  r50 tune --objective latency --cores-per-instance 1,2,4
  r50 tune --batch-size 8,16..128 --weight-sharing off
  r50 tune --dry-run                           what would be tried, and how long it takes
  r50 tune --show                              the answers that are stored
  r50 run --tuned                              measure with the stored answer
\b
Exit codes: 0 a best was found and its run is VALID; 1 no configuration keeps to the limit,
or none gave a valid result; 2 wrong request; 3 the instances or the host failed;
130 Ctrl-C: the best so far is told, and what was measured is kept."""


@click.command(epilog=_EPILOG, context_settings={"max_content_width": 100})
@parameter_options(_PARAMETERS)
@click.option(
    "--objective",
    type=click.Choice(["throughput", "latency"]),
    default="throughput",
    show_default=True,
    help="What the best is the best at: images per second, or the median time (p50) of a query.",
)
@click.option(
    "--sla",
    metavar="pN=TIME",
    help="Only configurations that are shown to keep to it, e.g. p99=20ms.",
)
@click.option(
    "--budget",
    metavar="TIME",
    help="How long the search may take, e.g. 90s, 10m, 1h.  [default: a fifth of what a run of "
    "each configuration would take]",
)
@click.option(
    "--within",
    default="2%",
    show_default=True,
    metavar="PERCENT",
    help="A difference that does not matter: the search ends when nothing better by more is left.",
)
@click.option("--batch-size", metavar="LIST", help="[default: 1..128; 1 for a latency]")
@click.option(
    "--cores-per-instance",
    metavar="LIST",
    help="[default: every number that fills a socket without a rest]",
)
@click.option("--instances", metavar="LIST", help="[default: as many as fit]")
@click.option(
    "--weight-sharing",
    type=click.Choice(["on", "off", "both"]),
    help="[default: both where the precision can; off for a latency]",
)
@click.option("--allocator", metavar="LIST", help="[default: those on this machine]")
@click.option("--engine", metavar="LIST", help="[default: tensorflow]")
@output_option("one folder per search")
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True)
@wait_option
@click.option("--show", is_flag=True, help="Print the stored answers and stop.")
@click.option("--dry-run", is_flag=True, help="Print what would be tried and stop.")
def tune(**values: Any) -> None:
    """Find the best configuration of this machine by racing.

    Every configuration gets a short trial; those that cannot be the best any more drop out, and the
    others get longer ones, until the intervals decide. The best is then measured by a whole run
    with its proof, and stored for `r50 run --tuned`. LIST is 1,2,4 or 8..64 (docs/tuning.md).
    """
    flags = take_flags(_PARAMETERS, values)
    options = TuneOptions(**values, flags=flags)
    if options.show:
        from resnet50_bench.cli.tune.shown import show_answers

        show_answers(options.form)
        return
    from resnet50_bench.cli.tune.racing import run_tune, show_plan
    from resnet50_bench.cli.tune.request import plan_search

    search = plan_search(options, _PARAMETERS)
    if options.dry_run:
        show_plan(search, options)
        return
    sys.exit(run_tune(search, options))
