"""The door for programs: what `import resnet50_bench` offers, and the command line uses, too."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from resnet50_bench.config import RunConfig
from resnet50_bench.data.sources import OnListing, ignore_listing
from resnet50_bench.errors import RecordError
from resnet50_bench.parameters.checking import check_config
from resnet50_bench.planning.plan import RunPlan, plan_run
from resnet50_bench.session.finished import Run
from resnet50_bench.session.run import Desk, execute
from resnet50_bench.session.runs import Runs
from resnet50_bench.session.stages import Observer, Silence
from resnet50_bench.session.until import measure_until

DEFAULT_OUTPUT = Path("runs")


def plan(config: RunConfig, on_listing: OnListing = ignore_listing) -> RunPlan:
    """Resolve a run against this machine, without starting anything.

    The dry run: the host is read, the precision checked, the images and labels opened, the cores
    dealt out. What is found is in the plan's attributes, e.g. `placement.slots`, `workload`,
    `expected_s`, `warnings()`.

    Args:
        config: what is asked; every field has a default.
        on_listing: called while the images are listed, which can take minutes, with how many were
            found so far and the share of the files gone through; None where that is not known.

    Raises:
        ConfigError: fields exclude one another, or one is missing.
        PlacementError: the instances do not fit.
        PrecisionError: this CPU cannot run the precision.
        ModelError, DatasetError: the model or the images cannot be read.
        R50Error: the base of these, and of whatever else a user is told.
    """
    return plan_run(check_config(config), os.environ, on_listing)


def run(
    request: RunConfig | RunPlan,
    *,
    output: Path | str = DEFAULT_OUTPUT,
    observer: Observer | None = None,
    desk: Desk | None = None,
) -> Run:
    """Measure, and keep the record in a new folder below `output`.

    Takes as long as the plan's `expected_s`, and runs as processes of their own: call it from the
    main thread, which takes the signals that end a run. An invalid result is returned like a valid
    one: look at `verdict` before you use a figure.

    With `until` in the config it is made again, longer, until the throughput is known so well or
    will not be; the last run is returned.

    Args:
        request: what is asked, or a plan made of it.
        output: the folder of runs; made when it is not there.
        observer: is told the progress; nobody, unless given.
        desk: where the run is asked from, for those who hold a lock for several runs or go on with
            an interrupted one; `output` is its own, then.

    Raises:
        R50Error: as `plan` does; or this machine failed before anything was measured.
        Interrupted: by SIGINT, SIGTERM or SIGHUP; the record is written and no process is left.
    """
    planned = plan(request) if isinstance(request, RunConfig) else request
    where = desk or Desk(output=Path(output), command=(f"{__package__.partition('.')[0]}.run",))
    watcher = observer or Silence()
    if planned.config.until is None:
        return execute(planned, watcher, where)
    return measure_until(planned, lambda plan: execute(plan, watcher, where), watcher.note)


def read_runs(
    folder: Path | str, on_skipped: Callable[[Path, RecordError], None] | None = None
) -> Runs:
    """Read the runs in and below a folder, one at a time, in the order of their names.

    Nothing is kept of a run that was handed out, so that thousands take the memory of one. All of
    them as a table: `read_runs(folder).to_polars()`, or `.to_pandas()`.

    Args:
        folder: of one run, or one above those of many.
        on_skipped: is told of a record or a folder that cannot be read, and why; it is passed over.

    Raises:
        RecordError: there is no such folder; or a record or a folder cannot be read and nobody is
            told. Not before the first run is asked for.
    """
    return Runs(Path(folder), on_skipped)
