"""What can be told of an image file without decoding it: is it whole, how large is the picture.

Needs neither numpy nor OpenCV, so that a whole data set can be looked through quickly.
"""

from __future__ import annotations

import re

JPEG_START = b"\xff\xd8"
PNG_START = b"\x89PNG\r\n\x1a\n"

_JPEG_END = 0xD9
_JPEG_SCAN = 0xDA
# In a scan's data 0xFF is followed by 0 (a data byte), a restart mark D0..D7 or another 0xFF
# (filling); anything else is the next marker. ITU-T T.81, B.1.1.
_MARKER_AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
# Start-of-frame markers: C0..CF without DHT, JPG and DAC. ITU-T T.81, table B.1.
JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PNG_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"


def has_known_start(data: bytes) -> bool:
    """Tell whether it begins as a JPEG or PNG does: the formats whose end `is_cut_short` knows."""
    return data.startswith((JPEG_START, PNG_START))


def is_cut_short(data: bytes) -> bool:
    """Tell whether a JPEG or PNG lacks its end; bytes after the end are fine.

    Some versions of OpenCV decode such files, filling the rest with gray. Of other formats
    nothing is known: False.
    """
    if data.startswith(JPEG_START):
        return _find_jpeg_segment(data, frozenset((_JPEG_END,))) is None
    if data.startswith(PNG_START):
        return _PNG_END not in data
    return False


def read_dimensions(data: bytes) -> tuple[int, int] | None:
    """Return the width and height that a JPEG's or PNG's header states, before any rotation.

    Returns:
        pixels; None when it is neither, or its header is not there.

    """
    if data.startswith(PNG_START):  # IHDR comes first: its length and name, then the sizes
        header = data[16:24]
        if len(header) < 8:
            return None
        return int.from_bytes(header[:4], "big"), int.from_bytes(header[4:], "big")
    if not data.startswith(JPEG_START):
        return None
    frame = _find_jpeg_segment(data, JPEG_FRAMES)
    # After the marker: length (2 bytes), precision (1), height (2), width (2). T.81, B.2.2.
    if frame is None or len(data) < frame + 9:
        return None
    height, width = data[frame + 5 : frame + 7], data[frame + 7 : frame + 9]
    return int.from_bytes(width, "big"), int.from_bytes(height, "big")


def _find_jpeg_segment(data: bytes, markers: frozenset[int]) -> int | None:
    """Walk a JPEG's segments to the first with one of the markers; return where it begins.

    A search for the marker's two bytes would also find those of an EXIF thumbnail.
    """
    position = len(JPEG_START)
    while position + 1 < len(data):
        marker = data[position + 1]
        if data[position] != 0xFF or marker == 0xFF:  # stray or filling bytes, which decoders skip
            position += 1
        elif marker in markers:
            return position
        else:
            position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
            if marker == _JPEG_SCAN:
                found = _MARKER_AFTER_SCAN.search(data, position)
                if found is None:
                    return None
                position = found.start()
    return None
