"""From encoded bytes to pixels, exactly as a profile's reference decodes them.

simplejpeg decodes what nearly every image is, a whole gray or YCbCr JPEG: it is the quickest of
those measured by benchmarks/decode.py, the only one with libjpeg's fast DCT, and the only one that
says when a file ends early. Everything else goes to the reference's own library. Both give the
same pixels, since all of them are libjpeg-turbo.

Importing this module makes OpenCV sequential in this process: images are decoded by the threads
that call, which are pinned, and by no others.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image, TiffImagePlugin, WebPImagePlugin

from resnet50_bench.data.image_bytes import JPEG_FRAMES, JPEG_START, is_cut_short, read_dimensions
from resnet50_bench.data.profiles import MLPERF, Decoding
from resnet50_bench.data.sources import UnreadableImage

if TYPE_CHECKING:
    from resnet50_bench.data.profiles import Profile

Rgb: TypeAlias = npt.NDArray[np.uint8]
"""uint8 HWC, RGB, any size."""

MAX_PIXELS = 2**27
"""Pixels of an image at the most, 400 MB as RGB: ImageNet's largest has 20 million, and a damaged
header that promises 65,535 x 65,535 must not end the process."""

_JPEG_SCAN = 0xDA
_JPEG_APP1 = 0xE1
_PLAIN_COMPONENTS = (1, 3)

# An EXIF entry of tag 0x0112 and type SHORT, in either byte order, whose value is not 1. Found
# where there is none, it costs time only: OpenCV then decides.
_TURNED = re.compile(
    rb"\x12\x01\x03\x00.{4}(?!\x01\x00)|\x01\x12\x00\x03.{4}(?!\x00\x01)", re.DOTALL
)


# Those Pillow knows without loading all its plugins, of which some start other programs.
_PILLOW_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "PPM")
_SIZED_FORMATS = (
    *_PILLOW_FORMATS,
    TiffImagePlugin.TiffImageFile.format,
    WebPImagePlugin.WebPImageFile.format,
)
"""Those whose size is read before anything is decoded; the last two by plugins imported here."""


def _configure_libraries() -> None:
    cv2.setNumThreads(1)
    # 4.x has the one, 5.x the other; level 0 is silent, as unreadable images are reported.
    set_log_level = getattr(cv2, "setLogLevel", None) or cv2.utils.logging.setLogLevel
    set_log_level(0)
    Image.MAX_IMAGE_PIXELS = None  # it warns; MAX_PIXELS is checked instead


_configure_libraries()


class _Header(NamedTuple):
    """What decides how a JPEG is decoded."""

    components: int
    pixels: int
    may_be_turned: bool


def decode_rgb(data: bytes, name: str = "image", profile: Profile = MLPERF) -> Rgb:
    """Decode an image file's bytes to uint8 HWC RGB.

    The same pixels as the profile's reference: the format is recognised by content, not by name;
    gray images get three equal channels; CMYK is converted by the profile's fallback;
    transparency is dropped; the EXIF orientation is applied where the reference does so.

    Args:
        data: the whole file.
        name: the image's name for the error.
        profile: the decoding, the fallback and whether the orientation counts.

    Raises:
        UnreadableImage: the data is empty, cut short, too large or not an image. Other damage
            inside a JPEG whose end is there is not detected: decoders conceal it.

    """
    header = _read_header(data) if data.startswith(JPEG_START) else None
    is_plain = (
        header is not None
        and header.components in _PLAIN_COMPONENTS
        and header.pixels <= MAX_PIXELS
        and not (header.may_be_turned and profile.upright)
    )
    if is_plain:
        try:
            return _decode_plain(data, profile.decoding, strict=True)
        except ValueError:
            pass  # damaged or unusual: the reference's library decides
    _check(data, header, name)
    if is_plain and profile.decoding is Decoding.FAST:  # the fallbacks have no fast DCT
        try:
            return _decode_plain(data, profile.decoding, strict=False)
        except ValueError:
            pass
    return (
        _decode_by_pillow(data, name)
        if profile.fallback == "pillow"
        else _decode_by_opencv(data, name)
    )


def _decode_plain(data: bytes, decoding: Decoding, *, strict: bool) -> Rgb:
    fast = decoding is Decoding.FAST
    return np.asarray(
        simplejpeg.decode_jpeg(data, "RGB", fastdct=fast, fastupsample=fast, strict=strict)
    )


def _decode_by_opencv(data: bytes, name: str) -> Rgb:
    try:
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise UnreadableImage(name, f"cannot be decoded: {error.err}") from error
    if bgr is None:
        raise UnreadableImage(name, "is not an image OpenCV can decode")
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def _decode_by_pillow(data: bytes, name: str) -> Rgb:
    try:
        with Image.open(io.BytesIO(data), formats=_PILLOW_FORMATS) as image:
            return np.asarray(image.convert("RGB"))
    except Exception as error:  # its readers raise whatever their parsers meet
        raise UnreadableImage(name, "is not an image Pillow can decode") from error


def _check(data: bytes, header: _Header | None, name: str) -> None:
    if not data:
        raise UnreadableImage(name, "is empty")
    if is_cut_short(data):
        raise UnreadableImage(name, "is cut short: its end marker is missing")
    pixels = header.pixels if header is not None else _count_pixels(data, name)
    if pixels > MAX_PIXELS:
        raise UnreadableImage(name, f"has {pixels:,} pixels, more than {MAX_PIXELS:,}")


def _count_pixels(data: bytes, name: str) -> int:
    """Return how many pixels the header of an image states, before any is decoded.

    OpenCV's own bound is 2**30, which takes seconds and gigabytes for a file of a few kilobytes.
    """
    found = read_dimensions(data)
    if found is not None:
        return found[0] * found[1]
    try:
        with Image.open(io.BytesIO(data), formats=_SIZED_FORMATS) as image:
            return image.width * image.height
    except Exception as error:  # as above
        raise UnreadableImage(name, "begins like no known image") from error


def _read_header(data: bytes) -> _Header | None:
    """Walk a JPEG's segments to its first scan; None when something else comes between."""
    position = len(JPEG_START)
    components = pixels = 0
    may_be_turned = False
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        end = position + 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        if marker == _JPEG_SCAN:
            return _Header(components, pixels, may_be_turned)
        if marker == _JPEG_APP1:
            may_be_turned |= _TURNED.search(data, position, end) is not None
        elif marker in JPEG_FRAMES and position + 10 <= len(data):
            height = int.from_bytes(data[position + 5 : position + 7], "big")
            width = int.from_bytes(data[position + 7 : position + 9], "big")
            components, pixels = data[position + 9], height * width
        position = end
    return None
