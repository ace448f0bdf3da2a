"""What a parameter is, and what a user gives as its value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Parameter:
    """One thing a user can set.

    Attributes:
        name: the framework's name, e.g. `BATCH_SIZE`; the flag is `--batch-size`.
        field: of `RunConfig`.
        parse: text to value; raises ValueError saying what is allowed.
        help: one sentence.
        default: what holds when it is not set, for people; None when nothing does.
        choices: the allowed words; () when it is not a word.
        metavar: what stands for the value in help.
        switch: it is on or off, and its flag takes no value.
        whole: `--set` takes its value as one, spaces and all, and makes no list of it.
    """

    name: str
    field: str
    parse: Callable[[str], Any]
    help: str
    default: str | None = None
    choices: tuple[str, ...] = ()
    metavar: str = "TEXT"
    switch: bool = False
    whole: bool = False

    @property
    def flag(self) -> str:
        """The command line's spelling, e.g. `--batch-size`."""
        return "--" + self.name.lower().replace("_", "-")


@dataclass(frozen=True, slots=True)
class Setting:
    """One parameter as the user gave it.

    Attributes:
        name: the parameter's name, in any case.
        value: its text.
        origin: how it was given, as an error should name it, e.g. `--batch-size`.
    """

    name: str
    value: str
    origin: str
