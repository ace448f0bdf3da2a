"""Images for tests, made on the spot: no photograph is stored in this project."""

from __future__ import annotations

import io
import threading

import cv2
import numpy as np
import simplejpeg
from PIL import Image

from resnet50_bench.data.sources import ImageRef


def encode(rgb: np.ndarray, suffix: str = ".png") -> bytes:
    done, data = cv2.imencode(suffix, rgb[:, :, ::-1] if rgb.ndim == 3 else rgb)
    assert done
    return data.tobytes()


def noise(seed: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def smooth(seed: int, height: int, width: int) -> np.ndarray:
    return cv2.GaussianBlur(noise(seed, height, width), (0, 0), 3)


def position_coded(height: int, width: int) -> np.ndarray:
    """Red and green are the low bytes of the row and column; blue holds their ninth bits."""
    row, column = np.mgrid[:height, :width]
    return np.stack([row & 255, column & 255, (row >> 8) * 2 + (column >> 8)], -1).astype(np.uint8)


def with_exif_orientation(jpeg: bytes, orientation: int, order: str = "big") -> bytes:
    """Put an EXIF segment with one entry (tag 0x0112) behind the start marker."""

    def number(value: int, size: int) -> bytes:
        return value.to_bytes(size, order)

    entry = number(0x112, 2) + number(3, 2) + number(1, 4) + number(orientation, 2) + b"\0\0"
    mark = b"MM" if order == "big" else b"II"
    tiff = mark + number(42, 2) + number(8, 4) + number(1, 2) + entry + number(0, 4)
    return jpeg[:2] + segment(0xE1, b"Exif\x00\x00" + tiff) + jpeg[2:]


def jpegs(height: int, width: int) -> dict[str, bytes]:
    """One picture in every kind of JPEG that OpenCV, simplejpeg and Pillow can write."""
    rgb = cv2.GaussianBlur(noise(height * width, height, width), (0, 0), 1.5)
    found = {}
    for progressive in (0, 1):
        for quality in (40, 92):
            for sampling in (0x221111, 0x111111, 0x211111, 0x121111, 0x411111):
                options = [
                    cv2.IMWRITE_JPEG_PROGRESSIVE, progressive, cv2.IMWRITE_JPEG_QUALITY, quality,
                    cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling,
                    cv2.IMWRITE_JPEG_RST_INTERVAL, 3 * progressive,
                ]  # fmt: skip
                name = f"{progressive}-{quality}-{sampling:x}"
                found[name] = cv2.imencode(".jpg", rgb, options)[1].tobytes()
    gray = np.ascontiguousarray(rgb[:, :, :1])
    found["gray"] = simplejpeg.encode_jpeg(gray, colorspace="GRAY", colorsubsampling="Gray")
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", keep_rgb=True)
    found["stored-as-rgb"] = buffer.getvalue()
    return found


def segment(marker: int, payload: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(payload) + 2).to_bytes(2, "big") + payload


def cmyk_jpeg(values: tuple[int, int, int, int]) -> bytes:
    """An 8x8 baseline JPEG of one colour with four components, as Adobe stores CMYK.

    With every quantiser at 8 the DC coefficient of a constant block is its value - 128.
    """
    dc_codes = bytes([0, 0, 0, 9] + [0] * 12) + bytes(range(9))  # nine codes of 4 bits
    ac_codes = bytes([1] + [0] * 15) + b"\x00"  # one code of 1 bit: end of block
    bits = ""
    for value in values:
        level = value - 128
        size = abs(level).bit_length()
        bits += f"{size:04b}"
        if size:
            bits += f"{level if level > 0 else level + (1 << size) - 1:0{size}b}"
        bits += "0"
    bits += "1" * (-len(bits) % 8)
    scan = bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)).replace(
        b"\xff", b"\xff\x00"
    )
    parts = b"".join(bytes([k, 0x11, 0]) for k in (1, 2, 3, 4))
    return (
        b"\xff\xd8"
        + segment(0xEE, b"Adobe\x00\x64\x00\x00\x00\x00\x00")
        + segment(0xDB, b"\x00" + b"\x08" * 64)
        + segment(0xC0, b"\x08\x00\x08\x00\x08\x04" + parts)
        + segment(0xC4, b"\x00" + dc_codes)
        + segment(0xC4, b"\x10" + ac_codes)
        + segment(0xDA, b"\x04" + b"".join(bytes([k, 0]) for k in (1, 2, 3, 4)) + b"\x00\x3f\x00")
        + scan
        + b"\xff\xd9"
    )


class MemorySource:
    skipped = ()

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.refs = tuple(ImageRef(name, len(data), None) for name, data in files.items())
        self.threads: set[str] = set()
        self.reads: list[str] = []

    def describe(self) -> str:
        return "memory"

    def read(self, ref: ImageRef) -> bytes:
        self.threads.add(threading.current_thread().name)
        self.reads.append(ref.name)
        return self.files[ref.name]
