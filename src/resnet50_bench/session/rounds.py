"""Several configurations in turns: each round runs every one of them once, in random order.

What changes slowly on a machine (its temperature, its neighbours) then meets all of them alike.
Each run is an `r50 run` of its own, in the Python it is to be measured with: so two environments,
such as two versions of TensorFlow, are compared as easily as two sets of flags, and no run inherits
anything of the one before.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any

from resnet50_bench.errors import ExitCode, HostError, RequestError
from resnet50_bench.interpreter import advise_start, describe_refusal, plan_arguments
from resnet50_bench.signals import signals_held

_LOOK_S = 0.5
_LAST_LINES = 8
_LAST_BYTES = 4096
_PATIENCE_S = 30.0
"""A run that is told to end has its instances end within seconds; then it is killed."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One configuration.

    Attributes:
        name: what it is called, and the folder of its runs.
        python: the interpreter that runs it.
        flags: of `r50 run`.
    """

    name: str
    python: str
    flags: tuple[str, ...]

    def plan_command(self, *also: str) -> list[str]:
        """Return the command that runs it."""
        arguments = plan_arguments("resnet50_bench.__main__")
        return [self.python, *arguments, "run", *self.flags, *also]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run of a turn ended.

    Attributes:
        code: its exit code.
        summary: what it printed with --json; None where that is none.
        messages: the last lines it wrote for people.
    """

    code: int
    summary: dict[str, Any] | None
    messages: tuple[str, ...]


Show = Callable[[float, str], None]
"""Is told about twice a second for how many seconds a run goes on, and what it last said."""


def plan_rounds(turns: Sequence[Turn], rounds: int, seed: int) -> list[tuple[int, Turn]]:
    """Return whose turn it is, run by run, with the number of the round, from 1."""
    order = random.Random(seed)  # noqa: S311 - an order, no secret
    return [
        (number, turn)
        for number in range(1, rounds + 1)
        for turn in order.sample(list(turns), len(turns))
    ]


def make_rounds_folder(output: Path) -> Path:
    """Make a folder no other comparison has.

    Raises:
        HostError: it cannot be made.
    """
    stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S.%fZ")
    folder = output / f"{stamp}-ab"
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise HostError(
            f"cannot write results to {output}: {error.strerror}",
            "name a folder you may write to, with room, with --output DIR",
        ) from error
    return folder


def expect_turn_s(turn: Turn) -> float:
    """Ask for the plan of a turn: whether it can run, and for how long.

    Raises:
        RequestError: it cannot: what it says itself.
        HostError: it could not even be started, or found this host wrong.
    """
    ended = run_turn(turn, ("--dry-run", "--json"))
    if ended.code == ExitCode.VALID and ended.summary is not None:
        return float(ended.summary["expected_s"])
    raise describe_failure(turn, ended)


def run_turn(turn: Turn, flags: Sequence[str], show: Show | None = None) -> Ended:
    """Run one turn to its end; whatever ends this ends the run, too.

    Args:
        turn: what to run.
        flags: besides its own; `--json` among them.
        show: is told how long it goes on.

    Raises:
        HostError: its Python cannot be started.
    """
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        # Held back, so that no signal falls between the start of the run and the note of it.
        with ExitStack() as stack:
            with signals_held():
                process = _start(turn, turn.plan_command(*flags), stdout, stderr)
                stack.callback(_end, process)
            code = _await(process, stderr, show)
        return Ended(code, _read_summary(stdout), _read_last_lines(stderr))


def _start(
    turn: Turn, command: list[str], stdout: IO[bytes], stderr: IO[bytes]
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            preexec_fn=_take_signals,  # noqa: PLW1509 - no thread holds a lock that this needs
        )
    except OSError as error:
        raise HostError(
            f"{turn.name}: {turn.python} cannot be started: {describe_refusal(error)}",
            advise_start(error) or "name an interpreter with --python-a or --python-b",
        ) from error


def _take_signals() -> None:
    """The child is not to inherit that signals are held back."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _await(process: subprocess.Popen[bytes], stderr: IO[bytes], show: Show | None) -> int:
    begin_s = time.monotonic()
    while True:
        with suppress(subprocess.TimeoutExpired):
            return process.wait(_LOOK_S)
        if show is not None:
            last = _read_last_lines(stderr)[-1:]
            show(time.monotonic() - begin_s, "".join(last).strip())


def _end(process: subprocess.Popen[bytes]) -> None:
    """Have a run end as Ctrl-C does: its instances first, its record written."""
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGINT)
    try:
        process.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _read_summary(stdout: IO[bytes]) -> dict[str, Any] | None:
    stdout.seek(0)
    try:
        found = json.loads(stdout.read())
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _read_last_lines(stderr: IO[bytes]) -> tuple[str, ...]:
    """What the run wrote last; its own place in the file, which it shares, is left alone."""
    size = os.fstat(stderr.fileno()).st_size
    tail = os.pread(stderr.fileno(), _LAST_BYTES, max(0, size - _LAST_BYTES))
    lines = tail.decode(errors="surrogateescape").splitlines()
    return tuple(lines[-_LAST_LINES:])


def describe_failure(turn: Turn, ended: Ended) -> RequestError | HostError:
    """Return the error of a turn that gave no result: in its own words."""
    kind = RequestError if ended.code == ExitCode.WRONG_REQUEST else HostError
    advice = None
    if not any(line.lstrip().startswith("->") for line in ended.messages):
        advice = f"`{turn.python} -m resnet50_bench run {' '.join(turn.flags)}` shows it alone"
    return kind(f"{turn.name} cannot run (exit code {ended.code})", advice, ended.messages)


def find_python(name: str) -> str:
    """Return the path of an interpreter as it will be started.

    Raises:
        RequestError: there is no such program.
    """
    import shutil

    found = shutil.which(os.path.expanduser(name))  # noqa: PTH111 - a name in PATH is no path
    if found is None:
        raise RequestError(
            f"no Python at {name}", "name the interpreter of an environment: DIR/bin/python"
        )
    return str(Path(found).absolute())
