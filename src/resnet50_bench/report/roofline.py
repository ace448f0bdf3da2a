"""What a machine can do at most: as a person reads it, and as JSON, CSV and Markdown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from resnet50_bench.config import Precision
from resnet50_bench.host.machine import short_list
from resnet50_bench.limits.cache import compute_age
from resnet50_bench.limits.kernels import PEAK_KERNELS, Kind, PeakKernel
from resnet50_bench.limits.kind import plan_kind
from resnet50_bench.limits.levels import LEVELS
from resnet50_bench.limits.measure import ACCESSES, ROUNDS
from resnet50_bench.limits.roofline import UNSTEADY, Roofline, compute_spread
from resnet50_bench.limits.work import OPERATIONS, count_multiply_adds, plan_layers
from resnet50_bench.precision.meaning import list_missing, plan_meaning
from resnet50_bench.printable import join_lines, show_controls
from resnet50_bench.report.styled import Line
from resnet50_bench.report.tables import join_markdown, render_rows
from resnet50_bench.report.terminal.run import print_rows
from resnet50_bench.results.limit import DEFINITION

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from resnet50_bench.host.machine import Host
    from resnet50_bench.limits.work import Layer

_HEAD = ("What", "Unit", "Value", "Lowest round", "Images/s at most", "Precisions", "Absent")

_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86400

Cell = str | float | None


@dataclass(frozen=True, slots=True)
class _Ceiling:
    """A kind of peak, whether or not this machine has it.

    Attributes:
        kernel: of it.
        rate: operations per second; None where it is absent.
        rounds: of each round.
        images_per_s: of ResNet-50 at that rate.
        precisions: whose limit it is here.
        absent: why.
    """

    kernel: PeakKernel
    rate: float | None
    rounds: tuple[float, ...]
    images_per_s: float | None
    precisions: tuple[str, ...]
    absent: str | None


def list_ceilings(host: Host, roofline: Roofline) -> list[_Ceiling]:
    """Return every kind there is, in a fixed order."""
    precisions: dict[Kind, list[str]] = {}
    for precision in Precision:
        if not list_missing(plan_meaning(precision, host.cpu_flags), host.cpu_flags):
            kind = plan_kind(precision, host.cpu_flags)
            precisions.setdefault(kind, []).append(precision.value)
    rounds = {item.kind: item.rounds for item in roofline.peaks}
    per_image = OPERATIONS * count_multiply_adds(plan_layers())
    found = []
    for kernel in PEAK_KERNELS:
        rate = roofline.find_peak(kernel.kind)
        found.append(
            _Ceiling(
                kernel,
                rate,
                rounds.get(kernel.kind, ()),
                rate / per_image if rate is not None else None,
                tuple(precisions.get(kernel.kind, ())),
                None if rate is not None else _find_reason(roofline, kernel.kind.value),
            )
        )
    return found


def print_roofline(
    console: Console, host: Host, roofline: Roofline, *, layers: bool = False
) -> None:
    """Print the machine, its peaks and bandwidths, and what they mean for the model."""
    work = plan_layers()
    multiply_adds = count_multiply_adds(work)
    print_rows(
        console,
        [
            ("CPU", host.cpu_model),
            ("Measured", _describe_measurement(roofline)),
            (
                "Model",
                f"ResNet-50 v1.5: {multiply_adds / 1e9:.3f} G multiply-adds, so "
                f"{OPERATIONS * multiply_adds / 1e9:.3f} G operations an image, in "
                f"{len(work) - 1} convolutions and the classifier",
            ),
            ("Limit", f"{DEFINITION}, one thread a core"),
        ],
    )
    _print_table(console, list(_list_peak_rows(host, roofline)))
    _print_table(console, list(_list_bandwidth_rows(roofline)))
    if layers:
        _print_table(console, [_LAYER_HEAD, *map(_make_layer_row, work)])


def summarize_roofline(host: Host, roofline: Roofline) -> dict[str, Any]:
    """Return it as plain JSON types, with the work of the model layer by layer."""
    work = plan_layers()
    return {
        "cpu_model": host.cpu_model,
        "cpus": list(roofline.cpus),
        "measured": roofline.measured,
        "age_s": round(compute_age(roofline).total_seconds()),
        "method_version": roofline.version,
        "definition": DEFINITION,
        "peaks": [
            {
                "kind": item.kernel.kind.value,
                "title": item.kernel.title,
                "instructions": list(item.kernel.instructions),
                "operations_per_s": item.rate,
                "rounds": list(item.rounds),
                "images_per_s": item.images_per_s,
                "precisions": list(item.precisions),
                "absent": item.absent,
            }
            for item in list_ceilings(host, roofline)
        ],
        "bandwidths": msgspec.to_builtins(roofline.bandwidths),
        "absent": roofline.absent,
        "model": {
            "multiply_adds": count_multiply_adds(work),
            "operations": OPERATIONS * count_multiply_adds(work),
            "layers": [_summarize_layer(layer) for layer in work],
        },
    }


def render_csv(host: Host, roofline: Roofline) -> str:
    """Return a row for each peak and bandwidth, numbers as numbers."""
    return render_rows([_HEAD, *_list_rows(host, roofline)])


def render_markdown(host: Host, roofline: Roofline) -> str:
    """Return the same rows as a Markdown table, below what they are of."""
    cells = (
        [f"{cell:.1f}" if isinstance(cell, float) else cell or "" for cell in row]
        for row in _list_rows(host, roofline)
    )
    about = f"{show_controls(host.cpu_model)}: {_describe_measurement(roofline)}."
    return join_lines([about, "", *join_markdown([_HEAD, *cells])])


def _list_rows(host: Host, roofline: Roofline) -> Iterator[Sequence[Cell]]:
    """In the order of `_HEAD`."""
    for item in list_ceilings(host, roofline):
        yield (
            item.kernel.kind.value,
            "G operations/s",
            _scale(item.rate),
            _scale(min(item.rounds, default=None)),
            item.images_per_s,
            " ".join(item.precisions),
            item.absent,
        )
    for level in LEVELS:
        for access in ACCESSES:
            name = f"{level} {access}"
            rounds = _find_rounds(roofline, level, access)
            rate = roofline.find_bandwidth(level, access)
            absent = None if rate is not None else _find_reason(roofline, name)
            lowest = _scale(min(rounds, default=None))
            yield name, "GB/s", _scale(rate), lowest, None, "", absent


def _describe_measurement(roofline: Roofline) -> str:
    text = (
        f"{roofline.measured}, {describe_age(compute_age(roofline).total_seconds())}, on CPUs "
        f"{short_list(roofline.cpus)} all at once: the best of {ROUNDS} rounds"
    )
    if roofline.spread > UNSTEADY:
        text += (
            f"; they are up to {roofline.spread:.0%} apart: other work had these cores, or their "
            "frequency did not hold"
        )
    return text


def describe_age(seconds: float) -> str:
    """Return how long ago something was, in one unit."""
    if seconds < 2 * _MINUTE_S:
        return "just now"
    if seconds < 2 * _HOUR_S:
        return f"{seconds / _MINUTE_S:.0f} minutes ago"
    if seconds < 2 * _DAY_S:
        return f"{seconds / _HOUR_S:.0f} hours ago"
    return f"{seconds / _DAY_S:.0f} days ago"


def _list_peak_rows(host: Host, roofline: Roofline) -> Iterator[Sequence[str]]:
    yield "multiply-adds in registers", "G operations/s", "of each core", "images/s", "limit of"
    for item in list_ceilings(host, roofline):
        if item.rate is None or item.images_per_s is None:
            yield item.kernel.title, "absent:", item.absent or ""
            continue
        rate = item.rate / 1e9
        yield (
            item.kernel.title,
            f"{rate:.1f}",
            f"{rate / len(roofline.cpus):.1f}",
            f"{item.images_per_s:.1f}",
            ", ".join(item.precisions),
        )


def _list_bandwidth_rows(roofline: Roofline) -> Iterator[Sequence[str]]:
    yield "bandwidth", "read, GB/s", "triad, GB/s", "lowest", "a core's buffer"
    for level in LEVELS:
        rates = [roofline.find_bandwidth(level, access) for access in ACCESSES]
        if all(rate is None for rate in rates):
            yield level, "absent:", _find_reason(roofline, f"{level} {ACCESSES[0]}")
            continue
        texts = [f"{rate / 1e9:.1f}" if rate is not None else "-" for rate in rates]
        spreads = [
            compute_spread(rounds)
            for access in ACCESSES
            if (rounds := _find_rounds(roofline, level, access))
        ]
        sizes = {item.buffer_bytes for item in roofline.bandwidths if item.level == level}
        yield level, *texts, f"-{max(spreads):.0%}", f"{max(sizes) / 1024:,.0f} KiB"


_LAYER_HEAD = ("layer", "M multiply-adds", "weights", "in", "out", "kernel")


def _make_layer_row(layer: Layer) -> Sequence[str]:
    return (
        layer.name,
        f"{layer.multiply_adds / 1e6:.1f}",
        f"{layer.kernel_values:,}",
        "x".join(map(str, layer.input_shape)),
        "x".join(map(str, layer.output_shape)),
        f"{layer.kernel}x{layer.kernel}" + (f" / {layer.stride}" if layer.stride > 1 else ""),
    )


def _summarize_layer(layer: Layer) -> dict[str, Any]:
    return {
        **msgspec.to_builtins(layer),
        "multiply_adds": layer.multiply_adds,
        "kernel_values": layer.kernel_values,
        "input_values": layer.input_values,
        "output_values": layer.output_values,
    }


def _print_table(console: Console, rows: Sequence[Sequence[str]]) -> None:
    """Print rows whose first cell is a name and whose others are figures."""
    columns = max(map(len, rows))
    full = [row for row in rows if len(row) == columns]
    widths = [max(len(row[place]) for row in full) for place in range(columns)]
    widths[0] = max(len(row[0]) for row in rows)
    console.print()
    for number, (name, *cells) in enumerate(rows):
        if len(cells) + 1 < columns:  # absent, with its reason
            text = " ".join(cells)
        else:
            text = "".join(
                cell.rjust(width + 2) if place < columns - 2 else f"   {cell}"
                for place, (cell, width) in enumerate(zip(cells, widths[1:]))
            )
        style = "bold" if number == 0 else "not bold"
        gap = "  " if len(cells) + 1 < columns else ""
        console.print(Line(f"{name.ljust(widths[0])}{gap}{text}".rstrip(), style=style))


def _find_rounds(roofline: Roofline, level: str, access: str) -> tuple[float, ...]:
    found = (
        item.rounds for item in roofline.bandwidths if (item.level, item.access) == (level, access)
    )
    return next(found, ())


def _find_reason(roofline: Roofline, name: str) -> str:
    return roofline.absent.get(name, "it was not measured")


def _scale(rate: float | None) -> float | None:
    return rate / 1e9 if rate is not None else None
