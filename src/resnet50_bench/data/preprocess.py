"""From an image file's bytes to the model's input, exactly as a profile's reference does it.

Every function may be called from several threads at once, and spends its time in calls that
release the interpreter's lock.
"""

from __future__ import annotations

import math
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

from resnet50_bench.data.decode import MAX_PIXELS, Rgb, decode_rgb
from resnet50_bench.data.profiles import Resize
from resnet50_bench.data.sources import UnreadableImage

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from concurrent.futures import Future

    from resnet50_bench.data.profiles import Channels, Profile
    from resnet50_bench.data.sources import ImageRef, ImageSource

Image: TypeAlias = npt.NDArray[np.float32]
"""float32 HWC `(224, 224, 3)`, channels and values as the profile says."""

Crop: TypeAlias = npt.NDArray[np.uint8] | npt.NDArray[np.float32]
"""HWC `(224, 224, 3)`, RGB, 0 to 255, not yet normalised: uint8 where `is_uint8_exact`."""

Loaded = TypeVar("Loaded")

_LOOKAHEAD = 4
"""Images in flight per thread: keeps threads busy without holding a whole set twice."""

_OPENCV_INTERPOLATION = {Resize.AREA: cv2.INTER_AREA, Resize.BILINEAR: cv2.INTER_LINEAR}

_PILLOW_FILTERS = {
    Resize.ANTIALIASED_BILINEAR: PillowImage.Resampling.BILINEAR,
    Resize.ANTIALIASED_BICUBIC: PillowImage.Resampling.BICUBIC,
}

_SPARE_PIXELS = 2
"""Pixels resized beyond the crop, so that its last row and column do not lie at a border."""


class _Window(NamedTuple):
    """Where the crop lies in the resized image, in pixels."""

    height: int
    width: int
    top: int
    left: int
    side: int


def preprocess(data: bytes, profile: Profile, name: str = "image") -> Image:
    """Decode, resize, crop and normalise an image file's bytes.

    Returns:
        float32 `(crop_side, crop_side, 3)`, contiguous, channels and values as the profile says.

    Raises:
        UnreadableImage: see `decode_rgb`; or the image is too narrow to be resized.

    """
    out = np.empty((profile.crop_side, profile.crop_side, 3), np.float32)
    preprocess_into(data, profile, out, name)
    return out


def preprocess_into(data: bytes, profile: Profile, out: Image, name: str = "image") -> None:
    """Decode, resize, crop and normalise an image file's bytes into a slot of a batch.

    Args:
        data: the whole file.
        profile: what to do.
        out: float32 `(crop_side, crop_side, 3)`, contiguous; unchanged when an error is raised.
        name: the image's name for the error.

    Raises:
        UnreadableImage: see `decode_rgb`; or the image is too narrow to be resized.
        ValueError: `out` is not such an array.

    """
    normalise_into(make_crop(data, profile, name), profile, out)


def preprocess_rgb(rgb: Rgb, profile: Profile) -> Image:
    """Resize, crop and normalise a decoded image, uint8 HWC RGB of any size."""
    out = np.empty((profile.crop_side, profile.crop_side, 3), np.float32)
    normalise_into(_crop_rgb(rgb, profile, "image"), profile, out)
    return out


def make_crop(data: bytes, profile: Profile, name: str = "image") -> Crop:
    """Decode, resize and crop an image file's bytes.

    Returns:
        `(crop_side, crop_side, 3)`, RGB, 0 to 255; it may be a view of a larger array.

    Raises:
        UnreadableImage: see `decode_rgb`; or the image is too narrow to be resized.

    """
    return _crop_rgb(decode_rgb(data, name, profile), profile, name)


