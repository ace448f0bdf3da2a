"""`r50 fleet run`: cases measured on many hosts, their records brought back."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from resnet50_bench.cli.lines import print_line
from resnet50_bench.errors import ConfigError, ExitCode, Interrupted, RequestError, refuse_output

if TYPE_CHECKING:
    from resnet50_bench.cli.terminal import TerminalObserver
    from resnet50_bench.fleet.conduct import Request
    from resnet50_bench.fleet.engine.incoming import Wanted
    from resnet50_bench.fleet.ledger import Ended
    from resnet50_bench.fleet.state import Row, State

_DECIDED = frozenset(
    {"--mode", "--precision", "--output", "--json", "--dry-run", "--resume", "--loop", "--repeat",
     "--set", "--continue", "--docker", "--config", "--from-env", "--until"}
)  # fmt: skip
"""Flags of `r50 run` that the case or `r50 fleet run` decides."""

_NAMED_AT_WORK = 3

_EPILOG = """\b
Examples:
  r50 fleet run hosts.yaml throughput_avx_fp32 --wheel dist/resnet50_bench-0.1.0-py3-none-any.whl
  r50 fleet run hosts.yaml throughput_avx_fp32 throughput_avx_int8 --installed r50 --at-once 40
  r50 fleet run hosts.yaml latency_avx_fp32 --installed /opt/r50/bin/r50 -- --steps 200
  r50 fleet run hosts.yaml latency_avx_fp32 --image registry.example/team/r50:1
  r50 fleet report fleet                 what came of it
\b
hosts.yaml is an Ansible inventory; docs/fleet.md shows one. The same call again runs only
what is missing.
\b
Exit codes: 0 everything is measured and valid; 1 a result is invalid; 2 wrong request;
3 a host was lost; 130 Ctrl-C: what was running on hosts has been ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Options:
    """The options, by their names on the command line."""

    output: Path
    wheel: Path | None
    extras: str
    installed: str | None
    image: str | None
    group: str
    at_once: int
    timeout: int
    as_json: bool


@click.command(epilog=_EPILOG, context_settings={"max_content_width": 100})
@click.argument("inventory", metavar="HOSTS.yaml", type=click.Path(path_type=Path))
@click.argument("words", nargs=-1, metavar="CASE... [-- FLAGS]", type=click.UNPROCESSED)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("fleet"),
    show_default=True,
    metavar="DIR",
    help="Gets the records, a folder for each host, and what came of each.",
)
@click.option(
    "--wheel",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A wheel of r50: copied to each host and installed there by its pip.",
)
@click.option(
    "--extras",
    default="",
    metavar="NAMES",
    help="Extras to install with the wheel, such as tensorflow.",
)
@click.option("--installed", metavar="COMMAND", help="The r50 that each host has already.")
@click.option(
    "--image",
    metavar="NAME",
    help="An image with r50 in it, such as `make images` builds, for each host's docker or podman.",
)
@click.option("--group", default="all", show_default=True, help="The inventory's group to take.")
@click.option(
    "--at-once",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    metavar="N",
    help="Hosts that are worked on at a time.",
)
@click.option(
    "--timeout",
    type=click.IntRange(1),
    default=7200,
    show_default=True,
    metavar="S",
    help="Seconds after which a case is ended.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what came of each case as JSON.")
def run(inventory: Path, words: tuple[str, ...], **options: Any) -> None:
    """Measure CASEs on the hosts of an Ansible inventory, and bring their records back.

    Each host is reached by ssh with a key, gets the wheel or the image or uses the r50 that it has,
    runs the cases one after the other with the FLAGS of `r50 run`, and sends each record back,
    which counts when it is whole (SHA-256), a record, and of the case. A host that is lost is told
    with its reason, and the others go on.
    """
    asked = _Options(**options)
    cases, flags = _split(words)
    request = _plan(inventory, cases, flags, asked)
    sys.exit(_run(request, as_json=asked.as_json))


def _split(words: tuple[str, ...]) -> tuple[list[Wanted], tuple[str, ...]]:
    """The cases, and the flags behind `--`.

    Raises:
        RequestError: there is no case, one stands twice, or a flag is not to be given.
        ConfigError: flags have values that are none.
        CaseError: there is no such case.
    """
    from resnet50_bench.cases.catalog import find_case
    from resnet50_bench.cli.options import collect_flags, take_flags
    from resnet50_bench.cli.run.command import run as run_command
    from resnet50_bench.fleet.engine.incoming import Wanted
    from resnet50_bench.parameters.settings import find_problems
    from resnet50_bench.parameters.table import PARAMETERS

    # The first `--` is click's.
    begins = (number for number, word in enumerate(words) if word.startswith("-"))
    place = next(begins, len(words))
    names, flags = words[:place], words[place:]
    if not names:
        raise RequestError("no CASE is named", "r50 cases lists them, such as throughput_avx_fp32")
    decided = [word for word in flags if word.partition("=")[0] in _DECIDED]
    if decided:
        raise RequestError(
            f"{', '.join(decided)}: the case or r50 fleet run decides that", "leave it out"
        )
    if any("\n" in word or "\0" in word for word in flags):
        raise RequestError("a flag holds a line break", "leave it out")
    cases = [find_case(name, ()) for name in names]
    short = [case.short_name.removeprefix("inference_") for case in cases]
    if len(set(short)) < len(short):
        raise RequestError(f"a case stands twice: {' '.join(short)}", "name each once")
    given = dict(run_command.make_context("r50 run", [short[0], *flags]).params)
    problems = find_problems(collect_flags(PARAMETERS, take_flags(PARAMETERS, given)))
    if given.get("engines"):
        problems.append("--engine: one engine a case; call r50 fleet run once for each")
    if problems:
        raise ConfigError(problems)
    return [
        Wanted(name, case.mode, case.precision) for name, case in zip(short, cases, strict=True)
    ], flags


