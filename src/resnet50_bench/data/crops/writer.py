"""Fills the cache of crops, and goes on where an earlier attempt ended, however it ended.

    <path>.partial/crops.u8        the crops so far, appended in the source's order
    <path>.partial/progress.json   how many of them are whole and on the disk

Whatever lies beyond the count in progress.json is cut off and made again. The folder gets its name
when everything is in it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeAlias

import cv2
import msgspec
import numpy as np
import numpy.typing as npt
import PIL
import simplejpeg

from resnet50_bench.data.crops.store import (
    CROP_BYTES,
    FORMAT_VERSION,
    MANIFEST_FILE,
    PIXELS_FILE,
    Crops,
    CropsManifest,
    UnreadableCrop,
    find_crops,
    hash_names,
    plan_crops_path,
    read_manifest,
)
from resnet50_bench.data.preprocess import load_all, make_crop
from resnet50_bench.data.profiles import PREPROCESSING_VERSION
from resnet50_bench.data.sources import UnreadableImage
from resnet50_bench.errors import DatasetError, RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from resnet50_bench.data.profiles import Profile
    from resnet50_bench.data.sources import ImageRef, ImageSource

    Show: TypeAlias = Callable[[int, int, float], None]

PROGRESS_FILE = "progress.json"

SAVE_SECONDS = 5.0
"""Work lost at the most when the process is killed."""

_SPARE_BYTES = 256 * 1024**2
"""Left free on the disk."""

_NO_CROP = bytes(CROP_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class CropsRequest:
    """What is to be cached.

    Attributes:
        source: the images, all of them.
        profile: how they are preprocessed.
        folder: where crops are kept.
        threads: how many decode.

    """

    source: ImageSource
    profile: Profile
    folder: Path
    threads: int


class _Progress(msgspec.Struct, kw_only=True):
    done: int = 0
    unreadable: list[UnreadableCrop] = []


def write_crops(request: CropsRequest, show: Show) -> Crops:
    """Preprocess every image of a source into a file; what is there already is kept.

    Args:
        request: what, how and where.
        show: called after each image with the count of those done, of all, and the images per
            second of this attempt.

    Raises:
        RequestError: the profile's crops are not whole numbers.
        DatasetError: the disk is too small or cannot be written, another process fills the same
            crops, the source changes meanwhile, or no image can be used.

    """
    if not request.profile.is_uint8_exact:
        raise RequestError(
            f"--preprocessing {request.profile.name}: its resize gives fractions, which the "
            "cache's bytes cannot hold without loss",
            "cache mlperf or torchvision; this one is preprocessed anew in each run",
        )
    found = find_crops(request.folder, request.source, request.profile.name)
    if found is not None:
        return found
    fingerprint = request.source.fingerprint()
    path = plan_crops_path(request.folder, fingerprint, request.profile)
    try:
        with _lock_partial(path) as pixels:
            if path.exists():  # another process was first
                shutil.rmtree(_partial(path))
            else:
                progress = _fill(request, pixels, show)
                _publish(request, progress, fingerprint, path)
    except OSError as error:
        raise DatasetError(
            f"cannot write crops to {request.folder}: {error.strerror}",
            "name a folder that can be written with --output",
        ) from error
    return Crops(path, read_manifest(path))


def count_done(request: CropsRequest) -> int:
    """Return how many images an earlier attempt has left to go on from."""
    path = plan_crops_path(request.folder, request.source.fingerprint(), request.profile)
    return _read_progress(_partial(path)).done


def _partial(path: Path) -> Path:
    return path.with_name(path.name + ".partial")


@contextmanager
def _lock_partial(path: Path) -> Iterator[IO[bytes]]:
    """Yield the file of crops so far; the kernel ends the lock with its holder."""
    partial = _partial(path)
    partial.mkdir(parents=True, exist_ok=True)
    with (partial / PIXELS_FILE).open("ab") as pixels:
        try:
            fcntl.flock(pixels, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DatasetError(
                f"another process is filling {partial}", "wait for it, then run this again"
            ) from error
        yield pixels


def _fill(request: CropsRequest, pixels: IO[bytes], show: Show) -> _Progress:
    """Append the crops that are missing."""
    partial = Path(pixels.name).parent
    progress = _read_progress(partial)
    pixels.truncate(progress.done * CROP_BYTES)
    refs = request.source.refs
    _check_space(partial, (len(refs) - progress.done) * CROP_BYTES)
    began, began_at = time.monotonic(), progress.done
    saved = began
    try:
        with closing(load_all(refs[began_at:], _make_loader(request), request.threads)) as loaded:
            for ref, crop in loaded:
                _append(pixels, progress, ref, crop)
                now = time.monotonic()
                show(progress.done, len(refs), (progress.done - began_at) / (now - began))
                if now - saved >= SAVE_SECONDS:
                    _save(pixels, progress)
                    saved = now
    finally:
        _save(pixels, progress)
    if len(progress.unreadable) == len(refs):
        first = progress.unreadable[0]
        shutil.rmtree(partial)
        raise DatasetError(
            f"none of {len(refs)} images of the {request.source.describe()} can be used; the "
            f"first: {first.name}: {first.reason}",
            "give a folder or an uncompressed .tar whose JPEG or PNG images are whole",
        )
    return progress


def _make_loader(request: CropsRequest) -> Callable[[ImageRef], npt.NDArray[np.uint8]]:
    def load(ref: ImageRef) -> npt.NDArray[np.uint8]:
        crop = make_crop(request.source.read(ref), request.profile, ref.name)
        return np.ascontiguousarray(crop, dtype=np.uint8)

    return load


def _append(
    pixels: IO[bytes],
    progress: _Progress,
    ref: ImageRef,
    crop: npt.NDArray[np.uint8] | UnreadableImage,
) -> None:
    if isinstance(crop, UnreadableImage):
        entry = UnreadableCrop(index=progress.done, name=ref.name, reason=crop.reason)
        progress.unreadable.append(entry)
        pixels.write(_NO_CROP)
    else:
        pixels.write(crop.data)
    progress.done += 1


def _save(pixels: IO[bytes], progress: _Progress) -> None:
    """Note the count, once the crops it counts cannot be lost."""
    pixels.flush()
    os.fdatasync(pixels.fileno())
    _write(Path(pixels.name).with_name(PROGRESS_FILE), msgspec.json.encode(progress))


def _read_progress(partial: Path) -> _Progress:
    """Return what an earlier attempt noted; nothing is done where that cannot be read."""
    try:
        found = msgspec.json.decode((partial / PROGRESS_FILE).read_bytes(), type=_Progress)
        whole = (partial / PIXELS_FILE).stat().st_size // CROP_BYTES
    except (OSError, msgspec.DecodeError):
        return _Progress()
    if found.done > whole:
        return _Progress()
    # An attempt may have been interrupted between an entry and its count.
    unreadable = [item for item in found.unreadable if item.index < found.done]
    return _Progress(done=found.done, unreadable=unreadable)


def _check_space(folder: Path, needed_bytes: int) -> None:
    free_bytes = shutil.disk_usage(folder).free
    if needed_bytes + _SPARE_BYTES > free_bytes:
        raise DatasetError(
            f"the crops need {needed_bytes / 1e9:.1f} GB more and {folder.parent} has "
            f"{free_bytes / 1e9:.1f} GB free",
            "name a folder on a larger disk with --output",
        )


def _publish(request: CropsRequest, progress: _Progress, fingerprint: str, path: Path) -> None:
    """Add the manifest and give the folder its name."""
    partial = _partial(path)
    if request.source.fingerprint() != fingerprint:
        shutil.rmtree(partial)
        raise DatasetError(
            f"the {request.source.describe()} has changed while it was read", "run this again"
        )
    manifest = CropsManifest(
        format_version=FORMAT_VERSION,
        preprocessing=request.profile.name,
        preprocessing_version=PREPROCESSING_VERSION,
        source=request.source.describe(),
        fingerprint=fingerprint,
        names_sha256=hash_names(request.source),
        images=len(request.source.refs),
        unreadable=tuple(progress.unreadable),
        libraries={
            "simplejpeg": simplejpeg.__version__,
            "opencv": cv2.__version__,
            "pillow": PIL.__version__,
        },
    )
    _write(partial / MANIFEST_FILE, msgspec.json.format(msgspec.json.encode(manifest), indent=1))
    (partial / PROGRESS_FILE).unlink()
    partial.rename(path)
    _sync(path.parent)


def _write(path: Path, data: bytes) -> None:
    """Write a small file so that it is either the old one or the new one, whatever happens."""
    new = path.with_name(path.name + ".new")
    with new.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    """Put a folder's entries on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
