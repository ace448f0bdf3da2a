"""`r50 plan`: which instance would sit where, on this machine or another."""

from __future__ import annotations

from typing import Any

import click

from resnet50_bench.cli.options import collect_flags, parameter_options, take_flags
from resnet50_bench.parameters.table import PARAMETERS

_NAMES = {
    "MODE",
    "PRECISION",
    "CASE_TYPE",
    "BATCH_SIZE",
    "CORES_PER_INSTANCE",
    "INSTANCES",
    "SMT",
    "SPAN_SOCKETS",
    "CORE_KIND",
    "WEIGHT_SHARING",
    "SHARE_PER",
    "FORCE",
    "MPI",
    "NUM_MPI",
}
_PLACING = tuple(parameter for parameter in PARAMETERS if parameter.name in _NAMES)
"""The parameters of a run that decide the placement."""

_EPILOG = """\b
Examples:
  r50 plan
  r50 plan --mode latency
  r50 plan --host "2x56x2 snc4" --cores-per-instance 14
  r50 plan --host 2x128x2 --instances 64 --cores-per-instance 4 --smt
  r50 plan --host 1x8x2+16 --core-kind any --cores-per-instance 4
  r50 plan --host big.json --json        a file of `r50 host capture`"""


@click.command(epilog=_EPILOG, context_settings={"max_content_width": 100})
@click.option(
    "--host",
    "host_text",
    metavar="FILE|SPEC",
    help="Plan for another machine: a file of `r50 host capture`, or SOCKETSxCORES[xTHREADS] "
    "(cores per socket, threads per core), then +E for so many E cores of a hybrid CPU, or sncN or "
    "npsN for N memory nodes per socket.  "
    "[default: this machine]",
)
@parameter_options(_PLACING)
@click.option("--json", "as_json", is_flag=True, help="Print host and placement as JSON.")
def plan(**values: Any) -> None:
    """Show which instance would sit on which cores and memory nodes; nothing is started.

    Takes those parameters of `r50 run` that decide the placement. Where these instances do not fit,
    it says so as `r50 run` would, and exits 2.
    """
    import msgspec

    from resnet50_bench.cli.terminal import make_console, print_json
    from resnet50_bench.host.files import open_host
    from resnet50_bench.parameters.settings import make_config
    from resnet50_bench.placement.layout import plan_layout, plan_request
    from resnet50_bench.report.terminal.plan import print_placement

    flags = take_flags(_PLACING, values)
    config = make_config(collect_flags(_PLACING, flags), complete=False)
    host = open_host(values["host_text"])
    request, placement = plan_request(config), plan_layout(config, host)
    if values["as_json"]:
        answer = {"host": host, "request": request, "placement": placement}
        print_json(msgspec.to_builtins(answer))
        return
    print_placement(make_console(), host, placement)
