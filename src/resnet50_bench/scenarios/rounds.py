"""The seeds of MLPerf's rounds: a dated file, because they change with each."""

from __future__ import annotations

from importlib.resources import files

import msgspec


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """One round of submissions.

    Attributes:
        name: e.g. `v6.1`.
        read: when its seeds were read, ISO 8601.
        source: from where.
        seeds: LoadGen's three, by their names in its settings.
    """

    name: str
    read: str
    source: str
    seeds: dict[str, int]


def read_rounds() -> tuple[Round, ...]:
    """Return the rounds that are known, the newest last."""
    content = files(__package__).joinpath("rounds.json").read_bytes()
    return msgspec.json.decode(content, type=tuple[Round, ...])
