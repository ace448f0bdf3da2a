"""What a fleet's answer looks like: text, Markdown, CSV and plain JSON types."""

from __future__ import annotations

import html
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from resnet50_bench.printable import join_lines
from resnet50_bench.report.columns import join_columns
from resnet50_bench.report.tables import render_rows
from resnet50_bench.stats.outliers import BOUND, FEWEST

if TYPE_CHECKING:
    from resnet50_bench.fleet.peers import Apart, Fleet, Peers, Placed, Setting

_SHOWN_SETTINGS = 6
_SHOWN_REASONS = 20
_SHOWN_SOURCES = 4
_NAMED = ("mode", "precision", "batch size", "instances", "cores per instance")
_KIND_HEADING = (
    "machine",
    "measured",
    "hosts",
    "slow",
    "median",
    "kWh / million",
    "cost / million",
)
_CSV_HEADING = (
    "host", "machine", "mode", "precision", "batch_size", "instances", "cores_per_instance",
    "speed", "unit", "peers", "peers_median", "change", "z", "slow", "slow_instances",
    "settings", "group_kwh_per_million", "group_cost_per_million",
)  # fmt: skip


def render_fleet(fleet: Fleet) -> str:
    """Return the report for people: kinds of machines, slow hosts, what is kept apart."""
    kinds = [list(_KIND_HEADING), *(_list_kind(peers) for peers in fleet.groups)]
    lines = [
        f"{_count_hosts(fleet)} hosts, {len(fleet.slow)} of them slow: a robust z-score below "
        f"{-BOUND} among {FEWEST} peers or more",
        "",
        *join_columns(kinds, right={2, 3, 4, 5, 6}),
        "",
        *_list_slow(fleet),
        *_list_common(fleet),
        *_list_apart(fleet),
        *_list_left_out(fleet),
    ]
    return join_lines(lines)


def render_fleet_markdown(fleet: Fleet) -> str:
    """Return it as Markdown: text of records stays text, also where HTML would be understood."""
    kinds = [_KIND_HEADING, ["---", "---", *["---:"] * 5], *map(_list_kind, fleet.groups)]
    slow = [["host", "measured", "speed", "against its peers", "z", "set otherwise"]]
    slow += [["---", "---", "---:", "---:", "---:", "---"]]
    for groups, placed in _iterate_slow(fleet):
        settings = "; ".join(_describe_setting(item) for item in placed.settings[:_SHOWN_SETTINGS])
        slow.append(
            [
                placed.host,
                _describe_asked(groups),
                f"{placed.speed:.2f} {groups.unit}",
                _percent(placed.change),
                f"{placed.z:.1f}",
                settings or "nothing on record",
            ]
        )
    lines = [f"{_count_hosts(fleet)} hosts, {len(fleet.slow)} of them slow", ""]
    lines += [_join_row(row) for row in kinds]
    lines += ["", *(_join_row(row) for row in slow)] if len(slow) > 2 else []
    more = [*_list_common(fleet), *_list_apart(fleet), *_list_left_out(fleet)]
    lines += ["", *(f"- {_escape(line.strip())}" for line in more if line)] if more else []
    return join_lines(lines)


def render_fleet_csv(fleet: Fleet) -> str:
    """Return a row for each host in each of its groups."""
    rows = (_list_csv(peers, placed) for peers in fleet.groups for placed in peers.hosts)
    return render_rows([_CSV_HEADING, *rows])


def summarize_fleet(fleet: Fleet) -> dict[str, Any]:
    """Return it as plain JSON types; changes are parts, such as -0.05."""
    return {
        "hosts": _count_hosts(fleet),
        "slow": list(fleet.slow),
        "bound_z": -BOUND,
        "fewest_peers": FEWEST,
        "groups": [_summarize(peers) for peers in fleet.groups],
        "apart": [
            {
                "machine": item.peers.machine,
                "hosts": [placed.host for placed in item.peers.hosts],
                "differences": [
                    {"what": what, "here": here, "there": there}
                    for what, here, there in item.differences
                ],
            }
            for item in fleet.apart
        ],
        "left_out": [{"source": source, "reason": why} for source, why in fleet.left_out],
    }


def _count_hosts(fleet: Fleet) -> int:
    return len({placed.host for peers in fleet.groups for placed in peers.hosts})


def _describe_asked(peers: Peers) -> str:
    asked = peers.asked
    return (
        f"{asked['mode']} {asked['precision']}, batch {asked['batch size']}, "
        f"{asked['instances']} x {asked['cores per instance']} cores"
    )


def _list_kind(peers: Peers) -> list[str]:
    return [
        peers.machine,
        _describe_asked(peers),
        str(len(peers.hosts)),
        str(len(peers.slow)) if peers.are_enough else "?",
        f"{peers.median:.2f} {peers.unit}",
        f"{peers.kwh:.3f}" if peers.kwh is not None else "",
        f"{peers.cost:.4g}" if peers.cost is not None else "",
    ]


def _iterate_slow(fleet: Fleet) -> Iterator[tuple[Peers, Placed]]:
    for host, groups in fleet.slow.items():
        for peers in groups:
            for placed in peers.slow:
                if placed.host == host:
                    yield peers, placed


def _list_slow(fleet: Fleet) -> Iterator[str]:
    places = fleet.find_places(fleet.slow)
    told = ""
    for peers, placed in _iterate_slow(fleet):
        if placed.host != told:
            told = placed.host
            yield f"{told} is slow"
            yield from _list_others(places[told])
        yield (
            f"  {_describe_asked(peers)}: {placed.speed:.2f} {peers.unit}, "
            f"{_percent(placed.change)} against the median of {len(peers.hosts)} peers, "
            f"z {placed.z:.1f}"
        )
        yield from _list_instances(peers, placed)
        for item in placed.settings[:_SHOWN_SETTINGS]:
            yield f"    {_describe_setting(item)}"
        if not placed.settings:
            yield "    nothing that is on record of it is set otherwise"
    if told:
        yield ""


