"""`r50 loadgen --find-max`: runs at one load after another, until the largest is known."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from resnet50_bench.cli.lines import print_line
from resnet50_bench.cli.loadgen.options import find_max_bound_ns
from resnet50_bench.cli.measuring import hold_plans, make_desk, measure_plan, tell_result
from resnet50_bench.cli.terminal import print_json
from resnet50_bench.errors import ExitCode, HostError, Interrupted
from resnet50_bench.results.loadgen import find_percentile_ns, is_valid
from resnet50_bench.scenarios.bounds import Answer, Probe, Search, plan_probe
from resnet50_bench.scenarios.request import SAMPLES_PER_QUERY, Scenario
from resnet50_bench.session.loadgen import read_images_per_s
from resnet50_bench.session.run_folder import make_folder

if TYPE_CHECKING:
    from pathlib import Path

    from resnet50_bench.cli.loadgen.options import LoadgenOptions
    from resnet50_bench.planning.plan import RunPlan
    from resnet50_bench.session.finished import Run
    from resnet50_bench.session.run import Desk

_PERCENT = 99.0
_FIRST_SHARE = 0.5


def find_max(plan: RunPlan, options: LoadgenOptions) -> int:
    """Probe until the largest load is known, and tell it; return the exit code.

    Raises:
        HostError: a run gave no figure.
        Interrupted: by a signal; what is known so far is told.
    """
    assert plan.loadgen is not None
    scenario = plan.loadgen.request.scenario
    whole = scenario is Scenario.MULTI_STREAM
    bound_ns = find_max_bound_ns(options, scenario)
    search = Search(start=float(SAMPLES_PER_QUERY), bound_ns=bound_ns, whole=whole)
    folder = make_folder(options.output, f"loadgen-find-max-{scenario.value}")
    probes: list[Probe] = []
    runs: list[Run] = []
    with hold_plans([plan], wait=options.wait) as lock:
        try:
            if not whole:
                search = _find_ceiling(plan, search, make_desk(folder, lock))
            while not isinstance(load := plan_probe(search, probes), Answer):
                result = measure_plan(_set_load(plan, load), make_desk(folder, lock))
                probe = _read_probe(result, load, search.bound_ns)
                probes.append(probe)
                runs.append(result)
                print_line(_describe_probe(probe, len(probes), scenario), err=True)
        except Interrupted:
            for probe in probes:
                print_line(_describe_probe(probe, 0, scenario), err=True)
            raise
    return _tell(load, probes, runs, (plan, options, folder))


def _find_ceiling(plan: RunPlan, search: Search, desk: Desk) -> Search:
    """Begin where the instances could follow: at a rate far too low a probe takes minutes.

    Raises:
        HostError: a short run of Offline gave no figure.
    """
    assert plan.loadgen is not None
    request = replace(
        plan.loadgen.request, scenario=Scenario.OFFLINE, target_qps=None, min_time_ms=1000,
        min_queries=1, latency_bound_ns=None, batch_wait_ns=0,
    )  # fmt: skip
    result = measure_plan(replace(plan, loadgen=replace(plan.loadgen, request=request)), desk)
    ceiling = read_images_per_s(result.record)
    if ceiling is None:
        raise HostError(f"{result.folder} has no figure to begin with", "`r50 show` shows it whole")
    return replace(search, start=_FIRST_SHARE * ceiling, ceiling=ceiling)


def _set_load(plan: RunPlan, load: float) -> RunPlan:
    """The plan at one load; a query of MultiStream is one batch of each instance's."""
    assert plan.loadgen is not None
    request = plan.loadgen.request
    if request.scenario is Scenario.SERVER:
        changed = replace(request, target_qps=load)
        return replace(plan, loadgen=replace(plan.loadgen, request=changed))
    changed = replace(request, samples_per_query=round(load))
    size = -(-round(load) // len(plan.placement.slots))
    workload = replace(plan.workload, batch_size=size)
    return replace(plan, workload=workload, loadgen=replace(plan.loadgen, request=changed))


def _read_probe(result: Run, load: float, bound_ns: int) -> Probe:
    """What a run says of its load.

    Raises:
        HostError: it gave no figure, for another reason than its load.
    """
    loadgen = result.record.loadgen
    if loadgen is None or not loadgen.ended or result.verdict.exit_code > ExitCode.INVALID_RESULT:
        reasons = "; ".join(item.message for item in result.verdict.failures)
        raise HostError(f"{result.folder} has no figure: {reasons}", "`r50 show` shows it whole")
    latency_ns = find_percentile_ns(loadgen, _PERCENT)
    within = latency_ns is not None and latency_ns <= bound_ns
    holds = bool(is_valid(loadgen.log)) and within
    return Probe(load, holds, round(latency_ns) if latency_ns is not None else None)


def _describe_load(load: float, scenario: Scenario) -> str:
    if scenario is Scenario.SERVER:
        return f"{load:.2f} queries/s"
    return f"{load:.0f} samples per query"


def _describe_probe(probe: Probe, number: int, scenario: Scenario) -> str:
    latency = f"p99 {probe.latency_ns / 1e6:.2f} ms" if probe.latency_ns is not None else "no p99"
    held = "holds" if probe.holds else "does not hold"
    which = f"probe {number}: " if number else ""
    return f"{which}{_describe_load(probe.load, scenario)}: {latency}, {held}"


def _tell(
    answer: Answer,
    probes: list[Probe],
    runs: list[Run],
    asked: tuple[RunPlan, LoadgenOptions, Path],
) -> int:
    """Print the answer, and the run that stands for it."""
    plan, options, folder = asked
    assert plan.loadgen is not None
    scenario = plan.loadgen.request.scenario
    bound_ms = find_max_bound_ns(options, scenario) / 1e6
    best = None
    if answer.load is not None:
        best = next(
            run
            for probe, run in zip(reversed(probes), reversed(runs))
            if probe.load == answer.load and probe.holds
        )
    if options.as_json:
        print_json(_summarize(answer, probes, best, bound_ms))
    elif best is not None:
        tell_result(best, plan, as_json=False)
    if not options.as_json:
        print_line(_describe_answer(answer, scenario, bound_ms))
        print_line(f"{len(probes)} probes in {folder}")
    if best is None or not answer.settled:
        return ExitCode.INVALID_RESULT
    return best.verdict.exit_code


def _describe_answer(answer: Answer, scenario: Scenario, bound_ms: float) -> str:
    if answer.load is None:
        return f"no load that was tried holds {bound_ms:g} ms at p99"
    text = f"largest: {_describe_load(answer.load, scenario)} hold {bound_ms:g} ms at p99"
    if answer.missed is not None:
        text += f"; {_describe_load(answer.missed, scenario)} do not"
    return text if answer.settled else f"{text}; it did not settle: this machine is too noisy"


def _summarize(
    answer: Answer, probes: list[Probe], best: Run | None, bound_ms: float
) -> dict[str, Any]:
    return {
        "load": answer.load,
        "missed": answer.missed,
        "settled": answer.settled,
        "latency_bound_ms": bound_ms,
        "run": str(best.folder) if best is not None else None,
        "probes": [
            {"load": item.load, "holds": item.holds, "latency_ns": item.latency_ns}
            for item in probes
        ],
    }
