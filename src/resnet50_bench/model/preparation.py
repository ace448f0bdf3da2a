"""Prepares a model once and finds it again; the work itself is done by a child process."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from resnet50_bench.errors import ModelError
from resnet50_bench.model.cache import (
    IDENTITY_FILE,
    MANIFEST_FILE,
    MODEL_FILE,
    fill_folder,
    lock_path,
    plan_prepared_folder,
    plan_source_folder,
)
from resnet50_bench.model.calibration import (
    CalibrationRequest,
    CalibrationSet,
    select_calibration,
)
from resnet50_bench.model.child import read_tensorflow_version, run_toolchain
from resnet50_bench.model.formats.kinds import Form
from resnet50_bench.model.formats.libraries import require_library
from resnet50_bench.model.formats.model_file import ModelFile, check_model_file
from resnet50_bench.model.formats.onnx_bytes import require_weight_files
from resnet50_bench.model.formats.torch_file import open_weights
from resnet50_bench.model.manifest import (
    GENERATED,
    GENERATOR_VERSION,
    PREPARATION_VERSION,
    USER_FILE,
    FileIdentity,
    Manifest,
    ModelSource,
    PreparedModel,
    Reading,
    read_identity,
    read_manifest,
    write_json,
)
from resnet50_bench.model.protocol import ToolchainAnswer, ToolchainRequest
from resnet50_bench.model.recipes import find_quantized_recipe, find_recipe

if TYPE_CHECKING:
    from collections.abc import Callable

    from resnet50_bench.config import Precision
    from resnet50_bench.model.graph.structure import Structure


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a graph file is.

    Attributes:
        path: the file.
        identity: its name, SHA-256 and size.
        structure: what the graph says about itself.
        reading: how the file was understood.
        problems: what keeps it from being ResNet-50 v1.5; empty when nothing does.
    """

    path: Path
    identity: FileIdentity
    structure: Structure
    problems: tuple[str, ...]
    reading: Reading | None = None


def find_prepared(
    source: ModelSource,
    precision: Precision,
    cache_dir: Path,
    calibration: CalibrationRequest | None = None,
) -> PreparedModel | None:
    """Return the prepared model if it was prepared before and its file is what it was then.

    Args:
        source: the graph.
        precision: what it was prepared for.
        cache_dir: where models are kept.
        calibration: as given to `prepare`; precisions that need none ignore it.

    Returns:
        None when nothing is prepared, or when the file or its manifest is damaged.

    Raises:
        ModelError: the precision has no recipe, the source file cannot be read, TensorFlow is not
            installed, or the dataset to calibrate with is unusable.
    """
    chosen = _select_calibration(source, precision, calibration)
    identity = _find_source(source, cache_dir)
    if identity is None:
        return None
    version = read_tensorflow_version()
    folder = plan_prepared_folder(
        source.key(identity.sha256),
        source.form(precision),
        version,
        cache_dir,
        chosen.identity if chosen else None,
    )
    return _read_prepared(folder)


def prepare(
    source: ModelSource,
    precision: Precision,
    cache_dir: Path,
    on_progress: Callable[[str], None],
    calibration: CalibrationRequest | None = None,
) -> PreparedModel:
    """Return the model prepared for a precision, preparing it if that was not done before.

    A prepared file that differs from its manifest is prepared again, and `on_progress` is told.

    Args:
        source: the graph.
        precision: what to prepare it for.
        cache_dir: where models are kept.
        on_progress: called with one sentence for people at a time.
        calibration: the images for int8, generated ones when None; other precisions ignore it.

    Raises:
        ModelError: the source is not ResNet-50 v1.5, the precision has no recipe, TensorFlow is
            not installed, the dataset to calibrate with is unusable, or the prepared graph's
            answers differ too much from the source's.
    """
    chosen = _select_calibration(source, precision, calibration)
    version = read_tensorflow_version()
    identity = _find_source(source, cache_dir)
    if identity is None:
        identity = _generate(source, cache_dir, on_progress)
    folder = plan_prepared_folder(
        source.key(identity.sha256),
        source.form(precision),
        version,
        cache_dir,
        chosen.identity if chosen else None,
    )
    with lock_path(folder):
        found = _read_prepared(folder)
        if found is not None:
            return found
        if folder.exists():
            on_progress(f"the prepared model in {folder} is damaged: preparing it again")
        graph_path = _source_path(source, cache_dir)
        request = ToolchainRequest(
            source=replace(source, path=str(graph_path), seed=None),
            precision=precision,
            calibration=chosen,
        )
        with fill_folder(folder) as partial:
            answer = _run_preparation(request, partial / MODEL_FILE, on_progress)
            _require_same_source(graph_path, identity)
            prepared = read_identity(partial / MODEL_FILE)
            manifest = _plan_manifest(source, (identity, prepared), request, answer)
            write_json(partial / MANIFEST_FILE, manifest)
    return PreparedModel(folder / MODEL_FILE, manifest)


def verify(path: Path) -> Inspection:
    """Say what a model is and what keeps it from being ResNet-50 v1.5; see `verify_source`."""
    return verify_source(ModelSource.file(path))


