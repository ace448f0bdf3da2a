"""`r50 tune --show`: the stored answers, and whether they still hold."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from resnet50_bench.cli.lines import print_line, print_text
from resnet50_bench.cli.terminal import print_json
from resnet50_bench.config import RunConfig
from resnet50_bench.host.machine import read_host
from resnet50_bench.printable import join_lines
from resnet50_bench.report.tables import join_markdown, render_rows
from resnet50_bench.search.tuned.answers import (
    describe_basis,
    find_changes,
    plan_folder,
    read_all,
    render_flags,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resnet50_bench.search.tuned.answers import Tuned

_HEAD = ("question", "precision", "best", "value", "low", "high", "unit", "found", "state")


@dataclass(frozen=True, slots=True)
class _Answer:
    """A stored answer and what has changed since it was found."""

    tuned: Tuned
    changes: tuple[str, ...]

    @property
    def state(self) -> str:
        """`holds`, or why it is stale."""
        return "stale: " + "; ".join(self.changes) if self.changes else "holds"

    def list_cells(self) -> tuple[str | float, ...]:
        """Return the cells of a row."""
        tuned = self.tuned
        return (tuned.question, tuned.precision, render_flags(tuned.settings), tuned.value,
                tuned.low, tuned.high, tuned.unit, tuned.found, self.state)  # fmt: skip


def show_answers(form: str) -> None:
    """Print every stored answer."""
    folder, host = plan_folder(os.environ), read_host()
    answers = []
    for tuned in read_all(folder):
        now = describe_basis(RunConfig(engine=tuned.engine), host)
        # Which model a run will be given is not known yet.
        now = msgspec.structs.replace(now, model=tuned.basis.model)
        answers.append(_Answer(tuned, find_changes(tuned.basis, now)))
    if form == "json":
        print_json({"folder": str(folder), "answers": [_summarize(item) for item in answers]})
    elif form == "csv":
        print_text(_render_csv(answers))
    elif form == "markdown":
        print_text(_render_markdown(answers))
    elif not answers:
        print_line(f"nothing was tuned yet (in {folder}): `r50 tune` does it")
    else:
        print_text(join_lines([line for item in answers for line in _describe(item)]))


def _summarize(item: _Answer) -> dict[str, Any]:
    answer: dict[str, Any] = msgspec.to_builtins(item.tuned)
    return {**answer, "stale": bool(item.changes), "changes": list(item.changes)}


def _describe(item: _Answer) -> list[str]:
    tuned = item.tuned
    lines = [
        f"{tuned.question} in {tuned.precision}: {tuned.value:.2f} {tuned.unit} "
        f"({tuned.low:.2f} .. {tuned.high:.2f})",
        f"  {render_flags(tuned.settings)}",
        f"  found {tuned.found} on {tuned.basis.host['name']} ({tuned.basis.host['CPU']}), model "
        f"{tuned.basis.model['model']}: {tuned.tried} of {tuned.entrants} configurations tried",
        f"  {item.state}",
    ]
    if tuned.restricted:
        lines.insert(3, f"  searched within {', '.join(tuned.restricted)}")
    return lines


def _render_csv(answers: Sequence[_Answer]) -> str:
    return render_rows([_HEAD, *(item.list_cells() for item in answers)])


def _render_markdown(answers: Sequence[_Answer]) -> str:
    return join_lines(join_markdown([_HEAD, *([str(c) for c in item.list_cells()]
                                              for item in answers)]))  # fmt: skip
