"""`r50 loadgen`: one configuration, driven by MLPerf's LoadGen."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from resnet50_bench.cli.loadgen.options import LoadgenOptions
from resnet50_bench.cli.options import output_option, parameter_options, take_flags, wait_option
from resnet50_bench.parameters.table import PARAMETERS

_LEFT_OUT = frozenset(
    {
        "MODE", "CASE_TYPE", "FUNCTION", "WORKLOAD", "TOPOLOGY", "INSTANCE_MODE", "PLATFORM",
        "UNTIL", "MAX_TIME", "MPI", "NUM_MPI", "HOSTFILE", "GRAMINE", "REMOTE_ATTESTATION",
        "ONEDNN_VERBOSE", "PRICE_PER_HOUR",
    }
)  # fmt: skip
"""Parameters of `r50 run` that LoadGen decides, or that have no meaning behind it."""

OWN_PARAMETERS = tuple(item for item in PARAMETERS if item.name not in _LEFT_OUT)

_EPILOG = """\b
Examples:
  r50 loadgen --scenario Offline
  r50 loadgen --scenario SingleStream --cores-per-instance 1 --precision avx_int8
  r50 loadgen --scenario Server --target-qps 40 --batch-size 8 --batch-wait 2
  r50 loadgen --scenario Server --find-max --cores-per-instance 1
  r50 loadgen --scenario MultiStream --find-max --latency-bound 100
  r50 loadgen --scenario Offline --mode accuracy --dataset ILSVRC2012_img_val.tar \\
      --model resnet50_v1.pb
  r50 loadgen --scenario Offline --rules --dataset ILSVRC2012_img_val.tar \\
      --model resnet50_v1.pb --export-submission submission
\b
Exit codes: 0 valid, by LoadGen and by r50; 1 invalid; 2 wrong request; 3 an instance,
LoadGen's process or the host failed; 130 Ctrl-C: LoadGen's logs so far are kept."""


@click.command(epilog=_EPILOG, context_settings={"max_content_width": 100})
@click.argument("case", required=False)
@click.option(
    "--scenario",
    metavar="Offline|Server|SingleStream|MultiStream",
    help="How queries arrive, in MLPerf's words.",
)
@click.option(
    "--mode",
    metavar="performance|accuracy",
    default="performance",
    show_default=True,
    help="What LoadGen is for.",
)
@click.option(
    "--target-qps",
    type=float,
    metavar="QPS",
    help="Server: queries a second. Offline: samples a second to expect.  "
    "[Offline default: by the warm-up]",
)
@click.option(
    "--find-max",
    is_flag=True,
    help="Find the largest target of Server, or number of samples in a query of MultiStream, that "
    "holds the latency bound.",
)
@click.option(
    "--latency-bound",
    type=float,
    metavar="MS",
    help="What 99 % of queries have to hold.  [default: Server 15; MultiStream, with --find-max, "
    "50]",
)
@click.option("--samples-per-query", type=int, metavar="N", help="Of MultiStream.  [default: 8]")
@click.option(
    "--samples",
    type=int,
    metavar="N",
    help="Images in memory at a time.  [default: 1024, or 128 generated ones without --rules]",
)
@click.option(
    "--batch-wait",
    type=float,
    metavar="MS",
    help="How long the first sample of a batch may wait for others.  "
    "[default: 1 in Server with a --batch-size above 1, else 0]",
)
@click.option(
    "--loadgen-core",
    metavar="auto|own|shared",
    default="auto",
    show_default=True,
    help="Where LoadGen runs: on a core no instance has, where there is one; or on theirs.",
)
@click.option(
    "--rules",
    is_flag=True,
    help="With MLPerf's own settings, which are built into LoadGen: 600 s, 1,024 images in memory.",
)
@click.option(
    "--mlperf-conf",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Rules in LoadGen's form, in place of those that are built in.",
)
@click.option(
    "--user-conf",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Settings in LoadGen's form, on top of the rules; flags win over them.",
)
@parameter_options(OWN_PARAMETERS)
@click.option(
    "--export-submission",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Put the result where an open submission has it, and say what would not be accepted.",
)
@click.option(
    "--submitter",
    metavar="NAME",
    default="SUBMITTER",
    show_default=True,
    help="Whose submission it is.",
)
@output_option("one folder per run")
@wait_option
@click.option("--dry-run", is_flag=True, help="Print the plan and stop.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def loadgen(**values: Any) -> None:
    """Have MLPerf's LoadGen drive the instances of `r50 run`: same plan, slots, proof, verdict.

    CASE is a test case (`r50 cases`) whose mode the scenario can have. LoadGen's own logs stay in
    the run's folder as it wrote them; the record holds its figures beside ours.
    """
    flags = take_flags(OWN_PARAMETERS, values)
    options = LoadgenOptions(**values, flags=flags)
    from resnet50_bench.cli.loadgen.conduct import conduct

    sys.exit(conduct(options))