def verify_source(
    source: ModelSource, on_progress: Callable[[str], None] = lambda _: None
) -> Inspection:
    """Say what a model is, how it was understood, and what keeps it from being ResNet-50 v1.5.

    Args:
        source: the file or folder.
        on_progress: called with one sentence for people at a time.

    Raises:
        ModelError: it cannot be read or is no model of a form that is read, or TensorFlow is not
            installed.
    """
    path = Path(source.path or "")
    inspect_model(source)
    identity = read_identity(path)
    read_tensorflow_version()
    answer = run_toolchain(ToolchainRequest(source=source), on_progress)
    if answer.structure is None:
        raise ModelError(f"the model toolchain read nothing from {path}")
    return Inspection(path, identity, answer.structure, answer.problems, answer.reading)


def list_prepared(cache_dir: Path) -> list[PreparedModel]:
    """Return every intact prepared model in the cache, in the order of their folders' names."""
    folders = sorted((cache_dir / "prepared").glob("*/"))
    found = (_read_prepared(folder) for folder in folders if not folder.name.endswith(".partial"))
    return [prepared for prepared in found if prepared is not None]


def inspect_model(source: ModelSource) -> ModelFile:
    """Look into a user's file or folder, as far as no framework is needed.

    Raises:
        ModelError: it cannot be read, is no model of a form that is read, is damaged, or is given
            names of nodes that it does not have.
    """
    path = Path(source.path or "")
    found = check_model_file(path, source.input_name, source.output_name)
    if found.form is Form.ONNX:
        require_library(path, "onnx")
        require_weight_files(path)
    if not found.form.is_weights:
        return found
    named = [name for name in (source.input_name, source.output_name) if name is not None]
    if named:
        raise ModelError(
            f"--model {path}: {found.form.value} hold no graph, so no node {named[0]}",
            "leave out --input-name and --output-name",
        )
    open_weights(path, found.form, source.base_width)
    return found


def is_quantized(source: ModelSource) -> bool:
    """Say whether a file's graph computes in 8 bits already; raises as `inspect_model` does."""
    return source.path is not None and inspect_model(source).is_quantized


def require_precision(source: ModelSource, precision: Precision) -> None:
    """Refuse a precision that a model cannot be prepared for.

    Raises:
        ModelError: its graph computes in 8 bits already, and something else is asked for.
    """
    if is_quantized(source):
        find_quantized_recipe(precision)


def _select_calibration(
    source: ModelSource, precision: Precision, request: CalibrationRequest | None
) -> CalibrationSet | None:
    if find_recipe(precision).quantize is None or is_quantized(source):
        return None
    return select_calibration(request or CalibrationRequest())


def _run_preparation(
    request: ToolchainRequest, output: Path, on_progress: Callable[[str], None]
) -> ToolchainAnswer:
    answer = run_toolchain(replace(request, output=str(output)), on_progress)
    if answer.prepared is None:
        raise ModelError(f"the model toolchain prepared nothing from {request.source.path}")
    return answer


def _source_path(source: ModelSource, cache_dir: Path) -> Path:
    if source.path is not None:
        return Path(source.path)
    return plan_source_folder(source, cache_dir) / MODEL_FILE


def _find_source(source: ModelSource, cache_dir: Path) -> FileIdentity | None:
    """Return the identity of a user's file, or of a generated graph that is there and intact."""
    if source.path is not None:
        inspect_model(source)
        return read_identity(Path(source.path))
    folder = plan_source_folder(source, cache_dir)
    try:
        recorded = msgspec.json.decode((folder / IDENTITY_FILE).read_bytes(), type=FileIdentity)
        found = read_identity(folder / MODEL_FILE)
    except (OSError, msgspec.DecodeError, ModelError):
        return None
    return recorded if recorded == found else None


def _generate(
    source: ModelSource, cache_dir: Path, on_progress: Callable[[str], None]
) -> FileIdentity:
    folder = plan_source_folder(source, cache_dir)
    with lock_path(folder):
        identity = _find_source(source, cache_dir)
        if identity is not None:
            return identity
        if folder.exists():
            on_progress(f"the generated model in {folder} is damaged: generating it again")
        with fill_folder(folder) as partial:
            path = partial / MODEL_FILE
            run_toolchain(ToolchainRequest(source=source, output=str(path)), on_progress)
            identity = read_identity(path)
            write_json(partial / IDENTITY_FILE, identity)
    return identity


def _read_prepared(folder: Path) -> PreparedModel | None:
    try:
        manifest = read_manifest(folder / MANIFEST_FILE)
        found = read_identity(folder / MODEL_FILE)
    except ModelError:
        return None
    if found != manifest.prepared:
        return None
    return PreparedModel(folder / MODEL_FILE, manifest)


def _require_same_source(path: Path, identity: FileIdentity) -> None:
    if read_identity(path) != identity:
        raise ModelError(
            f"the model {path} changed while it was prepared", "run the same command again"
        )


def _plan_manifest(
    source: ModelSource,
    files: tuple[FileIdentity, FileIdentity],
    request: ToolchainRequest,
    answer: ToolchainAnswer,
) -> Manifest:
    identity, prepared = files
    is_generated = source.path is None
    assert request.precision is not None
    assert answer.prepared is not None
    return Manifest(
        kind=GENERATED if is_generated else USER_FILE,
        seed=source.seed,
        generator_version=GENERATOR_VERSION if is_generated else None,
        source=identity,
        prepared=prepared,
        precision=request.precision,
        preparation_version=PREPARATION_VERSION,
        graph=answer.prepared,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        calibration=request.calibration.identity if request.calibration else None,
        reading=None if is_generated else answer.reading,
    )
