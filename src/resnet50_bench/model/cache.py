"""Where models are kept, and how two processes share the place.

    <cache>/sources/<name>/      a generated graph and `source.json`, its identity
    <cache>/prepared/<key>/      a prepared graph and `manifest.json`
    <cache>/converted/<key>/     what another engine loads of it, and `manifest.json`
    <cache>/answers/<key>/       TensorFlow's answers that engines are compared with
    <cache>/published/           the published file and its identity

A folder is filled under another name and renamed when it is complete; whoever fills one holds
its lock file.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import platformdirs

from resnet50_bench.errors import HostError
from resnet50_bench.files.atomic import check_folder
from resnet50_bench.model.manifest import GENERATOR_VERSION, PREPARATION_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from resnet50_bench.model.calibration import CalibrationIdentity
    from resnet50_bench.model.manifest import ModelSource

CACHE_VARIABLE = "R50_CACHE_DIR"

SHARED_VARIABLE = "R50_CACHE_READ"

CACHE_ADVICE = f"name a writable folder with room in the environment variable {CACHE_VARIABLE}"

MODEL_BYTES = 128 * 1024**2
"""Room for one prepared graph, which in fp32 has 102 MB."""

MODEL_FILE = "model.pb"
MANIFEST_FILE = "manifest.json"
IDENTITY_FILE = "source.json"

KEY_DIGITS = 32


def default_cache_dir(environ: Mapping[str, str]) -> Path:
    """Return where models are kept: `R50_CACHE_DIR`, or `resnet50-bench` in the user's cache.

    Args:
        environ: the environment variables.
    """
    chosen = environ.get(CACHE_VARIABLE)
    base = Path(chosen) if chosen else platformdirs.user_cache_path("resnet50-bench")
    return base / "models"


def find_shared_caches(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Return caches that are only read: the folders in `R50_CACHE_READ`, with `:` between them.

    What was prepared, downloaded or preprocessed there is used where the own cache has none;
    nothing is written, locked or mended in them.
    """
    folders = environ.get(SHARED_VARIABLE, "").split(os.pathsep)
    return tuple(Path(folder) / "models" for folder in folders if folder)


def plan_source_folder(source: ModelSource, cache_dir: Path) -> Path:
    """Return the folder of a generated graph."""
    name = f"generated-v{GENERATOR_VERSION}-seed{source.seed}-width{source.base_width}"
    return cache_dir / "sources" / name


def plan_prepared_folder(
    source_sha256: str,
    form: str,
    tensorflow_version: str,
    cache_dir: Path,
    calibration: CalibrationIdentity | None = None,
) -> Path:
    """Return the folder of a prepared graph: it changes with all that changes the graph.

    Args:
        source_sha256: of the source graph.
        form: the precision it is prepared for, and how: see `ModelSource.form`.
        tensorflow_version: what prepares it.
        cache_dir: where models are kept.
        calibration: the images int8 is calibrated with.
    """
    parts = [source_sha256, form, str(PREPARATION_VERSION), tensorflow_version]
    if calibration is not None:
        parts.append(msgspec.json.encode(calibration).decode())
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:KEY_DIGITS]
    return cache_dir / "prepared" / f"{form}-{key}"


def refuse_cache(folder: Path, cause: OSError) -> HostError:
    """Say that a folder of the cache cannot be written."""
    return HostError(f"cannot write to the model cache {folder}: {cause.strerror}", CACHE_ADVICE)


def check_cache(cache_dir: Path) -> None:
    """See whether a model could be kept, before one is prepared; write nothing.

    Raises:
        HostError: the cache folder cannot be written.
    """
    try:
        check_folder(cache_dir, MODEL_BYTES)
    except OSError as error:
        raise refuse_cache(cache_dir, error) from error


@contextmanager
def lock_path(path: Path, on_wait: Callable[[Path], None] = lambda _: None) -> Iterator[None]:
    """Hold the lock of a file or folder; a second process waits until the first is done.

    Args:
        path: the file or folder.
        on_wait: called with it when another process holds the lock.

    The kernel releases the lock when its holder ends, however it ends.

    Raises:
        HostError: the cache folder cannot be written.
    """
    lock = path.with_name(path.name + ".lock")
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open("w")
    except OSError as error:
        raise refuse_cache(lock.parent, error) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait(path)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def fill_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder that replaces `folder` at the end, or vanishes on an error.

    The caller holds the folder's lock, so that what an ended process left is nobody's.

    Raises:
        HostError: the cache folder cannot be written.
    """
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        yield partial
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    except OSError as error:
        raise refuse_cache(folder.parent, error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
