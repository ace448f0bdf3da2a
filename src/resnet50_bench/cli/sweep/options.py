"""The options of `r50 sweep` that are no parameters, as typed values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import click

FORMATS = ("text", "json", "csv", "markdown")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepOptions:
    """The options of `r50 sweep` that are no parameters.

    Attributes are named after the options; `budget` is in seconds, `flags` are the parameters' own,
    by their name.
    """

    case: str | None
    assignments: tuple[str, ...]
    case_config: Path | None
    from_env: bool
    rounds: int | None
    budget: float | None
    output: Path | None
    resume: Path | None
    wait: bool
    dry_run: bool
    form: str
    flags: dict[str, str | bool | None]


def parse_duration(text: str | None) -> float | None:
    """Return the seconds of `90s`, `30m`, `1.5h` or `90`.

    Raises:
        click.BadParameter: it is none of these.
    """
    if text is None:
        return None
    found = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)([smh]?)", text.strip().lower())
    if found is None or float(found[1]) == 0:
        raise click.BadParameter(f"{text!r} must be a time such as 90s, 30m or 2h")
    return float(found[1]) * _SECONDS[found[2]]
