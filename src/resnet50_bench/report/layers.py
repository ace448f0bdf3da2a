"""The convolutions of a run, one by one: as text, JSON, CSV and Markdown."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from resnet50_bench.printable import join_lines
from resnet50_bench.report.columns import join_columns
from resnet50_bench.report.tables import join_markdown, render_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from resnet50_bench.results.kernel_logs import Profile
    from resnet50_bench.results.layer_limits import LayerResult, LayerResults

_HEADING = (
    "layer", "kernel", "reads", "writes", "ms", "time", "GOP/s", "of peak", "MB", "op/B",
    "bound by", "ideal ms", "lost ms",
)  # fmt: skip
_LEFT = frozenset({"layer", "kernel", "reads", "writes", "bound by"})
_RIGHT_PLACES = [place for place, name in enumerate(_HEADING) if name not in _LEFT]
_NAMED = 5
_MEGA = 1e6
_GIGA = 1e9


def render_layers(results: LayerResults, profile: Profile) -> str:
    """Return the layers for a terminal, in the model's order, and what they come to."""
    if not results.layers:
        return join_lines([_explain_none(profile)])
    table = [_HEADING, *(_make_cells(item, results, profile) for item in results.layers)]
    lines = join_columns(table, _RIGHT_PLACES)
    return join_lines([*lines, *describe_layers(results, profile)])


def render_markdown(results: LayerResults, profile: Profile) -> str:
    """Return the same as a table of Markdown and a list."""
    if not results.layers:
        return join_lines([_explain_none(profile)])
    table = [_HEADING, *(_make_cells(item, results, profile) for item in results.layers)]
    notes = [f"- {line}" for line in describe_layers(results, profile)]
    return join_lines([*join_markdown(table, _RIGHT_PLACES), "", *notes])


def render_csv(results: LayerResults, profile: Profile) -> str:
    """Return a row for each layer, nothing rounded; what is not known is empty."""
    rows = (_summarize_layer(item, profile).values() for item in results.layers)
    return render_rows([_COLUMNS, *rows])


def summarize_layers(results: LayerResults, profile: Profile) -> dict[str, Any]:
    """Return the same as plain JSON types; times in milliseconds of one query."""
    return {
        "layers": [_summarize_layer(item, profile) for item in results.layers],
        "queries": profile.layers.queries,
        "cores_per_kernel": results.cores,
        "query_ms": results.query_ms if results.layers else None,
        "ideal_ms": results.ideal_ms,
        "problem": profile.layers.problem,
        "no_bounds": results.unbounded,
    }


def describe_layers(results: LayerResults, profile: Profile) -> Iterator[str]:
    """Yield what the layers come to, and how far they can be believed."""
    layers = results.layers
    yield (
        f"{len(layers)} convolutions took {results.query_ms:.1f} ms of a query, on "
        f"{results.cores:g} core{'s' * (results.cores != 1)}"
    )
    if results.ideal_ms is not None:
        share = results.ideal_ms / results.query_ms if results.query_ms else 0.0
        yield (
            f"an ideal machine of this roofline would take {results.ideal_ms:.1f} ms for them: "
            f"{share:.1%} of that"
        )
        yield _describe_bounds(layers)
        yield from _describe_losses(layers)
    else:
        yield f"no bounds: {results.unbounded}"
    if profile.layers.problem is not None:
        yield f"warning: {profile.layers.problem}"
    if profile.layers.shared:
        yield "*: a layer's part of what several of the same shape took, which cannot be told apart"


def _describe_bounds(layers: Sequence[LayerResult]) -> str:
    bounds = [item.bound for item in layers if item.bound is not None]
    compute = sum(bound.is_compute for bound in bounds)
    levels = Counter(bound.level for bound in bounds if not bound.is_compute)
    memory = ", ".join(f"{count} by {level}" for level, count in levels.items())
    text = f"compute-bound are {compute} of them, memory-bound {len(bounds) - compute}"
    return f"{text} ({memory})" if memory else text


def _describe_losses(layers: Sequence[LayerResult]) -> Iterator[str]:
    losses = [(item.lost_ms, item) for item in layers if item.lost_ms and item.lost_ms > 0]
    losses.sort(key=lambda loss: -loss[0])
    if losses:
        total = sum(lost for lost, _ in losses)
        named = ", ".join(
            f"{item.time.layer.name} {lost:.2f} ms ({lost / total:.0%})"
            for lost, item in losses[:_NAMED]
        )
        yield f"the largest of {total:.1f} ms lost: {named}"


def _explain_none(profile: Profile) -> str:
    return f"the convolutions cannot be told apart: {profile.layers.problem or 'nobody looked'}"


def _make_cells(item: LayerResult, results: LayerResults, profile: Profile) -> tuple[str, ...]:
    layer, bound, rate = item.time.layer, item.bound, item.operations_per_s
    mark = "*" if layer.name in profile.layers.shared else ""
    share = item.query_ms / results.query_ms if results.query_ms else 0.0
    lost = item.lost_ms
    return (
        f"{layer.name}{mark}",
        f"{layer.kernel}x{layer.kernel}/{layer.stride}",
        _show_shape(layer.input_shape),
        _show_shape(layer.output_shape),
        f"{item.query_ms:.2f}",
        f"{share:.1%}",
        f"{rate / _GIGA:.0f}" if rate is not None else "",
        f"{bound.peak_share:.0%}" if bound is not None else "",
        f"{item.moved_bytes / _MEGA:.2f}",
        f"{item.intensity:.0f}",
        ("compute" if bound.is_compute else bound.level) if bound is not None else "",
        f"{bound.ideal_ms:.2f}" if bound is not None else "",
        f"{lost:.2f}" if lost is not None else "",
    )


def _show_shape(shape: tuple[int, int, int]) -> str:
    return "x".join(map(str, shape))


_COLUMNS = (
    "layer", "kernel", "stride", "input_height", "input_width", "input_channels", "output_height",
    "output_width", "output_channels", "dtype", "isa", "calls", "images_per_query", "query_ms",
    "operations", "operations_per_s", "peak_share", "moved_bytes", "operations_per_byte",
    "bound_by", "ideal_ms", "lost_ms", "told_apart",
)  # fmt: skip


def _summarize_layer(item: LayerResult, profile: Profile) -> dict[str, Any]:
    time, layer, bound = item.time, item.time.layer, item.bound
    dtype, isa = time.kind
    values = (
        layer.name,
        layer.kernel,
        layer.stride,
        *layer.input_shape,
        *layer.output_shape,
        dtype,
        isa,
        time.calls,
        time.images / time.passes,
        item.query_ms,
        item.operations,
        item.operations_per_s,
        bound.peak_share if bound is not None else None,
        item.moved_bytes,
        item.intensity,
        ("compute" if bound.is_compute else bound.level) if bound is not None else None,
        bound.ideal_ms if bound is not None else None,
        item.lost_ms,
        layer.name not in profile.layers.shared,
    )
    return dict(zip(_COLUMNS, values, strict=True))
