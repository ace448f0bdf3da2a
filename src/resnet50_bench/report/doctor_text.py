"""What a host can run, as a person reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from resnet50_bench.report.text import print_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from resnet50_bench.host import Host
    from resnet50_bench.isa import Runnable

_GIB = 1024**3


def print_doctor(console: Console, host: Host, answers: Sequence[Runnable]) -> None:
    """Print the host and one row per precision: runs or not, why, and what helps."""
    nodes = f"{len(host.nodes)} memory node{'s' * (len(host.nodes) != 1)}"
    quota = f", CPU quota {host.quota_cpus:g}" if host.quota_cpus is not None else ""
    print_rows(
        console,
        [
            ("CPU", host.cpu_model),
            (
                "Cores",
                f"{host.physical_cores} of {host.total_cores} usable, on {len(host.sockets)} of "
                f"{host.total_sockets} sockets{quota}",
            ),
            ("Memory", f"{host.memory_total_bytes / _GIB:.1f} GiB on {nodes}"),
            *((name, value) for name, value in _list_settings(host) if value is not None),
        ],
    )
    console.print()
    width = max(len(answer.precision.value) for answer in answers) + 2
    for answer in answers:
        name = answer.precision.value.ljust(width)
        word, style = ("yes  ", "green") if answer.runnable else ("no   ", "red")
        console.print(Text(name, style="bold").append(word, style).append(answer.reason, "default"))
        if answer.fix is not None:
            console.print(Text(" " * width + f"-> {answer.fix}", style="not bold"))


def _list_settings(host: Host) -> list[tuple[str, str | None]]:
    switches = {True: "on", False: "off", None: None}
    return [
        ("Governor", host.governor),
        ("Turbo", switches[host.turbo]),
        ("Huge pages", host.transparent_hugepage),
        ("Node balancing", switches[host.numa_balancing]),
        (
            "Hypervisor",
            "yes, unnamed" if host.virtualization == "hypervisor" else host.virtualization,
        ),
    ]
