"""`r50 profile`: which kernels a run spent its time in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from resnet50_bench.results.kernel_logs import KernelLogs, Profile
    from resnet50_bench.results.record import Record

_EPILOG = """\b
Examples:
  r50 run --steps 20 --onednn-verbose        a run whose every query can be profiled
  r50 profile runs/NAME
  r50 profile runs/NAME --instance 1 --top 30
  r50 profile runs/NAME --all --json"""


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
def profile(run: Path, *, instance: int | None, top: int, everything: bool, as_json: bool) -> None:
    """Say which primitives, data types and instruction sets RUN spent its time in.

    Counts the measured queries of a run made with --onednn-verbose; of any other run the one batch
    per instance that was traced to prove its precision.
    """
    from resnet50_bench.cli.terminal import make_console, print_json
    from resnet50_bench.files.paths import is_folder
    from resnet50_bench.report.terminal.profile import print_profile, summarize_profile
    from resnet50_bench.results.files import read_record
    from resnet50_bench.results.kernel_logs import find_kernel_logs

    record = read_record(run)
    folder = run if is_folder(run) else run.parent
    logs = find_kernel_logs(folder, record, instance, everything=everything)
    found = _read(logs, record)
    if as_json:
        print_json(summarize_profile(record.run_id, found))
    else:
        print_profile(make_console(), record.run_id, found, top)


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
