"""Makes what another engine than TensorFlow loads of a prepared graph, once, and finds it again.

An engine that loads the graph itself goes the same way: it, too, has to answer as TensorFlow does.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import msgspec

from resnet50_bench.config import Precision
from resnet50_bench.data.profiles import BACKGROUND_CLASSES
from resnet50_bench.engines import load_engine
from resnet50_bench.engines.offer import find_form, read_versions
from resnet50_bench.errors import ModelError
from resnet50_bench.model.cache import KEY_DIGITS, MANIFEST_FILE, fill_folder, lock_path
from resnet50_bench.model.calibration import (
    CalibrationIdentity,
    CalibrationRequest,
    CalibrationSet,
    select_calibration,
)
from resnet50_bench.model.child import run_converter
from resnet50_bench.model.manifest import (
    CONVERSION_VERSION,
    Conversion,
    PreparedModel,
    read_identity,
    write_json,
)
from resnet50_bench.model.protocol import ConversionRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

REFERENCE = "tensorflow"
"""The engine whose answers the others have to give."""

CONVERTED_FOLDER = "model"
SCORES_FILE = "scores.npy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What an engine is to load.

    Attributes:
        engine: its name.
        precision: what it computes in.
        calibration: the images for a conversion that looks at some; generated ones when None.
        environment: all the variables of an instance; needed to make it, not to find it.
        reference: the graph in float32, whose answers are compared with; None where the prepared
            graph is that.
    """

    engine: str
    precision: Precision
    calibration: CalibrationRequest | None = None
    environment: Mapping[str, str] | None = None
    reference: PreparedModel | None = None


def find_converted(
    prepared: PreparedModel, wanted: Wanted, cache_dir: Path
) -> PreparedModel | None:
    """Return what an engine loads of a prepared graph, if that was made and is what it was then.

    TensorFlow loads the graph as it is: that is always there.

    Args:
        prepared: the graph, for the precision that the engine's form names.
        wanted: by whom, for what.
        cache_dir: where models are kept.

    Raises:
        EngineError: the engine has not the precision.
        ModelError: the images to calibrate with are unusable.
    """
    if wanted.engine == REFERENCE:
        return prepared
    return _read_converted(prepared, _plan_folder(prepared, wanted, cache_dir))


def convert(
    prepared: PreparedModel,
    wanted: Wanted,
    cache_dir: Path,
    on_progress: Callable[[str], None],
) -> PreparedModel:
    """Return what an engine loads of a prepared graph, made now if that was not done before.

    Args:
        prepared: the graph, for the precision that the engine's form names.
        wanted: by whom, for what.
        cache_dir: where models are kept.
        on_progress: called with one sentence for people at a time.

    Raises:
        EngineError: the engine has not the precision.
        ModelError: it cannot be converted, or is answered otherwise than by TensorFlow.
        HostError: the cache cannot be written.
    """
    if wanted.engine == REFERENCE:
        return prepared
    folder = _plan_folder(prepared, wanted, cache_dir)
    with lock_path(folder):
        found = _read_converted(prepared, folder)
        if found is not None:
            return found
        if folder.exists():
            on_progress(f"what {wanted.engine} loads is damaged in {folder}: making it again")
        expected = _find_answers(prepared, wanted, cache_dir, on_progress)
        with fill_folder(folder) as partial:
            conversion = _make(prepared, wanted, partial, expected, on_progress)
            write_json(partial / MANIFEST_FILE, conversion)
    return _attach(prepared, folder, conversion)


def _make(
    prepared: PreparedModel,
    wanted: Wanted,
    partial: Path,
    expected: Path,
    on_progress: Callable[[str], None],
) -> Conversion:
    engine = load_engine(wanted.engine)
    form = find_form(engine, wanted.precision)
    output = partial / CONVERTED_FOLDER if form.converter is not None else None
    images = _choose_images(prepared, wanted)
    request = ConversionRequest(
        engine=wanted.engine,
        precision=wanted.precision,
        graph=str(prepared.path),
        classes=_count_classes(prepared),
        scores=str(partial / SCORES_FILE),
        output=str(output) if output is not None else None,
        expected=str(expected),
        calibration=images,
    )
    answer = run_converter(request, on_progress, wanted.environment)
    if answer.agreement is None:
        raise ModelError(f"{wanted.engine} was asked for its answers and gave none")
    return Conversion(
        engine=wanted.engine,
        precision=wanted.precision,
        steps=answer.steps,
        converted=read_identity(output) if output is not None else prepared.manifest.prepared,
        agreement=answer.agreement,
        tools=read_versions(engine),
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        calibration=images.identity if images is not None and form.calibrates else None,
    )