def normalise_into(crop: Crop, profile: Profile, out: Image) -> None:
    """Write a crop's values as the model expects them.

    Args:
        crop: from `make_crop` with this profile or its pixel twin.
        profile: divisor, means, stds and the order of channels.
        out: float32 `(crop_side, crop_side, 3)`, contiguous.

    Raises:
        ValueError: `out` is not such an array.

    """
    # OpenCV would silently write to a new array instead.
    if out.shape != crop.shape or out.dtype != np.float32 or not out.flags.c_contiguous:
        raise ValueError(f"out is {out.dtype} {out.shape}, not contiguous float32 {crop.shape}")
    ordered: npt.NDArray[np.integer | np.floating] = crop
    if profile.bgr:
        ordered = np.ascontiguousarray(crop[..., ::-1])
    if ordered.dtype == np.uint8:
        cv2.LUT(ordered, _make_table(profile), dst=out)
        return
    rows = out.reshape(profile.crop_side, -1)
    values = np.divide(ordered.reshape(rows.shape), np.float32(profile.divisor), out=rows)
    np.subtract(values, _make_row(profile, profile.means), out=rows)
    np.divide(rows, _make_row(profile, profile.stds), out=rows)


def preprocess_all(
    source: ImageSource, refs: Sequence[ImageRef], profile: Profile, threads: int
) -> Generator[tuple[ImageRef, Image | UnreadableImage], None, None]:
    """Read and preprocess images with several threads, in the order of `refs`.

    Yields:
        each ref with its image, or with the reason why there is none.

    """
    return load_all(refs, lambda ref: preprocess(source.read(ref), profile, ref.name), threads)


def load_all(
    refs: Sequence[ImageRef], load: Callable[[ImageRef], Loaded], threads: int
) -> Generator[tuple[ImageRef, Loaded | UnreadableImage], None, None]:
    """Load images with several threads, in the order of `refs`.

    A reader that stops early closes the generator: only the few images in flight are then
    finished.

    Args:
        refs: the images.
        load: called once for each, in any thread.
        threads: how many.

    Yields:
        each ref with what `load` returned, or with the `UnreadableImage` it raised.

    """

    def try_load(ref: ImageRef) -> Loaded | UnreadableImage:
        try:
            return load(ref)
        except UnreadableImage as unreadable:
            return unreadable

    pending: deque[tuple[ImageRef, Future[Loaded | UnreadableImage]]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="decode") as pool:
        for ref in refs:
            pending.append((ref, pool.submit(try_load, ref)))
            if len(pending) >= threads * _LOOKAHEAD:
                first, future = pending.popleft()
                yield first, future.result()
        for last, future in pending:
            yield last, future.result()


def _crop_rgb(rgb: Rgb, profile: Profile, name: str) -> Crop:
    window = _plan_window(rgb.shape[0], rgb.shape[1], profile)
    if window.height * window.width > MAX_PIXELS:
        raise UnreadableImage(name, f"is too narrow: {rgb.shape[1]} x {rgb.shape[0]} pixels")
    if profile.resize is Resize.FLOAT_BILINEAR:
        return _resize_as_tensorflow(rgb, window)
    if profile.resize in _PILLOW_FILTERS:
        return _resize_by_pillow(rgb, window, _PILLOW_FILTERS[profile.resize])
    return _resize_by_opencv(rgb, window, _OPENCV_INTERPOLATION[profile.resize])


def _plan_window(height: int, width: int, profile: Profile) -> _Window:
    """Return the resized image's size and the crop's corner, rounded as the references do.

    All three give the shorter side its pixels and cut the longer one to whole pixels.
    """
    side = profile.resize_side
    if not profile.keep_aspect:
        new_height = new_width = side
    elif height > width:
        new_height, new_width = int(side * height / width), side
    else:
        new_height, new_width = side, int(side * width / height)
    top, left = (
        round(margin / 2) if profile.halves == "even" else margin // 2
        for margin in (new_height - profile.crop_side, new_width - profile.crop_side)
    )
    return _Window(new_height, new_width, top, left, profile.crop_side)


