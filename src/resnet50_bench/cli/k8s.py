"""`r50 k8s`: a test case as a Kubernetes manifest, or as a Helm chart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from resnet50_bench.cli.lines import print_line, print_text
from resnet50_bench.errors import ConfigError, HostError, RequestError
from resnet50_bench.files.paths import is_file, is_there
from resnet50_bench.parameters.parameter import Setting
from resnet50_bench.parameters.settings import make_config

if TYPE_CHECKING:
    from resnet50_bench.cases.catalog import Case

_EPILOG = """\b
Examples:
  r50 k8s throughput_amx_int8 --cpus 112 | kubectl apply -f -
  r50 k8s latency_avx_fp32 --cpus 16 --set BATCH_SIZE=1 --results-claim results
  r50 k8s throughput_avx_fp32 --cpus 56 --nodes 4 --kind indexed
  r50 k8s throughput_avx_fp32 --cpus 56 --nodes 4 --kind mpi --set NUM_MPI=2
  r50 k8s throughput_avx_fp32 --cpus 56 --chart charts/resnet50-bench"""


@click.command(epilog=_EPILOG, context_settings={"max_content_width": 100})
@click.argument("case")
@click.option(
    "--cpus",
    default="",
    metavar="N",
    help="Of each pod, whole ones; a CPU is a hardware thread.  [required]",
)
@click.option("--memory", default="16Gi", show_default=True, help="Of each pod.")
@click.option("--shared-memory", default="4Gi", show_default=True, help="For shared memory, of it.")
@click.option("--nodes", type=int, default=1, show_default=True, help="One pod on each.")
@click.option("--kind", type=click.Choice(["job", "indexed", "mpi"]), default="job",
              show_default=True, help="Job, Indexed Job or MPIJob.")  # fmt: skip
@click.option(
    "--set", "assignments", multiple=True, metavar="NAME=VALUE", help="A parameter of the run."
)
@click.option("--image", default="", help="[default: the project's image, tag latest]")
@click.option("--pull-policy", default="IfNotPresent", show_default=True)
@click.option("--name", default="", help="Of the object.  [default: made of the case's name]")
@click.option("--namespace", default="")
@click.option("--node-label", "node_labels", multiple=True, metavar="KEY=VALUE",
              help="What a node must have.")  # fmt: skip
@click.option("--results-claim", default="", metavar="CLAIM",
              help="Volume claim for results.  [default: printed to the log]")  # fmt: skip
@click.option("--dataset-claim", default="", metavar="CLAIM", help="Volume claim for /dataset.")
@click.option("--deadline", "deadline_s", type=int, default=7200, show_default=True,
              metavar="SECONDS", help="How long it may take.")  # fmt: skip
@click.option("--sys-nice", is_flag=True, help="Allow SYS_NICE, to bind memory to a node.")
@click.option("--chart", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Write a Helm chart into DIR.")  # fmt: skip
def k8s(*, case: str, assignments: tuple[str, ...], chart: Path | None, **values: Any) -> None:
    """Write the Kubernetes manifest that runs a test case; with --chart, a Helm chart.

    Nothing is sent to a cluster: `kubectl apply -f -` and `helm install` do that.
    """
    from resnet50_bench.packaging.chart import render_chart
    from resnet50_bench.packaging.kubernetes import JobRequest, render_job

    found = _find_case(case)
    request = JobRequest(case=found, parameters={}, **values)
    parameters, problems = _collect_parameters(found, assignments, mpi=request.kind == "mpi")
    request = replace(request, parameters=parameters)
    try:
        text = render_job(request)
        files = render_chart(request) if chart is not None else {}
    except ConfigError as error:
        problems += error.problems
    if problems:
        raise ConfigError(problems)
    if chart is None:
        print_text(text)
        return
    _write_chart(chart, files)


def _find_case(text: str) -> Case:
    from resnet50_bench.cases.catalog import find_case

    return find_case(text, ())


def _collect_parameters(
    case: Case, assignments: tuple[str, ...], *, mpi: bool
) -> tuple[dict[str, str], list[str]]:
    """The parameters of the run, and what is wrong with them."""
    from resnet50_bench.cases.grammar import plan_combinations

    try:
        combinations = plan_combinations(assignments)
        if len(combinations) > 1:
            return {}, ["--set: a job makes one run: give each parameter one value"]
        settings = [*case.settings(), *combinations[0]]
        make_config([*settings, *([Setting("MPI", "True", "--kind mpi")] if mpi else [])],
                    complete=False)  # fmt: skip
    except ConfigError as error:
        return {}, list(error.problems)
    return {item.name.upper(): item.value for item in settings}, []


def _write_chart(folder: Path, files: dict[str, str]) -> None:
    try:
        if is_there(folder) and any(folder.iterdir()) and not is_file(folder / "Chart.yaml"):
            raise RequestError(
                f"--chart {folder} holds something else", "name a new or empty folder, or a chart's"
            )
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    except OSError as error:
        raise HostError(
            f"cannot write the chart to {folder}: {error.strerror}", "name another with --chart DIR"
        ) from error
    print_line(f"chart in {folder}; install it with: helm install NAME {folder}")
