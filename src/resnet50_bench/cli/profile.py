"""`r50 profile`: which kernels a run spent its time in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from resnet50_bench.cli.lines import print_line, print_text

if TYPE_CHECKING:
    from resnet50_bench.results.kernel_logs import KernelLogs, Profile
    from resnet50_bench.results.layer_limits import LayerResults
    from resnet50_bench.results.record import Record

_EPILOG = """\b
Examples:
  r50 run --steps 20 --onednn-verbose        a run whose every query can be profiled
  r50 profile runs/NAME
  r50 profile runs/NAME --instance 1 --top 30
  r50 profile runs/NAME --all --json
  r50 profile runs/NAME --layers csv         each convolution: time, limit, traffic, intensity"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """The options, by their names on the command line; `form` is `--layers`."""

    instance: int | None
    top: int
    everything: bool
    as_json: bool
    form: str | None


@click.command(epilog=_EPILOG)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--instance", type=click.IntRange(0), metavar="N", help="Only this instance.")
@click.option(
    "--top",
    type=click.IntRange(0),
    default=10,
    show_default=True,
    metavar="N",
    help="How many of the costliest problems (shapes) to list.",
)
@click.option(
    "--all", "everything", is_flag=True, help="Count warm-up and all else that was executed too."
)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON, with every problem.")
@click.option(
    "--layers",
    "form",
    type=click.Choice(["text", "csv", "json", "markdown"]),
    help="Print only the convolutions, in this form.",
)
def profile(run: Path, **options: Any) -> None:
    """Say which primitives, data types and instruction sets RUN spent its time in, and how near
    each of the 53 convolutions came to the limit that was measured for the run.

    Counts the measured queries of a run made with --onednn-verbose; of any other run the one batch
    per instance that was traced to prove its precision.
    """
    from resnet50_bench.cli.terminal import make_console, print_json
    from resnet50_bench.files.paths import is_folder
    from resnet50_bench.report.terminal.profile import print_profile, summarize_profile
    from resnet50_bench.results.files import read_record
    from resnet50_bench.results.kernel_logs import find_kernel_logs
    from resnet50_bench.results.layer_limits import compute_layers

    wanted = _Wanted(**options)
    record = read_record(run)
    folder = run if is_folder(run) else run.parent
    logs = find_kernel_logs(folder, record, wanted.instance, everything=wanted.everything)
    found = _read(logs, record)
    layers = compute_layers(record, found)
    if wanted.form is not None:
        _print_layers(layers, found, wanted.form)
    elif wanted.as_json:
        print_json(summarize_profile(record.run_id, found, layers))
    else:
        print_profile(make_console(), record.run_id, found, wanted.top)
        print_line("")
        _print_layers(layers, found, "text")


def _print_layers(layers: LayerResults, found: Profile, form: str) -> None:
    from resnet50_bench.cli.terminal import print_json
    from resnet50_bench.report import layers as report

    if form == "json":
        print_json(report.summarize_layers(layers, found))
    elif form == "csv":
        print_text(report.render_csv(layers, found))
    elif form == "markdown":
        print_text(report.render_markdown(layers, found))
    else:
        print_text(report.render_layers(layers, found))


def _read(logs: KernelLogs, record: Record) -> Profile:
    """Read the logs, showing how far it is: they may be large."""
    from resnet50_bench.cli.terminal import TerminalObserver
    from resnet50_bench.results.kernel_logs import read_profile

    total = sum(path.stat().st_size for path in logs.paths)
    with TerminalObserver() as observer:
        return read_profile(
            logs,
            record,
            lambda done: observer.waiting(
                f"read {done / 1e6:,.0f} of {total / 1e6:,.0f} MB", min(1.0, done / (total or 1))
            ),
        )
