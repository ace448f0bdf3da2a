"""`r50 doctor`: what this host can run."""

from __future__ import annotations

import click


@click.command(epilog="\b\nExamples:\n  r50 doctor\n  r50 doctor --json")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def doctor(*, as_json: bool) -> None:
    """Say which precisions this host, inside this container, can run, by which engines.

    And whether an enclave can.

    If not, why and what helps.

    AMX is tried out with a real tile operation in a process of its own.
    """
    import msgspec

    from resnet50_bench.cli.terminal import make_console, print_json
    from resnet50_bench.config import Precision
    from resnet50_bench.engines import ENGINES, load_engine
    from resnet50_bench.engines.offer import read_offer
    from resnet50_bench.host.amx_probe import probe_amx
    from resnet50_bench.host.machine import read_host
    from resnet50_bench.host.sgx import read_sgx
    from resnet50_bench.precision.runnable import plan_runnable
    from resnet50_bench.report.terminal.doctor import print_doctor

    host = read_host()
    sgx = read_sgx()
    amx = probe_amx()
    answers = [plan_runnable(precision, host.cpu_flags, amx) for precision in Precision]
    engines = [load_engine(name) for name in ENGINES]
    offers = [read_offer(engine) for engine in engines if engine.needs_model]
    if as_json:
        value = {"host": host, "amx": amx, "precisions": answers, "engines": offers, "sgx": sgx}
        print_json(msgspec.to_builtins(value))
        return
    print_doctor(make_console(), host, answers, offers, sgx)
