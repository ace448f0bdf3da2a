"""`r50 peers`: the engines' own benchmark programs beside r50, on the same model."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from resnet50_bench.cli.lines import print_line, print_text
from resnet50_bench.cli.options import output_option, wait_option
from resnet50_bench.errors import ExitCode, R50Error, RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from resnet50_bench.config import RunConfig
    from resnet50_bench.contention.cpu_lock import CpuLock
    from resnet50_bench.engines.tools import ToolFigures
    from resnet50_bench.planning.plan import RunPlan
    from resnet50_bench.results.record import Record
    from resnet50_bench.search.programs import Meeting, Peer, Way
    from resnet50_bench.session.run import Desk

_EPILOG = """\b
Examples:
  r50 peers
  r50 peers --precision avx_int8 --batch-size 8 --rounds 8
  r50 peers --model resnet50_v1.pb --json
\b
Exit codes: 0 every figure is within 1 % of the program's own, or the reason is shown;
2 a wrong request, 3 a program or the host failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Options:
    """The options, by their names."""

    engine: str | None
    precision: str
    model: str | None
    batch_size: int
    rounds: int
    seconds: float
    seed: int
    output: Path
    wait: bool
    as_json: bool


@click.command(epilog=_EPILOG, context_settings={"max_content_width": 100})
@click.option("--engine", metavar="NAME", help="Only this one.  [default: all with a program]")
@click.option("--precision", default="avx_fp32", show_default=True, metavar="NAME",
              help="What to compute in.")  # fmt: skip
@click.option("--model", metavar="PATH", help="As for `r50 run`.  [default: one is generated]")
@click.option("--batch-size", type=click.IntRange(1), default=8, show_default=True, metavar="N",
              help="Images per query.")  # fmt: skip
@click.option("--rounds", type=click.IntRange(1), default=4, show_default=True, metavar="N",
              help="How often each is measured.")  # fmt: skip
@click.option("--seconds", type=click.FloatRange(1), default=5.0, show_default=True, metavar="S",
              help="How long each measures.")  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True, help="Of the order in each round.")
@output_option("a folder for this")
@wait_option
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def peers(**values: Any) -> None:
    """Run the engines' own benchmark programs and r50 in turns, and compare.

    Each program gets the model, threads, streams, batch size, CPUs and environment of r50's run.
    Where r50's images/s are not within 1 % of the program's, the reason is shown as far as it was
    measured.
    """
    sys.exit(_compare(_Options(**values)))


def _compare(options: _Options) -> int:
    from resnet50_bench.cli.measuring import hold_plans
    from resnet50_bench.signals import signals_raise

    chosen, without = _choose_engines(options)
    stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S.%fZ")
    folder = options.output / f"{stamp}-peers"
    ways = {name: _plan_ways(name, options) for name in chosen}
    plans = [plan for planned in ways.values() for _, plan in planned]
    found: list[tuple[str, str, Peer]] = []
    with hold_plans(plans, wait=options.wait) as lock:
        desk = _make_desk(folder, lock)
        try:
            with signals_raise():
                for name, planned in ways.items():
                    _measure(name, planned, options, desk, found)
        except R50Error:
            _tell(found, without, folder, options)  # what there is is kept, and shown
            raise
    _tell(found, without, folder, options)
    return ExitCode.VALID


def _tell(
    found: Sequence[tuple[str, str, Peer]],
    without: Sequence[str],
    folder: Path,
    options: _Options,
) -> None:
    from resnet50_bench.cli.terminal import print_json
    from resnet50_bench.report.programs import render_peers, summarize_peers

    about = {"precision": options.precision, "batch_size": options.batch_size}
    if options.as_json:
        print_json(summarize_peers(found, without, **about, folder=str(folder)))
        return
    print_text(render_peers(found, without))
    print_line(f"{options.precision}, batch {options.batch_size}; the runs are in {folder}")


def _make_desk(folder: Path, lock: CpuLock) -> Desk:
    from resnet50_bench.cli.measuring import make_desk

    folder.mkdir(parents=True, exist_ok=True)
    return make_desk(folder, lock)


def _choose_engines(options: _Options) -> tuple[list[str], list[str]]:
    """Return the engines with a program that can run, and those without one.

    Raises:
        RequestError: the one that was named has none.
        EngineError: it is not installed, or has not the precision; or none that has a program is.
    """
    from resnet50_bench.engines import load_engine
    from resnet50_bench.engines.offer import require_offered
    from resnet50_bench.engines.tools import TOOLS
    from resnet50_bench.search.engines import list_engines

    computing = list_engines("all")
    names = list(list_engines(options.engine)) if options.engine is not None else list(TOOLS)
    without = [name for name in computing if name not in TOOLS]
    if any(name not in TOOLS for name in names):
        raise RequestError(
            f"--engine {options.engine}: its packages hold no benchmark program",
            f"those that have one: {', '.join(TOOLS)}",
        )
    for name in names:
        require_offered(load_engine(name), _parse_config(name, options).precision)
    return names, without


