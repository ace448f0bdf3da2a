"""`r50 enclave`: the manifest that a run's instances would have inside gramine."""

from __future__ import annotations

import os

import click

from resnet50_bench.errors import ConfigError


@click.command(
    epilog="\b\nExamples:\n  r50 enclave sgx_inference_throughput_avx_fp32\n"
    "  r50 enclave sgx_inference_latency_amx_int8 --set REMOTE_ATTESTATION=dcap"
)
@click.argument("case")
@click.option("--set", "assignments", multiple=True, metavar="NAME=VALUE", help="A parameter.")
def enclave(case: str, *, assignments: tuple[str, ...]) -> None:
    """Print the manifest of an instance of a test case on this machine, checked; start nothing.

    Neither SGX nor gramine is needed: what it may read, its variables, size and threads follow from
    the plan. The model must be prepared.
    """
    from dataclasses import replace

    from resnet50_bench.cases.catalog import find_case
    from resnet50_bench.cases.grammar import plan_combinations
    from resnet50_bench.cli.lines import print_text
    from resnet50_bench.cli.terminal import TerminalObserver
    from resnet50_bench.config import Gramine
    from resnet50_bench.launch.gramine.launcher import plan_program, read_worker_files
    from resnet50_bench.launch.gramine.manifest import find_problems, render_manifest
    from resnet50_bench.parameters.settings import make_config
    from resnet50_bench.planning.jobs import plan_jobs
    from resnet50_bench.planning.launchers import plan_instance_enclave
    from resnet50_bench.planning.plan import plan_run

    combinations = plan_combinations(assignments)
    if len(combinations) > 1:
        raise ConfigError(["--set: a manifest is one run's: give each parameter one value"])
    settings = [*find_case(case, ()).settings(), *combinations[0]]
    config = make_config(settings)
    # Planned as a run of this machine's own, which needs no gramine.
    plan = plan_run(replace(config, gramine=Gramine.OFF), os.environ)
    plan = replace(plan, config=config)
    job = plan_jobs(plan)[0]
    with TerminalObserver() as observer:
        observer.waiting("compute the SHA-256 of every file that a worker may read", None)
        files = read_worker_files(job)
    program = plan_program(job, plan.environment, files)
    text = render_manifest(plan_instance_enclave(plan), program)
    problems = find_problems(text, job.slot.threads)
    if problems:
        raise ConfigError(problems)
    print_text(text)