def _find_answers(
    prepared: PreparedModel, wanted: Wanted, cache_dir: Path, on_progress: Callable[[str], None]
) -> Path:
    """Return the file of TensorFlow's answers to the held-out images, made now if it is not there.

    They are kept: all engines and precisions are compared with the same.
    """
    images = _choose_images(prepared, wanted)
    prepared = wanted.reference or prepared
    manifest = prepared.manifest
    folder = cache_dir / "answers" / _hash(
        manifest.prepared.sha256, manifest.graph.tools, _name_held_out(images)
    )  # fmt: skip
    path = folder / SCORES_FILE
    with lock_path(folder):
        if not path.is_file():
            with fill_folder(folder) as partial:
                request = ConversionRequest(
                    engine=REFERENCE,
                    precision=manifest.precision,
                    graph=str(prepared.path),
                    classes=_count_classes(prepared),
                    scores=str(partial / SCORES_FILE),
                    calibration=images,
                )
                run_converter(request, on_progress)
    return path


def _plan_folder(prepared: PreparedModel, wanted: Wanted, cache_dir: Path) -> Path:
    """Return the folder of what an engine loads: it changes with all that changes it."""
    engine = load_engine(wanted.engine)
    form = find_form(engine, wanted.precision)
    key = _hash(
        prepared.manifest.prepared.sha256,
        f"{CONVERSION_VERSION} {form.version}",
        read_versions(engine),
        _encode(_choose_images(prepared, wanted)),
    )
    return cache_dir / "converted" / f"{wanted.engine}-{wanted.precision.value}-{key}"


def _choose_images(prepared: PreparedModel, wanted: Wanted) -> CalibrationSet | None:
    """Return the images to calibrate with, and to compare on; None for drawn ones of any model.

    They are preprocessed as belongs to the model, where nothing else was asked for.
    """
    form = find_form(load_engine(wanted.engine), wanted.precision)
    chosen = None
    if form.calibrates:
        chosen = select_calibration(wanted.calibration or CalibrationRequest())
    reading = prepared.manifest.reading
    own = reading.preprocessing if reading is not None else None
    if own is None:
        return chosen
    chosen = chosen or CalibrationSet(identity=CalibrationIdentity.generated())
    named = chosen.identity.preprocessing or own.name
    return replace(chosen, identity=replace(chosen.identity, preprocessing=named))


def _read_converted(prepared: PreparedModel, folder: Path) -> PreparedModel | None:
    """Return what lies in a folder; None where nothing does, or something else than was written."""
    try:
        conversion = msgspec.json.decode((folder / MANIFEST_FILE).read_bytes(), type=Conversion)
        output = folder / CONVERTED_FOLDER
        is_graph = conversion.converted == prepared.manifest.prepared
        if not is_graph and read_identity(output) != conversion.converted:
            return None
    except (OSError, msgspec.DecodeError, ModelError):
        return None
    return _attach(prepared, folder, conversion)


def _attach(prepared: PreparedModel, folder: Path, conversion: Conversion) -> PreparedModel:
    is_graph = conversion.converted == prepared.manifest.prepared
    path = prepared.path if is_graph else folder / CONVERTED_FOLDER
    return PreparedModel(path, replace(prepared.manifest, conversion=conversion))


def _count_classes(prepared: PreparedModel) -> int:
    return prepared.manifest.graph.structure.classes or BACKGROUND_CLASSES


def _encode(images: CalibrationSet | None) -> str:
    return msgspec.json.encode(images.identity if images is not None else None).decode()


def _name_held_out(images: CalibrationSet | None) -> str:
    """Name the images to compare on: all sets of generated ones hold the same out."""
    if images is None or images.dataset is None:
        return str(images.identity.preprocessing if images is not None else None)
    return _encode(images)


def _hash(*parts: object) -> str:
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:KEY_DIGITS]