def _resize_by_opencv(rgb: Rgb, window: _Window, interpolation: int) -> Rgb:
    """Return the crop of a resized image.

    Nothing is computed far below and to the right of the crop: the scale is given, so the rest is
    the same to the last bit, and a fifth of the time is saved.
    """
    scale_y, scale_x = window.height / rgb.shape[0], window.width / rgb.shape[1]
    bottom, right = window.top + window.side, window.left + window.side
    last_row = math.ceil((bottom + _SPARE_PIXELS) / scale_y) + _SPARE_PIXELS
    last_column = math.ceil((right + _SPARE_PIXELS) / scale_x) + _SPARE_PIXELS
    resized = cv2.resize(
        rgb[:last_row, :last_column], None, fx=scale_x, fy=scale_y, interpolation=interpolation
    )
    return np.asarray(resized[window.top : bottom, window.left : right], dtype=np.uint8)


def _resize_by_pillow(rgb: Rgb, window: _Window, kernel: PillowImage.Resampling) -> Rgb:
    size = rgb.shape[1], rgb.shape[0]
    image = PillowImage.frombuffer("RGB", size, np.ascontiguousarray(rgb), "raw", "RGB", 0, 1)
    resized = image.resize((window.width, window.height), kernel)
    right, bottom = window.left + window.side, window.top + window.side
    return np.asarray(resized.crop((window.left, window.top, right, bottom)))


def _resize_as_tensorflow(rgb: Rgb, window: _Window) -> npt.NDArray[np.float32]:
    """Return what tf.image.resize (bilinear, no antialiasing) and the crop give, bit for bit.

    Its kernel interpolates first along the row and then between rows, in float32:
    tensorflow/core/kernels/image/resize_bilinear_op.cc.
    """
    upper, lower, down = _plan_taps(rgb.shape[0], window.height, window.top, window.side)
    left, right, across = _plan_taps(rgb.shape[1], window.width, window.left, window.side)
    first = int(upper[0])
    used = rgb[first : int(lower[-1]) + 1]
    rows = used.take(right, axis=1).astype(np.float32)
    start = used.take(left, axis=1).astype(np.float32)
    rows -= start
    rows *= across[:, None]
    rows += start
    above = rows.take(upper - first, axis=0)
    crop = rows.take(lower - first, axis=0)
    crop -= above
    crop *= down[:, None, None]
    crop += above
    return crop


def _plan_taps(
    size: int, new_size: int, first: int, count: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.float32]]:
    """Return both neighbours and the second one's weight, for `count` pixels from `first` on.

    HalfPixelScaler of tensorflow/core/kernels/image/image_resizer_state.h, in float32 as there.
    """
    scale = np.float32(size) / np.float32(new_size)
    wanted = np.arange(first, first + count, dtype=np.float32)
    position = (wanted + np.float32(0.5)) * np.float32(scale) - np.float32(0.5)
    below = np.floor(position)
    before = np.maximum(below, 0).astype(np.intp)
    after = np.minimum(np.ceil(position), size - 1).astype(np.intp)
    return before, after, position - below


@lru_cache(maxsize=32)
def _make_table(profile: Profile) -> npt.NDArray[np.float32]:
    """Return the value of each of the 256 levels, `(1, 256, 3)`, channels as in the result."""
    levels = np.arange(256, dtype=np.float32)[:, None] / np.float32(profile.divisor)
    values = (levels - np.array(profile.means, np.float32)) / np.array(profile.stds, np.float32)
    return np.ascontiguousarray(values[None, :, ::-1] if profile.bgr else values[None])


@lru_cache(maxsize=32)
def _make_row(profile: Profile, channels: Channels) -> npt.NDArray[np.float32]:
    """Return one number a channel for each value of a row: a long inner loop is quick."""
    ordered = channels[::-1] if profile.bgr else channels
    return np.tile(np.array(ordered, np.float32), profile.crop_side)
