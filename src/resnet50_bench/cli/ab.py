"""`r50 ab`: two configurations or environments in turns, and which is faster."""

from __future__ import annotations

import shlex
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from resnet50_bench.cli.compare import Wanted, comparison_options, read_records, tell_comparison
from resnet50_bench.cli.lines import print_line
from resnet50_bench.cli.options import output_option
from resnet50_bench.errors import ExitCode, Interrupted, R50Error, RequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resnet50_bench.cli.terminal import TerminalObserver
    from resnet50_bench.session.rounds import Ended, Turn

_OWN = ("--json", "--output", "--dry-run", "--resume", "--loop", "--repeat", "--continue", "--wait")
"""Flags of `r50 run` that `r50 ab` decides."""

_EPILOG = """\b
Examples:
  r50 ab -- --precision avx_fp32 -- --precision avx_bfloat16
  r50 ab --rounds 12 --seconds 5 -- --batch-size 32 -- --batch-size 64
  r50 ab -- --batch-size 16 -- --batch-size 16 --allocator jemalloc
  r50 ab --python-b ~/tf2.20/bin/python -- --batch-size 32      one set of flags for both
  r50 ab -- -- --customer-env TF_ENABLE_ONEDNN_OPTS=0          A without any flag
\b
Each round runs A and B once, in random order. The runs stay in DIR/TIME-ab/A and B:
`r50 compare DIR/TIME-ab/A DIR/TIME-ab/B` compares them again.
\b
Exit codes: 0 compared; 1 a --fail-if was met; 2 a side cannot run as asked; 3 a run or
the host failed; 130 Ctrl-C: what was measured is kept, and compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Options:
    """The options that are not those of a comparison, by their names on the command line."""

    rounds: int
    seconds: float
    seed: int
    python_a: str | None
    python_b: str | None
    output: Path


@click.command(epilog=_EPILOG)
@click.argument("flags", nargs=-1, metavar="-- FLAGS_OF_A [-- FLAGS_OF_B]", type=click.UNPROCESSED)
@click.option(
    "--rounds",
    type=click.IntRange(1),
    default=8,
    show_default=True,
    metavar="N",
    help="How often each is run.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0.1),
    default=10.0,
    show_default=True,
    metavar="S",
    help="How long each run measures; a --min-time or --steps among the flags wins.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the order in each round.")
@click.option("--python-a", metavar="PYTHON", help="The interpreter of A.  [default: this one]")
@click.option("--python-b", metavar="PYTHON", help="The interpreter of B.  [default: this one]")
@output_option("a folder for this comparison")
@comparison_options
def ab(flags: tuple[str, ...], **options: Any) -> None:
    """Measure A and B in turns, round after round, and compare them.

    Behind the first `--` stand the flags of `r50 run` for A, behind the second those for B; without
    a second, both have the same flags, and --python-a or --python-b make the difference.
    """
    wanted = Wanted(**{name: options.pop(name) for name in Wanted.__dataclass_fields__})
    asked = _Options(**options)
    turns = _plan_turns(flags, asked)
    sys.exit(_run(turns, asked, wanted))


def _plan_turns(flags: Sequence[str], asked: _Options) -> list[Turn]:
    """What A and B are.

    Raises:
        RequestError: they are the same, or more than two, or have flags that are not theirs.
    """
    from resnet50_bench.session.rounds import Turn, find_python

    groups: list[list[str]] = [[]]
    for word in flags:
        if word == "--":
            groups.append([])
        else:
            groups[-1].append(word)
    if len(groups) > 2:
        raise RequestError(
            f"two sides are compared, and {len(groups)} are given",
            "`r50 ab -- FLAGS_OF_A -- FLAGS_OF_B`; `r50 sweep` measures more",
        )
    pythons = [find_python(name or sys.executable) for name in (asked.python_a, asked.python_b)]
    sides = [groups[0], groups[-1]]
    if sides[0] == sides[1] and asked.python_a == asked.python_b:
        print_line(
            "A and B are the same: this shows how much runs differ", label="note: ", err=True
        )
    for name, words in zip("AB", sides):
        own = [word for word in words if word.partition("=")[0] in _OWN]
        if own:
            raise RequestError(
                f"{name}: {', '.join(own)} is r50 ab's own affair",
                "leave it out; --output, --rounds and --seconds stand before the first --",
            )
    return [
        Turn(name, python, _limit_time(words, asked.seconds))
        for name, python, words in zip("AB", pythons, sides)
    ]


def _limit_time(words: Sequence[str], seconds: float) -> tuple[str, ...]:
    named = {word.partition("=")[0] for word in words}
    if named & {"--min-time", "--steps", "--until"}:
        return tuple(words)
    return (*words, "--min-time", f"{seconds:g}")


def _run(turns: Sequence[Turn], asked: _Options, wanted: Wanted) -> int:
    from resnet50_bench.cli.terminal import TerminalObserver
    from resnet50_bench.session.rounds import expect_turn_s, make_rounds_folder
    from resnet50_bench.session.run_folder import check_output
    from resnet50_bench.signals import signals_raise

    check_output(asked.output)
    with TerminalObserver() as observer, signals_raise():
        observer.waiting("planning A and B", None)
        seconds = {turn.name: expect_turn_s(turn) for turn in turns}
        folder = make_rounds_folder(asked.output)
        for turn in turns:
            observer.note(f"{turn.name}: {_describe(turn)}")
        total = asked.rounds * sum(seconds.values())
        observer.note(
            f"{asked.rounds} rounds into {folder}: at most about {_describe_time(total)}, by a "
            "cautious guess"
        )
        progress = _Progress(observer, asked.rounds * len(turns), seconds)
        failure: R50Error | None = None
        try:
            _run_rounds(turns, asked, folder, progress)
        except R50Error as error:
            failure = error
            if isinstance(error, Interrupted):
                observer.note(f"interrupted; what was measured is in {folder}")
    return _conclude(turns, folder, wanted, failure)


def _run_rounds(turns: Sequence[Turn], asked: _Options, folder: Path, progress: _Progress) -> None:
    """Run all rounds.

    Raises:
        HostError, RequestError: a run gave no result.
        Interrupted: by a signal.
    """
    from resnet50_bench.session.rounds import describe_failure, plan_rounds, run_turn

    for number, turn in plan_rounds(turns, asked.rounds, asked.seed):
        progress.begin(f"round {number} of {asked.rounds}: {turn.name}", turn)
        flags = ("--json", "--wait", "--output", str(folder / turn.name))
        ended = run_turn(turn, flags, progress.show)
        progress.end(ended)
        if ended.code not in {ExitCode.VALID, ExitCode.INVALID_RESULT}:
            raise describe_failure(turn, ended)


def _conclude(turns: Sequence[Turn], folder: Path, wanted: Wanted, failure: R50Error | None) -> int:
    """Compare what was measured; what went wrong decides the exit code."""
    from resnet50_bench.verdict.comparison.speed import compare_speeds, read_side

    try:
        sides = []
        for turn in turns:
            runs = folder / turn.name
            side = read_side(turn.name, read_records(runs) if runs.is_dir() else [])
            sides.append(replace(side, name=_describe(turn)))
        # What differs between A and B is what was asked for.
        code = int(tell_comparison(compare_speeds(sides, wanted.smallest, force=True), wanted))
    except R50Error as error:
        if failure is None:
            raise
        print_line(f"nothing to compare yet: {error.message}", err=True)
        raise failure from None
    if failure is not None:
        raise failure
    return code


def _describe(turn: Turn) -> str:
    python = "" if turn.python == str(Path(sys.executable).absolute()) else f"{turn.python}: "
    return python + (shlex.join(turn.flags) or "no flags")


def _describe_time(seconds: float) -> str:
    from resnet50_bench.cli.progress import describe_seconds

    return describe_seconds(seconds)


class _Progress:
    """Says which run it is, what each reached, and how long the rest will take.

    Args:
        observer: what shows it.
        runs: how many there will be.
        expected_s: of a run of each side, as planned; what the runs really take replaces it.
    """

    def __init__(self, observer: TerminalObserver, runs: int, expected_s: dict[str, float]) -> None:
        self._observer = observer
        self._runs = runs
        self._done = 0
        self._expected_s = expected_s
        self._text = ""
        self._turn = ""
        self._began_s = 0.0

    def begin(self, text: str, turn: Turn) -> None:
        """A run begins."""
        self._text, self._turn, self._began_s = text, turn.name, time.monotonic()
        self.show(0.0)

    def show(self, seconds: float, doing: str = "") -> None:
        """Say how far all are, about twice a second."""
        mean_s = sum(self._expected_s.values()) / len(self._expected_s)
        left_s = max(0.0, (self._runs - self._done) * mean_s - seconds)
        share = self._done / self._runs
        self._observer.waiting(
            f"{self._text} ({seconds:.0f} s), about {_describe_time(left_s)} left; {doing}", share
        )

    def end(self, ended: Ended) -> None:
        """A run has ended."""
        self._done += 1
        self._expected_s[self._turn] = time.monotonic() - self._began_s
        kpis = (ended.summary or {}).get("kpis") or {}
        rate = kpis.get("throughput_images_per_s")
        text = f"{rate:.2f} images/s" if rate is not None else "no result"
        invalid = ", INVALID: it will not count" if ended.code == ExitCode.INVALID_RESULT else ""
        self._observer.note(f"{self._text}: {text}{invalid}")
