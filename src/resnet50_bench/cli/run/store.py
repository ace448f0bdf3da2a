"""Tells an MLflow store of the runs that `r50 run` makes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from resnet50_bench.cli.lines import print_line
from resnet50_bench.cli.streams import print_error
from resnet50_bench.errors import ExitCode, HostError

if TYPE_CHECKING:
    from resnet50_bench.cli.run.options import RunOptions
    from resnet50_bench.report.export.mlflow import Store
    from resnet50_bench.session.finished import Run


def find_store(options: RunOptions) -> Store | None:
    """Reach the store before anything is measured; None where none is asked for.

    Raises:
        RequestError: it cannot be used.
    """
    if options.mlflow is None:
        return None
    from resnet50_bench.report.export.mlflow import open_store

    return open_store(options.mlflow, os.environ)


def tell_store(store: Store | None, result: Run) -> int:
    """Tell it of a run that has ended; return the exit code: what was measured is not lost."""
    if store is None:
        return ExitCode.VALID
    from resnet50_bench.report.export.measures import describe_run
    from resnet50_bench.report.export.mlflow import send_run

    try:
        number = send_run(store, describe_run(result.folder, result.record))
    except HostError as error:
        print_error(error)
        return error.exit_code
    print_line(f"MLflow      run {number} in {store.uri}", err=True)
    return ExitCode.VALID
