"""What a host can run, as a person reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resnet50_bench.report.styled import Line
from resnet50_bench.report.terminal.host import list_host_rows
from resnet50_bench.report.terminal.run import print_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from resnet50_bench.engines.offer import Offer
    from resnet50_bench.host.machine import Host
    from resnet50_bench.host.sgx import SgxState
    from resnet50_bench.precision.runnable import Runnable


def print_doctor(
    console: Console,
    host: Host,
    answers: Sequence[Runnable],
    offers: Sequence[Offer],
    sgx: SgxState,
) -> None:
    """Print the host, one row per precision, per engine and per need of an enclave: here or not."""
    print_rows(console, list_host_rows(host))
    console.print()
    width = max(len(answer.precision.value) for answer in answers) + 2
    for answer in answers:
        name = answer.precision.value.ljust(width)
        word, style = ("yes  ", "green") if answer.runnable else ("no   ", "red")
        console.print(Line(name, style="bold").add(word, style).add(answer.reason, "default"))
        if answer.fix is not None:
            console.print(Line(" " * width + f"-> {answer.fix}", style="not bold"))
    _print_offers(console, offers)
    console.print("\nSGX cases (docs/sgx.md)")
    width = max(len(need.name) for need in sgx.needs) + 2
    for need in sgx.needs:
        word, style = ("yes  ", "green") if need.found else ("no   ", "red")
        name = need.name.ljust(width)
        console.print(Line(name, style="bold").add(word, style).add(need.detail, "default"))
        if need.fix:
            console.print(Line(" " * width + f"-> {need.fix}", style="not bold"))


def _print_offers(console: Console, offers: Sequence[Offer]) -> None:
    console.print("\nEngines (docs/engines.md)")
    width = max(len(offer.engine) for offer in offers) + 2
    for offer in offers:
        word, style = ("yes  ", "green") if offer.installed else ("no   ", "red")
        text = ", ".join(offer.installed) or offer.problem or ""
        console.print(Line(offer.engine.ljust(width), style="bold").add(word, style)
                      .add(text, "default"))  # fmt: skip
        if offer.advice is not None:
            console.print(Line(" " * width + f"-> {offer.advice}", style="not bold"))
