"""Reads an archive's bytes, or every image's, to see whether they are what they should be."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from resnet50_bench.data.image_bytes import has_known_start, is_cut_short
from resnet50_bench.data.sources import UnreadableImage
from resnet50_bench.data.verify.facts import Damage, Hashes, Step, found
from resnet50_bench.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from resnet50_bench.data.sources import ImageRef, ImageSource
    from resnet50_bench.data.verify.facts import OnProgress

_BLOCK_BYTES = 8 << 20


def hash_file(path: Path, on_progress: OnProgress) -> Hashes:
    """Hash a file by MD5 and SHA-256 in one pass.

    The two run beside each other, as hashlib releases the interpreter's lock: where a second core
    is free, the pass takes about as long as MD5 alone.

    Raises:
        DatasetError: it cannot be read.

    """
    digests = [hashlib.new(name, usedforsecurity=False) for name in ("md5", "sha256")]
    try:
        total_bytes, done_bytes = path.stat().st_size, 0
        on_progress(Step.HASH, 0, total_bytes)
        with path.open("rb", buffering=0) as file, ThreadPoolExecutor(len(digests)) as pool:
            while block := file.read(_BLOCK_BYTES):
                for future in [pool.submit(digest.update, block) for digest in digests]:
                    future.result()
                done_bytes += len(block)
                on_progress(Step.HASH, done_bytes, total_bytes)
    except OSError as error:
        raise DatasetError(
            f"{path} cannot be read: {error.strerror}", "check its permissions and the disk"
        ) from error
    md5, sha256 = (digest.hexdigest() for digest in digests)
    return Hashes(md5, sha256)


def check_images(source: ImageSource, on_progress: OnProgress) -> Damage:
    """Read every image, in the order of their places, and see whether it is whole."""
    refs = sorted(source.refs, key=_place)
    return Damage(len(refs), found(_find_damage(source, refs, on_progress)))


def describe_damage(data: bytes, name: str) -> str | None:
    """Say what is wrong with an image file; None when it is whole.

    Of a JPEG or PNG the start and end markers and the segments between them are looked at, which
    finds what was cut short or never was an image; anything else is decoded.
    """
    if has_known_start(data):
        return "is cut short: its end marker is missing" if is_cut_short(data) else None
    from resnet50_bench.data.decode import decode_rgb  # OpenCV, seldom needed here

    try:
        decode_rgb(data, name)
    except UnreadableImage as unreadable:
        return unreadable.reason
    return None


def _place(ref: ImageRef) -> tuple[str, int, str]:
    return ref.shard or "", ref.offset or ref.row or 0, ref.name


def _find_damage(
    source: ImageSource, refs: list[ImageRef], on_progress: OnProgress
) -> Iterator[str]:
    on_progress(Step.IMAGES, 0, len(refs))
    for done, ref in enumerate(refs, 1):
        try:
            reason = describe_damage(source.read(ref), ref.name)
        except UnreadableImage as unreadable:
            reason = unreadable.reason
        if reason is not None:
            yield f"{ref.name}: {reason}"
        on_progress(Step.IMAGES, done, len(refs))