def _plan(inventory: Path, cases: list[Wanted], flags: tuple[str, ...], asked: _Options) -> Request:
    from resnet50_bench.fleet.conduct import Request, read_image, read_wheel
    from resnet50_bench.fleet.engine.inventory import read_inventory

    ways = (asked.wheel, asked.installed, asked.image)
    if sum(way is not None for way in ways) != 1:
        raise RequestError(
            "how do the hosts come by r50? One of --wheel, --installed and --image says it",
            "--wheel FILE (`pip wheel --no-deps .` makes one), --installed COMMAND or --image NAME",
        )
    if asked.extras and asked.wheel is None:
        raise RequestError("--extras are installed with --wheel", "leave --extras out")
    wheel = read_wheel(asked.wheel, asked.extras) if asked.wheel is not None else None
    hosts = [host.name for host in read_inventory(inventory, asked.group)]
    return Request(
        inventory=inventory,
        hosts=hosts,
        cases=cases,
        flags=flags,
        installed=asked.installed,
        wheel=wheel,
        image=read_image(asked.image) if asked.image is not None else None,
        at_once=asked.at_once,
        limit_s=asked.timeout,
        output=asked.output,
    )


def _run(request: Request, *, as_json: bool) -> ExitCode:
    from resnet50_bench.cli.terminal import TerminalObserver, print_json
    from resnet50_bench.fleet.conduct import find_missing
    from resnet50_bench.report.fleet_rows import render_rows, summarize_rows

    state = _open_state(request)
    missing = find_missing(request, state)
    with TerminalObserver() as observer:
        if missing:
            _measure(request, missing, state, observer)
    rows = [
        row
        for host in request.hosts
        for case in request.cases
        if (row := state.find(host, case.name)) is not None
    ]
    verdicts = _judge(request, rows)
    if as_json:
        print_json(summarize_rows(rows, verdicts))
    else:
        from resnet50_bench.cli.lines import print_text

        print_text(render_rows(rows, verdicts, request.output))
    return _find_exit_code(rows, verdicts)


def _open_state(request: Request) -> State:
    """What an earlier call left; written anew, so that rows can be added."""
    from resnet50_bench.fleet.state import State, read_state, write_state

    state = read_state(request.output)
    if state is not None and state.flags != request.flags:
        raise RequestError(
            f"{request.output} was measured with other flags: {' '.join(state.flags) or 'none'}",
            "name another folder with --output",
        )
    state = state or State(flags=request.flags)
    try:
        request.output.mkdir(parents=True, exist_ok=True)
        write_state(request.output, state)
    except OSError as error:
        raise refuse_output("--output", request.output, error) from error
    return state


def _measure(
    request: Request,
    missing: Mapping[str, tuple[int, ...]],
    state: State,
    observer: TerminalObserver,
) -> None:
    from resnet50_bench.fleet.conduct import Watcher, measure_fleet
    from resnet50_bench.fleet.state import append_row
    from resnet50_bench.report.fleet_rows import describe_ended
    from resnet50_bench.signals import signals_raise

    total = sum(map(len, missing.values()))
    done, drawn_s = 0, 0.0
    observer.note(f"{total} cases on {len(missing)} hosts, {request.at_once} hosts at once")

    def end(ended: Ended) -> None:
        nonlocal done
        done += 1
        state.put(ended.row)
        append_row(request.output, ended.row)
        observer.note(f"[{done}/{total}] {describe_ended(ended.row, ended.record)}")

    def move(at_work: Mapping[str, str]) -> None:
        nonlocal drawn_s
        if time.monotonic() - drawn_s >= 1:
            drawn_s = time.monotonic()
            named = [f"{host}: {task}" for host, task in list(at_work.items())[:_NAMED_AT_WORK]]
            more = len(at_work) - len(named)
            told = ", ".join(named) + (f" and {more} more" if more > 0 else "")
            observer.waiting(f"{done} of {total} done; {told}", done / total)

    def stop(hosts: int) -> None:
        observer.note(f"ending what runs on {hosts} hosts")

    try:
        with signals_raise():
            problems = measure_fleet(request, missing, Watcher(end, move, stop))
    except Interrupted:
        observer.note(f"{done} of {total} cases are kept; the same call again runs the others")
        raise
    for problem in problems:
        observer.note(f"Ansible: {problem}")


def _judge(request: Request, rows: list[Row]) -> dict[tuple[str, str], bool]:
    """Whether each that was measured is valid; a record is read and let go."""
    from resnet50_bench.results.files import read_record
    from resnet50_bench.verdict.judge import judge

    return {
        (row.host, row.case): judge(read_record(request.output / row.folder)).valid
        for row in rows
        if row.folder is not None
    }


def _find_exit_code(rows: list[Row], verdicts: Mapping[tuple[str, str], bool]) -> ExitCode:
    lost = sum(row.outcome == "lost" for row in rows)
    if lost:
        print_line(
            f"{lost} of {len(rows)} cases were lost", label="failed: ", colour="red", err=True
        )
        return ExitCode.FAILURE
    return ExitCode.VALID if all(verdicts.values()) else ExitCode.INVALID_RESULT
