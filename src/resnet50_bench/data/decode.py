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
from PIL import Image

from resnet50_bench.data.profiles import MLPERF, Decoding
from resnet50_bench.data.sources import UnreadableImage

if TYPE_CHECKING:
    from resnet50_bench.data.profiles import Profile

Rgb: TypeAlias = npt.NDArray[np.uint8]
"""uint8 HWC, RGB, any size."""

MAX_PIXELS = 2**27
"""Pixels of an image at the most, 400 MB as RGB: ImageNet's largest has 20 million, and a damaged
header that promises 65,535 x 65,535 must not end the process."""

_JPEG_START = b"\xff\xd8"
_JPEG_END = 0xD9
_JPEG_SCAN = 0xDA
_JPEG_APP1 = 0xE1
# The frame headers are C0..CF without the tables DHT, JPG and DAC. ITU-T T.81, table B.1.
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PLAIN_COMPONENTS = (1, 3)
# In a scan's data 0xFF is followed by 0 (a data byte), a restart mark D0..D7 or another 0xFF
# (filling); anything else is the next marker. ITU-T T.81, B.1.1.
_MARKER_AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")

# An EXIF entry of tag 0x0112 and type SHORT, in either byte order, whose value is not 1. Found
# where there is none, it costs time only: OpenCV then decides.
_TURNED = re.compile(
    rb"\x12\x01\x03\x00.{4}(?!\x01\x00)|\x01\x12\x00\x03.{4}(?!\x00\x01)", re.DOTALL
)

_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"

# Those Pillow knows without loading all its plugins, of which some start other programs.
_PILLOW_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "PPM")


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
    header = _read_header(data) if data.startswith(_JPEG_START) else None
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
            pixels = image.width * image.height
            if pixels <= MAX_PIXELS:
                return np.asarray(image.convert("RGB"))
    except Exception as error:  # its readers raise whatever their parsers meet
        raise UnreadableImage(name, "is not an image Pillow can decode") from error
    raise _too_large(name, pixels)


def _check(data: bytes, header: _Header | None, name: str) -> None:
    if not data:
        raise UnreadableImage(name, "is empty")
    if _is_cut_short(data):
        raise UnreadableImage(name, "is cut short: its end marker is missing")
    if header is not None and header.pixels > MAX_PIXELS:
        raise _too_large(name, header.pixels)


def _too_large(name: str, pixels: int) -> UnreadableImage:
    return UnreadableImage(name, f"has {pixels:,} pixels, more than {MAX_PIXELS:,}")


def _read_header(data: bytes) -> _Header | None:
    """Walk a JPEG's segments to its first scan; None when something else comes between."""
    position = len(_JPEG_START)
    components = pixels = 0
    may_be_turned = False
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        end = position + 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        if marker == _JPEG_SCAN:
            return _Header(components, pixels, may_be_turned)
        if marker == _JPEG_APP1:
            may_be_turned |= _TURNED.search(data, position, end) is not None
        elif marker in _JPEG_FRAMES and position + 10 <= len(data):
            height = int.from_bytes(data[position + 5 : position + 7], "big")
            width = int.from_bytes(data[position + 7 : position + 9], "big")
            components, pixels = data[position + 9], height * width
        position = end
    return None


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
