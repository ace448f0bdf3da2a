"""Engines' own benchmark programs beside our runs, as a table and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from resnet50_bench.printable import join_lines
from resnet50_bench.report.columns import join_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resnet50_bench.search.programs import Peer

_RIGHT = range(2, 7)


def render_peers(found: Sequence[tuple[str, str, Peer]], without: Sequence[str]) -> str:
    """Return the table; below it, which engines have no program of their own.

    Args:
        found: engine, name of its program, and what the rounds say.
        without: engines that bring no program along.
    """
    head = ("program", "way", "r50, images/s", "program", "ratio", "95 % interval", "rounds", "")
    cells = [head]
    for _, program, peer in found:
        low, high = peer.interval or (None, None)
        cells.append((
            program,
            peer.way,
            _spell(peer.ours, 2),
            _spell(peer.theirs, 2),
            _spell(peer.ratio, 3),
            "-" if low is None else f"{low:.3f} .. {high:.3f}",
            str(peer.rounds),
            "within 1 %" if peer.close else peer.reason or "",
        ))  # fmt: skip
    lines = [*join_columns(cells, _RIGHT)]
    if without:
        lines += ["", f"no benchmark program in its packages: {', '.join(without)}"]
    return join_lines(lines)


def summarize_peers(
    found: Sequence[tuple[str, str, Peer]], without: Sequence[str], **about: Any
) -> dict[str, Any]:
    """Return everything as plain JSON types."""
    peers = [{"engine": engine, "program": name, **asdict(peer)} for engine, name, peer in found]
    return {**about, "peers": peers, "without_program": list(without)}


def _spell(value: float | None, decimals: int) -> str:
    return "-" if value is None else f"{value:.{decimals}f}"