def _list_others(places: Sequence[tuple[Peers, Placed]]) -> Iterator[str]:
    """In what it is not slow."""
    fine = [(peers, placed) for peers, placed in places if not placed.is_slow]
    for peers, placed in fine:
        word = "not slow" if peers.are_enough else f"fewer than {FEWEST} peers"
        yield f"  {_describe_asked(peers)}: {word}, {_percent(placed.change)}"


def _list_instances(peers: Peers, placed: Placed) -> Iterator[str]:
    """Which of the instances; nothing where there is one."""
    count = int(peers.asked["instances"])
    slow = placed.instances
    if count == 1 or not slow:
        return
    if len(slow) == count:
        yield f"    all {count} instances are slow"
        return
    listed = ", ".join(f"{item.number} ({_percent(item.change)})" for item in slow[:8])
    more = f" and {len(slow) - 8} more" if len(slow) > 8 else ""
    yield f"    slow are instances {listed}{more} of {count}"


def _describe_setting(item: Setting) -> str:
    return (
        f"{item.what}: {item.value}; {item.fast_usual} of {item.fast} fast ones have {item.usual}"
        + (f", {item.fast_same} the same" if item.fast_same else "")
    )


def _list_common(fleet: Fleet) -> Iterator[str]:
    """Settings that several slow hosts of a group share."""
    for peers in fleet.groups:
        seen: dict[tuple[str, str], list[Setting]] = {}
        for placed in peers.slow:
            for item in placed.settings:
                seen.setdefault((item.what, item.value), []).append(item)
        shared = sorted(
            (items for items in seen.values() if len(items) > 1),
            key=lambda items: (-len(items), items[0].fast_same),
        )
        for items in shared[:_SHOWN_SETTINGS]:
            first = items[0]
            yield (
                f"{first.what} {first.value}: {len(items)} of {len(peers.slow)} slow ones, "
                f"{first.fast_same} of {first.fast} fast ones ({_describe_asked(peers)})"
            )


def _list_apart(fleet: Fleet) -> Iterator[str]:
    for item in fleet.apart:
        yield _describe_apart(item)


def _describe_apart(item: Apart) -> str:
    count = len(item.peers.hosts)
    whose = item.peers.hosts[0].host if count == 1 else f"{count} hosts"
    listed = "; ".join(f"{what} {here}, not {there}" for what, here, there in item.differences)
    return f"kept apart: {whose} ({_describe_asked(item.peers)}): {listed}"


def _list_left_out(fleet: Fleet) -> Iterator[str]:
    """A line for each reason."""
    by_reason: dict[str, list[str]] = defaultdict(list)
    for source, why in fleet.left_out:
        by_reason[why].append(source)
    for why, sources in list(by_reason.items())[:_SHOWN_REASONS]:
        more = len(sources) - _SHOWN_SOURCES
        listed = ", ".join(sources[:_SHOWN_SOURCES]) + (f" and {more} more" if more > 0 else "")
        yield f"left out: {listed}: {why}"
    if len(by_reason) > _SHOWN_REASONS:
        yield f"left out for {len(by_reason) - _SHOWN_REASONS} more reasons: --format json"


def _list_csv(peers: Peers, placed: Placed) -> list[str | float | None]:
    settings = "; ".join(f"{item.what}={item.value}" for item in placed.settings)
    return [
        placed.host,
        peers.machine,
        *(peers.asked[name] for name in _NAMED),
        _round(placed.speed),
        peers.unit,
        len(peers.hosts),
        _round(peers.median),
        round(placed.change, 6),
        round(placed.z, 3),
        str(placed.is_slow).lower(),
        " ".join(str(item.number) for item in placed.instances),
        settings,
        None if peers.kwh is None else _round(peers.kwh),
        None if peers.cost is None else _round(peers.cost),
    ]


def _round(value: float) -> float:
    return float(f"{value:.6g}")


def _summarize(peers: Peers) -> dict[str, Any]:
    return {
        "machine": peers.machine,
        "asked": dict(peers.asked),
        "unit": peers.unit,
        "median": peers.median,
        "images_per_s": peers.images_per_s,
        "kwh_per_million_images": peers.kwh,
        "cost_per_million_images": peers.cost,
        "hosts": [_summarize_host(placed) for placed in peers.hosts],
    }


def _summarize_host(placed: Placed) -> dict[str, Any]:
    return {
        "host": placed.host,
        "speed": placed.speed,
        "change": placed.change,
        "z": placed.z,
        "slow": placed.is_slow,
        "instances": [{"number": item.number, "change": item.change} for item in placed.instances],
        "settings": [
            {
                "what": item.what,
                "value": item.value,
                "usual": item.usual,
                "fast": item.fast,
                "fast_usual": item.fast_usual,
                "fast_same": item.fast_same,
            }
            for item in placed.settings
        ],
    }


def _percent(part: float) -> str:
    return f"{100 * part:+.1f}%"


def _escape(text: str) -> str:
    escaped = html.escape(text, quote=False)
    for character in "\\`*_[]|":
        escaped = escaped.replace(character, f"\\{character}")
    return escaped


def _join_row(cells: Sequence[str]) -> str:
    shown = (cell if set(cell) <= set("-:") else _escape(cell) for cell in cells)
    return f"| {' | '.join(shown)} |"
