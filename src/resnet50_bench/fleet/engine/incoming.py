"""What a host sent back: taken in only if it is whole, a record, and of what was asked.

Nothing that a host says becomes part of a path.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from resnet50_bench.config import Mode, Precision
from resnet50_bench.errors import RecordError
from resnet50_bench.files.atomic import write_atomically
from resnet50_bench.fleet.engine.running import MAX_RECORD_BYTES
from resnet50_bench.results.files import RECORD_FILE, decode_record

if TYPE_CHECKING:
    from resnet50_bench.results.record import Record

_SAID = re.compile(r"^r50-fleet (now=.*)$", re.MULTILINE)
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the script on a host said last.

    Attributes:
        now_s: its clock, seconds since 1970.
        exit_code: of `r50 run`; None where it did not run.
        size: of the record, bytes; None where there is none.
        sha256: of the record.
    """

    now_s: int | None = None
    exit_code: int | None = None
    size: int | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A case, and what its record has to be of."""

    name: str
    mode: Mode
    precision: Precision


def read_said(text: str) -> Said:
    """Read the script's last line; whatever is no number is not there."""
    lines = _SAID.findall(text)
    words = dict(word.partition("=")[::2] for word in lines[-1].split()) if lines else {}
    sha256 = words.get("sha256", "")
    return Said(
        now_s=_read_number(words.get("now")),
        exit_code=_read_number(words.get("code")),
        size=_read_number(words.get("size")),
        sha256=sha256 if _SHA256.fullmatch(sha256) else None,
    )


def take_in(arrived: Path, said: Said, wanted: Wanted, place: Path) -> Record | str:
    """Put a record in its place, or say why it is none.

    Args:
        arrived: the file that Ansible has fetched.
        said: what the host says of it.
        wanted: what was asked.
        place: the folder that it goes to.
    """
    try:
        content = _read_bounded(arrived)
    except OSError as error:
        return f"its record did not arrive: {error.strerror}"
    if content is None or (said.size or 0) > MAX_RECORD_BYTES:
        return f"its record is larger than {MAX_RECORD_BYTES >> 20} MiB"
    sha256 = hashlib.sha256(content).hexdigest()
    if sha256 != said.sha256:
        return (
            f"its record is not whole: SHA-256 {sha256[:12]} here, {(said.sha256 or '')[:12]} there"
        )
    try:
        record = decode_record(content, Path(RECORD_FILE))
    except RecordError as error:
        return f"its record cannot be used: {error.message}"
    seen = record.config.mode, record.config.precision
    if seen != (wanted.mode, wanted.precision):
        return f"its record is of {seen[0].value} {seen[1].value}, which is not what was asked"
    place.mkdir(parents=True, exist_ok=True)
    write_atomically(place / RECORD_FILE, content)
    arrived.unlink()
    return record


def _read_bounded(path: Path) -> bytes | None:
    return path.read_bytes() if path.stat().st_size <= MAX_RECORD_BYTES else None


def _read_number(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch(r"-?\d{1,18}", text) else None
