"""Which graph a run uses: prepared from what, calibrated with what, and whether it may serve."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from resnet50_bench.config import Mode, Precision
from resnet50_bench.engines import LoadRequest, load_engine
from resnet50_bench.engines.offer import find_form
from resnet50_bench.errors import ModelError
from resnet50_bench.model import (
    CalibrationRequest,
    ModelSource,
    Wanted,
    convert,
    find_converted,
    find_own_profile,
    find_prepared,
    inspect_model,
    is_quantized,
    prepare,
    require_precision,
    wants_split,
)
from resnet50_bench.model.agreement.gate import Loss, describe_loss, judge_loss
from resnet50_bench.model.calibration import MIN_FOUND_IMAGES, list_calibration
from resnet50_bench.model.conversion import REFERENCE
from resnet50_bench.model.manifest import GENERATED as GENERATED_MODEL

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from resnet50_bench.config import RunConfig
    from resnet50_bench.data.sources import ImageSource
    from resnet50_bench.data.sources.index import Opener
    from resnet50_bench.engines import Engine
    from resnet50_bench.model import Manifest, PreparedModel
    from resnet50_bench.placement.slots import Slot

OnNote: TypeAlias = "Callable[[str], None]"

GENERATED = "generated"
"""What stands after `--calibration` for images that are drawn."""


def plan_calibration(
    config: RunConfig, opener: Opener, source: ImageSource | None = None
) -> CalibrationRequest | None:
    """Return what to calibrate int8 with; None for generated images, or where none are needed.

    Real images are better than generated ones: the ranges are those of what the model will see. So
    a run's own are taken when it has any, in every mode, and speed and accuracy are measured on
    the same graph.

    Args:
        config: what was asked.
        opener: lists the images named by --calibration.
        source: of the run's images; None when it has none.

    Raises:
        ModelError: the images named cannot be listed, or are too few.
    """
    if "int8" not in config.precision.value:
        return None
    named = config.preprocessing.value if config.preprocessing is not None else None
    drawn = CalibrationRequest(preprocessing=named) if named is not None else None
    if config.calibration == GENERATED:
        return drawn
    request = CalibrationRequest(seed=config.seed, preprocessing=named)
    if config.calibration is not None:
        path = Path(config.calibration)
        return replace(request, dataset=path, listed=list_calibration(path, opener.open))
    if source is None or len(source.refs) < MIN_FOUND_IMAGES:
        return drawn
    return replace(request, dataset=source.path, listed=source.refs)


def find_model(
    config: RunConfig,
    source: ModelSource | None,
    caches: Sequence[Path],
    calibration: CalibrationRequest | None,
) -> PreparedModel | None:
    """Return what the engine loads, from the first caches that have it; None when none is needed.

    None, too, where the graph is not prepared, or not yet made what the engine loads.

    Raises:
        ModelError: it was, and loses too many of its source's answers; or it cannot be looked for.
    """
    if source is None:
        return None
    graph = find_form(load_engine(config.engine), config.precision).graph
    wanted = Wanted(engine=config.engine, precision=config.precision, calibration=calibration)
    for cache_dir in caches:
        prepared = find_prepared(source, graph, cache_dir, calibration)
        if prepared is None:
            continue
        for converted_dir in caches:
            model = find_converted(prepared, wanted, converted_dir)
            if model is not None:
                require_serving(config, model)
                return model
    return None


def make_model(
    config: RunConfig, source: ModelSource, wanted: Wanted, cache_dir: Path, on_note: OnNote
) -> PreparedModel:
    """Return what the engine loads, prepared and converted now as far as that was never done.

    Args:
        config: what was asked.
        source: the graph.
        wanted: by which engine, for what.
        cache_dir: where models are kept.
        on_note: called with one sentence for people at a time.

    Raises:
        ModelError: the model cannot be made, or loses too much.
    """
    graph = find_form(load_engine(wanted.engine), wanted.precision).graph
    prepared = prepare(source, graph, cache_dir, on_note, wanted.calibration)
    if graph is not Precision.AVX_FP32 and wanted.engine != REFERENCE:
        exact = prepare(source, Precision.AVX_FP32, cache_dir, on_note)
        wanted = replace(wanted, reference=exact)
    model = convert(prepared, wanted, cache_dir, on_note)
    require_serving(config, model)
    return model


def require_serving(config: RunConfig, model: PreparedModel) -> None:
    """Refuse a model that loses too much by rounding, unless that is accepted or to be measured.

    Raises:
        ModelError: it loses too many of its source's answers.
    """
    manifest = model.manifest
    agreement = manifest.agreement
    # Generated weights have no right answers to lose.
    if config.accept_loss or config.mode is Mode.ACCURACY or manifest.kind == GENERATED_MODEL:
        return
    if judge_loss(agreement) is Loss.TOO_MUCH:
        raise ModelError(
            f"the model prepared for {config.precision.value} {describe_loss(agreement)}",
            "calibrate with images like those it was trained on (--calibration PATH), measure its "
            "accuracy (--mode accuracy), or use it all the same (--accept-loss)",
        )


def describe_model(manifest: Manifest) -> str:
    """The model in one line."""
    origin = f"generated, seed {manifest.seed}"
    if manifest.kind != "generated":
        origin = manifest.source.name
    made = manifest.conversion
    target = (
        manifest.precision.value if made is None else f"{made.engine} in {made.precision.value}"
    )
    return f"ResNet-50 v1.5 ({origin}) for {target}, sha256 {manifest.loaded.sha256[:12]}"


def find_model_source(
    config: RunConfig, engine: Engine, slot: Slot, batch_size: int
) -> ModelSource | None:
    """Return the graph to prepare and its form; None for an engine that needs none.

    Raises:
        ModelError: the file or folder is no model of a form that is read, or is damaged.
    """
    if not engine.needs_model:
        return None
    load = LoadRequest(None, config.precision, slot.threads, batch_size, len(slot.streams),
                       options=config.engine_options)  # fmt: skip
    split = wants_split(find_form(engine, config.precision).graph, engine.images_alone(load))
    if config.model is None:
        return replace(ModelSource.generated(), split=split)
    source = open_source_model(replace(config, model=str(Path(config.model).absolute())))
    require_readable(source, engine, config.precision)
    return replace(source, split=split)


def require_readable(source: ModelSource, engine: Engine, precision: Precision) -> None:
    """Refuse a precision that a model cannot be prepared for.

    Raises:
        ModelError: its graph computes in 8 bits already, and something else is asked for; or the
            engine makes its own 8-bit model, of a graph in float32.
        EngineError: the engine has not the precision.
    """
    graph = find_form(engine, precision).graph
    if graph is not precision and is_quantized(source):
        raise ModelError(
            f"the graph computes in 8 bits already, and the {engine.name} engine converts graphs "
            "in float32",
            "give the float32 graph that it was made of, or use --engine tensorflow",
        )
    require_precision(source, graph)


def open_source_model(config: RunConfig) -> ModelSource:
    """Return the model that was named, looked into as far as no framework is needed.

    Raises:
        ModelError: as `find_model_source` says.
    """
    named = replace(
        ModelSource.file(Path(config.model or "")),
        input_name=config.input_name,
        output_name=config.output_name,
    )
    return replace(named, preprocessing=find_own_profile(inspect_model(named)))


def calibrates(source: ModelSource | None) -> bool:
    """Say whether a model can still be calibrated: not one that computes in 8 bits already."""
    return source is not None and not is_quantized(source)
