"""From encoded bytes to the model's input, as the MLPerf reference does it.

Importing this module makes OpenCV sequential in this process: images are decoded by the threads
that call, which are pinned, and by no others.
"""

from __future__ import annotations

import re
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from resnet50_bench.data.sources import UnreadableImage

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from concurrent.futures import Future

    from resnet50_bench.data.profiles import Profile
    from resnet50_bench.data.sources import ImageRef, ImageSource

Rgb: TypeAlias = npt.NDArray[np.uint8]
"""uint8 HWC, RGB, any size."""

Image: TypeAlias = npt.NDArray[np.float32]
"""float32 HWC `(224, 224, 3)`, RGB, channel means subtracted."""

_LOOKAHEAD = 4
"""Images in flight per thread: keeps threads busy without holding a whole set twice."""

_JPEG_START = b"\xff\xd8"
_JPEG_END = 0xD9
_JPEG_SCAN = 0xDA
# In a scan's data 0xFF is followed by 0 (a data byte), a restart mark D0..D7 or another 0xFF
# (filling); anything else is the next marker. ITU-T T.81, B.1.1.
_MARKER_AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")

_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"


def _configure_opencv() -> None:
    cv2.setNumThreads(1)
    # 4.x has the one, 5.x the other; level 0 is silent, as unreadable images are reported.
    set_log_level = getattr(cv2, "setLogLevel", None) or cv2.utils.logging.setLogLevel
    set_log_level(0)


_configure_opencv()


def decode_rgb(data: bytes, name: str = "image") -> Rgb:
    """Decode an image file's bytes to uint8 HWC RGB.

    The same pixels as the reference's `cv2.imread`: the format is recognised by content, not by
    name; gray images get three equal channels; CMYK is converted by OpenCV; transparency is
    dropped; the EXIF orientation is applied.

    Args:
        data: the whole file.
        name: the image's name for the error.

    Raises:
        UnreadableImage: the data is empty, cut short or not an image. Damage inside the data of a
            JPEG whose end is there is not detected: decoders conceal it.

    """
    if not data:
        raise UnreadableImage(name, "is empty")
    if _is_cut_short(data):
        raise UnreadableImage(name, "is cut short: its end marker is missing")
    try:
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise UnreadableImage(name, f"cannot be decoded: {error.err}") from error
    if bgr is None:
        raise UnreadableImage(name, "is not an image OpenCV can decode")
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def preprocess_rgb(rgb: Rgb, profile: Profile) -> Image:
    """Resize, crop and normalise a decoded image.

    Args:
        rgb: uint8 HWC RGB, any size.
        profile: the sizes and means.

    Returns:
        float32 `(crop_side, crop_side, 3)`, contiguous.

    """
    resized = cv2.resize(rgb, _plan_size(rgb, profile.resize_side), interpolation=cv2.INTER_AREA)
    side = profile.crop_side
    height, width = resized.shape[:2]
    top, left = (height - side) // 2, (width - side) // 2
    image = resized[top : top + side, left : left + side].astype(np.float32, order="C")
    image -= np.array(profile.means, dtype=np.float32)
    return image


def preprocess(data: bytes, profile: Profile, name: str = "image") -> Image:
    """Decode, resize, crop and normalise an image file's bytes.

    Returns:
        float32 `(crop_side, crop_side, 3)`, contiguous, RGB, means subtracted.

    Raises:
        UnreadableImage: see `decode_rgb`.

    """
    return preprocess_rgb(decode_rgb(data, name), profile)


def preprocess_all(
    source: ImageSource, refs: Sequence[ImageRef], profile: Profile, threads: int
) -> Generator[tuple[ImageRef, Image | UnreadableImage], None, None]:
    """Read and preprocess images with several threads, in the order of `refs`.

    OpenCV releases the interpreter's lock while it decodes and resizes. A reader that stops early
    closes the generator: only the few images in flight are then finished.

    Yields:
        each ref with its image, or with the reason why there is none.

    """

    def load(ref: ImageRef) -> Image | UnreadableImage:
        try:
            return preprocess(source.read(ref), profile, ref.name)
        except UnreadableImage as unreadable:
            return unreadable

    pending: deque[tuple[ImageRef, Future[Image | UnreadableImage]]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="decode") as pool:
        for ref in refs:
            pending.append((ref, pool.submit(load, ref)))
            if len(pending) >= threads * _LOOKAHEAD:
                first, future = pending.popleft()
                yield first, future.result()
        for last, future in pending:
            yield last, future.result()


def _plan_size(rgb: Rgb, short_side: int) -> tuple[int, int]:
    """Return (width, height) with the shorter side at `short_side`, rounded as the reference."""
    height, width = rgb.shape[:2]
    if height > width:
        return short_side, int(short_side * height / width)
    return int(short_side * width / height), short_side


def _is_cut_short(data: bytes) -> bool:
    """Tell whether a JPEG or PNG lacks its end; bytes after the end are fine.

    Some versions of OpenCV decode such files, filling the rest with gray.
    """
    if data.startswith(_JPEG_START):
        return not _has_jpeg_end(data)
    if data.startswith(_PNG_START):
        return _PNG_END not in data
    return False


def _has_jpeg_end(data: bytes) -> bool:
    """Walk a JPEG's segments to its end marker.

    A search for the marker's two bytes would also find the end of an EXIF thumbnail.
    """
    position = len(_JPEG_START)
    while position + 1 < len(data):
        marker = data[position + 1]
        if data[position] != 0xFF or marker == 0xFF:  # stray or filling bytes, which decoders skip
            position += 1
        elif marker == _JPEG_END:
            return True
        else:
            position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
            if marker == _JPEG_SCAN:
                found = _MARKER_AFTER_SCAN.search(data, position)
                if found is None:
                    return False
                position = found.start()
    return False
