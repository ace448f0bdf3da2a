"""What is heard of a fleet while it measures -> a row for each case on each host."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from resnet50_bench.errors import OutputError
from resnet50_bench.fleet.engine.incoming import Said, Wanted, read_said, take_in
from resnet50_bench.fleet.engine.playbook import CLEAN, MEASURE, read_case
from resnet50_bench.fleet.state import Row
from resnet50_bench.verdict.judge import judge

if TYPE_CHECKING:
    from resnet50_bench.fleet.engine.running import Event
    from resnet50_bench.results.record import Record

CLOCK_S = 60
"""A host's clock may be off by so much before it is told."""

_REASON_CHARS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A case that ended on a host.

    Attributes:
        row: what came of it.
        record: that came back; None where none did.
    """

    row: Row
    record: Record | None = None

    @property
    def is_valid(self) -> bool:
        """Whether it was measured, and its record says a valid result."""
        return self.record is not None and judge(self.record).valid


@dataclass
class _Host:
    """What is known of a host while it works.

    Attributes:
        missing: numbers of the cases that it is to run, in order.
        began_s: when it was first heard of, on this machine's monotonic clock.
        said: what it said last of each case.
        notes: what a reader of its rows should know.
        is_clean: its folder of this call has been taken away.
    """

    missing: list[int]
    began_s: float | None = None
    said: dict[int, Said] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    is_clean: bool = False


class Ledger:
    """Follows the events; keeps of each host no more than what is not yet written.

    Args:
        cases: what is asked, by number.
        missing: the numbers of the cases that each host is to run, by its name.
        folders: a harmless name of each host, by its name.
        incoming: where records arrive.
        output: the folder of the fleet.
    """

    def __init__(
        self,
        cases: Sequence[Wanted],
        missing: Mapping[str, Sequence[int]],
        folders: Mapping[str, str],
        incoming: Path,
        output: Path,
    ) -> None:
        self._cases = cases
        self._folders = folders
        self._incoming = incoming
        self._output = output
        self._hosts = {name: _Host(list(numbers)) for name, numbers in missing.items()}
        self._at_work: dict[str, str] = {}
        self.wall_s: Callable[[], float] = time.time
        self.clock_s: Callable[[], float] = time.monotonic

    @property
    def at_work(self) -> Mapping[str, str]:
        """What each host does that has begun and has not ended."""
        return self._at_work

    @property
    def begun(self) -> list[str]:
        """The hosts that have begun and are not clean: something may run there."""
        return [
            name
            for name, host in self._hosts.items()
            if host.began_s is not None and not host.is_clean
        ]

    def describe(self, task: str) -> str:
        """Return a task in words."""
        number = read_case(task)
        if number is None:
            return task
        return f"{task.partition(' ')[0]} {self._cases[number].name}"

    def take(self, event: Event) -> list[Ended]:
        """Note an event; return the cases that ended by it.

        Raises:
            OutputError: a record cannot be kept.
        """
        host = self._hosts.get(event.host)
        if host is None:
            return []
        if host.began_s is None:
            host.began_s = self.clock_s()
        self._at_work.pop(event.host, None)
        if event.event == "start":
            self._at_work[event.host] = self.describe(event.task)
        self._look_at_clock(host, event)
        if event.event in {"failed", "unreachable"}:
            return list(self._lose_all(event.host, host, _find_reason(event)))
        return self._hear(event, host) if event.event == "ok" else []

    def _hear(self, event: Event, host: _Host) -> list[Ended]:
        """What a task that ended says of a case."""
        host.is_clean = event.task == CLEAN
        number = read_case(event.task)
        if number is None or number not in host.missing:
            return []
        if event.task.startswith(MEASURE):
            return self._hear_run(event, host, number)
        return [self._take_record(event, host, number)]

    def close(self, reason: str) -> list[Ended]:
        """Return the cases of which nothing more will be heard."""
        return [
            ended
            for name, host in self._hosts.items()
            for ended in self._lose_all(name, host, reason)
        ]

    def _look_at_clock(self, host: _Host, event: Event) -> None:
        now_s = read_said(event.stdout).now_s
        if now_s is None or host.notes:
            return
        ahead_s = now_s - self.wall_s()
        if abs(ahead_s) > CLOCK_S:
            word = "ahead" if ahead_s > 0 else "behind"
            host.notes = (
                f"its clock is {abs(ahead_s):.0f} s {word} of this machine's, and so is the time "
                "of its records",
            )

    def _hear_run(self, event: Event, host: _Host, number: int) -> list[Ended]:
        said = read_said(event.stdout)
        host.said[number] = said
        if said.sha256 is not None:
            return []  # its record comes next
        host.missing.remove(number)
        return [self._lose(event.host, host, number, _explain_run(event, said))]

    def _take_record(self, event: Event, host: _Host, number: int) -> Ended:
        host.missing.remove(number)
        said = host.said.pop(number, Said())
        wanted, folder = self._cases[number], self._folders[event.host]
        place = Path(folder, wanted.name)
        try:
            found = take_in(
                self._incoming / f"{folder}-{number}.json", said, wanted, self._output / place
            )
        except OSError as error:
            raise OutputError(self._output / place, error) from error
        if isinstance(found, str):
            (self._incoming / f"{folder}-{number}.json").unlink(missing_ok=True)
            reason = f"{found} ({said.size} bytes there)" if event.event == "ok" else found
            detail = _find_reason(event) if event.msg else ""
            return self._lose(event.host, host, number, f"{reason}{': ' if detail else ''}{detail}")
        row = Row(
            host=event.host,
            case=wanted.name,
            outcome="measured",
            folder=str(place),
            sha256=said.sha256,
            exit_code=said.exit_code,
            seconds=self._count_seconds(host),
            notes=host.notes,
        )
        return Ended(row=row, record=found)

    def _lose_all(self, name: str, host: _Host, reason: str) -> Iterator[Ended]:
        numbers, host.missing = host.missing, []
        for number in numbers:
            yield self._lose(name, host, number, reason)

    def _lose(self, name: str, host: _Host, number: int, reason: str) -> Ended:
        said = host.said.pop(number, Said())
        return Ended(
            row=Row(
                host=name,
                case=self._cases[number].name,
                outcome="lost",
                reason=reason[:_REASON_CHARS],
                exit_code=said.exit_code,
                seconds=self._count_seconds(host),
                notes=host.notes,
            )
        )

    def _count_seconds(self, host: _Host) -> float | None:
        return None if host.began_s is None else round(self.clock_s() - host.began_s, 3)


def _explain_run(event: Event, said: Said) -> str:
    """Why a run left no record, by what it printed last."""
    last = _find_reason(event)
    if said.exit_code is None:
        return last
    if said.exit_code == 124:
        return f"it took longer than --timeout allows: {last}"
    if said.exit_code > 128:
        return f"r50 run was ended there by signal {said.exit_code - 128}: {last}"
    return f"r50 run ended there with {said.exit_code} and left no record: {last}"


def _find_reason(event: Event) -> str:
    """The line that says most of what went wrong."""
    for text in (event.stderr, event.module_stderr, event.msg):
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        errors = [line for line in lines if "error" in line.lower()]
        if lines:
            return (errors or lines)[-1]
    return "it said nothing"
