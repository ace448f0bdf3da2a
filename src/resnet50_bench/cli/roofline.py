"""`r50 roofline`: what this machine can do at most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from resnet50_bench.cli.lines import print_line, print_text
from resnet50_bench.cli.options import wait_option

if TYPE_CHECKING:
    from resnet50_bench.host.machine import Host
    from resnet50_bench.limits.cache import Place
    from resnet50_bench.limits.roofline import Roofline

_FORMATS = ("text", "json", "csv", "markdown")
_EPILOG = """\b
Examples:
  r50 roofline                               what is kept of this machine, else measured
  r50 roofline --again                       measured now
  r50 roofline --cpus 0-3                    of these CPUs' cores alone
  r50 roofline --layers                      the model's work, too, layer by layer
  r50 roofline --format markdown"""


@click.command(epilog=_EPILOG)
@click.option("--again", is_flag=True, help="Measure now, whatever is kept.")
@click.option(
    "--cpus",
    metavar="LIST",
    help="Of the cores of these CPUs, such as 0-3,8. [default: all that may be used]",
)
@click.option("--layers", is_flag=True, help="Show the model's work layer by layer, too.")
@wait_option
@click.option(
    "--format", "form", type=click.Choice(_FORMATS), default="text", show_default=True,
    help="Of the output; json always has the layers.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
def roofline(**options: Any) -> None:
    """Say what this machine can do at most: multiply-adds a second by each instruction set and data
    type, bytes a second from each cache and memory, and what that allows for ResNet-50.

    Measured in some seconds, one thread a core, all at once, with machine code made for it; then
    kept for a week. `r50 run` measures the cores that it uses, and says its share of their limit.
    """
    import os

    from resnet50_bench.host.machine import read_host
    from resnet50_bench.limits.cache import plan_place, read_kept

    wanted = _Wanted(**options)
    host = read_host()
    place = plan_place(host, _choose_cpus(host, wanted.cpus), os.environ)
    found = None if wanted.again else read_kept(place)
    if found is None:
        found = _measure(host, place, wait=wanted.wait)
    _show(host, found, "json" if wanted.as_json else wanted.form, layers=wanted.layers)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """The options, by their names on the command line but for `--format` and `--json`."""

    again: bool
    cpus: str | None
    layers: bool
    wait: bool
    form: str
    as_json: bool


def _choose_cpus(host: Host, text: str | None) -> tuple[int, ...]:
    """One CPU of each core that is meant.

    Raises:
        RequestError: the list is none, or has a CPU that may not be used.
    """
    from resnet50_bench.errors import RequestError
    from resnet50_bench.host.kernel_files import parse_cpu_list
    from resnet50_bench.host.machine import format_cpu_list
    from resnet50_bench.limits.measure import choose_cpus

    if text is None:
        return choose_cpus(host)
    usable = format_cpu_list(host.allowed_cpus)
    try:
        wanted = parse_cpu_list(text)
    except ValueError:
        wanted = ()
    if not wanted:
        raise RequestError(
            f"--cpus {text!r} is no list of CPUs", f"give one such as 0-3,8 out of {usable}"
        )
    missing = sorted(set(wanted) - set(host.allowed_cpus))
    if missing:
        raise RequestError(
            f"--cpus {text}: this process may not use CPU {missing[0]}", f"choose among {usable}"
        )
    return choose_cpus(host, wanted)


def _measure(host: Host, place: Place, *, wait: bool) -> Roofline:
    from resnet50_bench.cli.measuring import hold
    from resnet50_bench.cli.terminal import TerminalObserver
    from resnet50_bench.contention.territory import list_cpus, plan_territories
    from resnet50_bench.errors import HostError
    from resnet50_bench.host.machine import short_list
    from resnet50_bench.limits.cache import keep
    from resnet50_bench.limits.measure import measure_roofline
    from resnet50_bench.signals import signals_raise

    cpus = list_cpus(plan_territories(host.cores, [place.cpus]))
    with signals_raise(), hold(frozenset(cpus), wait=wait), TerminalObserver() as observer:
        observer.note(f"measuring CPUs {short_list(place.cpus)} for some seconds")
        found = measure_roofline(host, place.cpus, observer.waiting)
    try:
        keep(place, found)
    except HostError as error:
        print_line(f"it is not kept: {error.message}", label="warning: ", colour="yellow", err=True)
    return found


def _show(host: Host, found: Roofline, form: str, *, layers: bool) -> None:
    from resnet50_bench.cli.terminal import make_console, print_json
    from resnet50_bench.report import roofline as report

    if form == "json":
        print_json(report.summarize_roofline(host, found))
    elif form == "text":
        report.print_roofline(make_console(), host, found, layers=layers)
    else:
        render = report.render_csv if form == "csv" else report.render_markdown
        print_text(render(host, found))
