"""`--netrc`: logins by host, from the file that curl and others read."""

from __future__ import annotations

import os
from pathlib import Path

import click

NETRC_OPTION = click.option(
    "--netrc",
    "log_in",
    is_flag=True,
    help="Log in to the server with what ~/.netrc, or the file in NETRC, has for it.",
)


def find_netrc(*, log_in: bool) -> Path | None:
    """Return the file of logins where it is asked for."""
    if not log_in:
        return None
    return Path(os.environ.get("NETRC") or Path.home() / ".netrc")
