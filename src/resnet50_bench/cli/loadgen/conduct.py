"""Runs what `r50 loadgen` was asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resnet50_bench.cli.lines import print_line
from resnet50_bench.cli.loadgen.command import OWN_PARAMETERS
from resnet50_bench.cli.loadgen.options import (
    LoadgenOptions,
    make_request,
    parse_scenario,
    plan_mode_settings,
    plan_own_settings,
)
from resnet50_bench.cli.measuring import (
    hold_plans,
    make_desk,
    measure_plan,
    plan_point,
    tell_result,
)
from resnet50_bench.cli.options import collect_flags
from resnet50_bench.cli.settings import collect_case_settings
from resnet50_bench.cli.terminal import make_console, print_json
from resnet50_bench.errors import ConfigError
from resnet50_bench.parameters.settings import make_config
from resnet50_bench.planning.loadgen import (
    find_loadgen_problems,
    plan_loadgen,
    require_loadgen,
)
from resnet50_bench.report.terminal.plan import print_plan, summarize_plan

if TYPE_CHECKING:
    from pathlib import Path

    from resnet50_bench.config import RunConfig
    from resnet50_bench.planning.plan import RunPlan
    from resnet50_bench.session.finished import Run


def conduct(options: LoadgenOptions) -> int:
    """Plan and measure; return the exit code.

    Raises:
        R50Error: what was asked cannot be done, or the host failed.
    """
    require_loadgen()
    plan = plan_asked(options)
    if options.dry_run:
        _show_plan(plan, as_json=options.as_json)
        return 0
    if options.find_max:
        from resnet50_bench.cli.loadgen.find_max import find_max

        return find_max(plan, options)
    with hold_plans([plan], wait=options.wait) as lock:
        result = measure_plan(plan, make_desk(options.output, lock))
    code = tell_result(result, plan, as_json=options.as_json)
    if options.export_submission is not None:
        _export(result, options, options.export_submission)
    return code


def _export(result: Run, options: LoadgenOptions, submission: Path) -> None:
    """Put the run into a submission; say what would not be accepted, and what is missing."""
    from resnet50_bench.packaging.submission.checks import list_checks
    from resnet50_bench.packaging.submission.folder import export_run, list_missing

    record = result.record
    to_stderr = options.as_json
    if record.loadgen is None or not record.loadgen.ended:
        print_line("nothing to submit: LoadGen did not come to its end", err=True)
        return
    place = export_run(record, result.folder, submission, options.submitter)
    print_line(f"in the submission: {place}", err=to_stderr)
    for check in list_checks(record):
        state = "accepted" if check.accepted else "NOT ACCEPTED"
        if check.closed_only and not check.accepted:
            state = "open division only"
        print_line(f"  {state}: {check.name}: {check.found} (asked: {check.wanted})", err=to_stderr)
    for text in list_missing(record, submission, options.submitter):
        print_line(f"  missing: {text}", err=to_stderr)


def plan_asked(options: LoadgenOptions) -> RunPlan:
    """Return the plan of the run that was asked for."""
    config = make_loadgen_config(options)
    request = make_request(options, config)
    problems = find_loadgen_problems(config, request)
    if problems:
        raise ConfigError(problems, config)
    return plan_loadgen(plan_point(config, options.output), request)


def make_loadgen_config(options: LoadgenOptions) -> RunConfig:
    """Return the config of the run: the scenario's own settings, then the case's, then flags."""
    scenario, mode = parse_scenario(options)
    case = collect_case_settings("loadgen", options.case, None)
    flags = collect_flags(OWN_PARAMETERS, options.flags)
    given = {item.name: item.value for item in flags}
    settings = [
        *plan_mode_settings(scenario, mode, case),
        *plan_own_settings(scenario, mode, given, options.samples_per_query),
        *flags,
    ]
    return make_config(settings)


def _show_plan(plan: RunPlan, *, as_json: bool) -> None:
    if as_json:
        print_json(summarize_plan(plan))
        return
    print_plan(make_console(), plan)
    for warning in plan.warnings():
        print_line(warning, label="warning: ", colour="yellow", err=True)
