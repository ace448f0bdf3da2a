"""A prepared model as a person reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resnet50_bench.model.agreement.gate import (
    MAX_TIMES_ROUNDING,
    describe_loss,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resnet50_bench.model import Conversion, PreparedModel, Reading


def describe_reading(reading: Reading) -> Iterator[tuple[str, str]]:
    """Yield how a user's file was understood, as named lines."""
    yield "read as", reading.describe()
    if reading.changes:
        yield "changed", "; ".join(reading.changes)
        yield "checked", reading.check or "not: the runtime of its own is not installed"
    if reading.preprocessing is not None:
        own = reading.preprocessing
        yield "preprocessing", f"{own.name}: {own.reason}"


def describe_manifest(model: PreparedModel) -> Iterator[tuple[str, str]]:
    """Yield what is known about a prepared model, as named lines."""
    manifest = model.manifest
    graph, agreement = manifest.graph, manifest.graph.agreement
    yield "file", str(model.path)
    yield "source", f"{manifest.source.name}, sha256 {manifest.source.sha256}"
    if manifest.reading is not None:
        yield from describe_reading(manifest.reading)
    yield (
        "structure",
        f"{graph.structure.convolutions} convolutions, {graph.structure.parameters:,} parameters",
    )
    yield "steps", "; ".join(graph.steps)
    yield "executes", ", ".join(f"{count} x {name}" for name, count in graph.fused_ops.items())
    if graph.arithmetic is not None:
        left = ", ".join(graph.arithmetic.float32_ops) or "nothing"
        convolutions = ", ".join(
            f"{count} in {dtype}" for dtype, count in graph.arithmetic.convolutions.items()
        )
        yield "convolutions", f"{convolutions}; left in float32: {left}"
    if manifest.calibration is not None:
        calibration = manifest.calibration
        kind = calibration.kind if calibration.names_sha256 is None else "images of a dataset"
        yield "calibrated", f"on {calibration.images} {kind}, seed {calibration.seed}"
    bound = f" (at most {agreement.bound:g})" if agreement.bound is not None else ""
    if agreement.kept is not None and agreement.bound is None:
        yield "keeps", describe_loss(agreement).removeprefix("keeps ")
    if agreement.worst_layer is not None:
        layer = agreement.worst_layer
        yield (
            "worst layer",
            f"{layer.name}: off by {layer.relative_l2:.2g} of its norm, {layer.times_rounding:.2g} "
            f"times what rounding gives (at most {MAX_TIMES_ROUNDING:g})",
        )
    yield (
        "agreement",
        f"logits differ from the source graph's by {agreement.logits_relative_l2:.2g}{bound} in "
        f"relative L2; {agreement.same_class} of {agreement.images} images get the same class",
    )
    yield "tools", ", ".join(f"{name} {version}" for name, version in graph.tools.items())
    for note in graph.notes:
        yield "note", note
    if manifest.conversion is not None:
        yield from describe_conversion(manifest.conversion)


def describe_conversion(conversion: Conversion) -> Iterator[tuple[str, str]]:
    """Yield what another engine than TensorFlow loads in place of a prepared graph."""
    yield "converted", "; ".join(conversion.steps) or "not: the engine loads the graph itself"
    yield "answers", describe_answers(conversion)
    tools = ", ".join(f"{name} {version}" for name, version in conversion.tools.items())
    yield "converted by", tools


def describe_answers(conversion: Conversion) -> str:
    """Say how an engine's answers compare with TensorFlow's."""
    agreement = conversion.agreement
    bound = f" (at most {agreement.bound:g})" if agreement.bound is not None else ""
    return (
        f"the class that TensorFlow gives in float32 for {agreement.same_class} of "
        f"{agreement.images} held-out images; logits differ by "
        f"{agreement.logits_relative_l2:.2g}{bound} in relative L2"
    )