def _parse_config(engine: str, options: _Options) -> RunConfig:
    from resnet50_bench.parameters.parameter import Setting
    from resnet50_bench.parameters.settings import make_config

    asked = {
        "ENGINE": engine,
        "PRECISION": options.precision,
        "MODEL": options.model,
        "BATCH_SIZE": options.batch_size,
        "STEPS": 5,
        "MIN_TIME": f"{options.seconds:g}",
        "WARMUP_STEPS": 5,
        "SEED": max(0, options.seed),
    }
    return make_config([
        Setting(name, str(value), f"--{name.lower().replace('_', '-')}")
        for name, value in asked.items()
        if value is not None
    ])  # fmt: skip


def _plan_ways(engine: str, options: _Options) -> list[tuple[Way, RunPlan]]:
    from resnet50_bench.cli.measuring import plan_point
    from resnet50_bench.host.machine import read_host
    from resnet50_bench.search.programs import plan_ways

    host = read_host()
    cores = min(host.cores_per_socket(socket) for socket in host.sockets)
    ways = plan_ways(_parse_config(engine, options), cores)
    return [(way, plan_point(way.config, options.output)) for way in ways]


def _measure(
    engine: str,
    planned: Sequence[tuple[Way, RunPlan]],
    options: _Options,
    desk: Desk,
    found: list[tuple[str, str, Peer]],
) -> None:
    """Go through the rounds of an engine; `found` gets what they say, however they end."""
    from resnet50_bench.cli.terminal import TerminalObserver
    from resnet50_bench.engines.tools import load_tool
    from resnet50_bench.search.programs import conclude, plan_meetings

    tool = load_tool(engine)
    assert tool is not None
    meetings: dict[str, list[Meeting]] = {way.name: [] for way, _ in planned}
    plans = {way.name: plan for way, plan in planned}
    order = plan_meetings([way for way, _ in planned], options.rounds, options.seed)
    with TerminalObserver() as observer:
        turns = _Turns(plans, desk, options.seconds, observer.note)
        try:
            for number, way, is_tool in order:
                text = f"round {number} of {options.rounds}: {way.name}"
                observer.waiting(f"{text}: {tool.name if is_tool else 'r50'} measures", None)
                meeting = turns.take(way, number, is_tool=is_tool)
                if meeting is not None:
                    meetings[way.name].append(meeting)
                    observer.note(f"{text}: ratio {meeting.ratio:.3f}")
        finally:
            found += [(engine, tool.name, conclude(way, meetings[way.name])) for way, _ in planned]


class _Turns:
    """Takes the turns of a way, ours and the program's, and puts each pair together."""

    def __init__(
        self,
        plans: dict[str, RunPlan],
        desk: Desk,
        seconds: float,
        note: Callable[[str], None],
    ) -> None:
        self._plans = plans
        self._note = note
        self._desk = desk
        self._seconds = seconds
        self._record: Record | None = None
        self._figures: ToolFigures | None = None
        self._is_second = False

    def take(self, way: Way, number: int, *, is_tool: bool) -> Meeting | None:
        """Measure one side; return the pair when both are there, and ours is valid.

        Raises:
            HostError: the program failed, or an instance cannot be started.
        """
        from resnet50_bench.search.programs import meet

        if is_tool:
            self._figures = self._run_tool(way, number)
        else:
            self._record = self._run_ours(way)
        self._is_second = not self._is_second
        if self._is_second:
            return None
        record, figures = self._record, self._figures
        self._record = self._figures = None
        return meet(record, figures) if record is not None and figures is not None else None

    def _run_ours(self, way: Way) -> Record | None:
        from resnet50_bench.session import door
        from resnet50_bench.session.stages import Silence

        plan = door.plan(self._plans[way.name].config)
        run = door.run(plan, observer=Silence(), desk=self._desk)
        if run.verdict.valid:
            return run.record
        for item in run.verdict.failures:
            self._note(f"our run ({way.name}) is not valid and does not count: {item.message}")
        return None

    def _run_tool(self, way: Way, number: int) -> ToolFigures:
        from resnet50_bench.session import door
        from resnet50_bench.session.programs import measure_tool, prepare

        plan = prepare(door.plan(self._plans[way.name].config))
        log = self._desk.output / f"peers_{way.streams}_{number:03d}.log"
        return measure_tool(plan, way, self._seconds, log)
