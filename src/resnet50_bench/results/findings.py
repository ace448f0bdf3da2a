"""What a check has to say."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing the checks found.

    Attributes:
        message: what, and where.
        advice: the next step, with the flag; None when there is none.
    """

    message: str
    advice: str | None = None
