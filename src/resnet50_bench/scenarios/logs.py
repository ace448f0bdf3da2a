"""What LoadGen's official logs say: `mlperf_log_detail.txt`, line by line, and the answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

SUMMARY_LOG = "mlperf_log_summary.txt"
DETAIL_LOG = "mlperf_log_detail.txt"
ACCURACY_LOG = "mlperf_log_accuracy.json"
OFFICIAL_LOGS = (SUMMARY_LOG, DETAIL_LOG, ACCURACY_LOG)

_MARK = ":::MLLOG "
_MOST = 2**63 - 1
_KEPT = ("result_", "effective_", "early_stopping_", "loadgen_version", "qsl_reported_")

Value = str | int | float | bool


@dataclass(frozen=True, slots=True)
class LoadgenLog:
    """The detail log.

    Attributes:
        values: LoadGen's own, by its own keys: `result_*`, `effective_*`, `early_stopping_*`; whole
            numbers of more than 63 bits, as seeds are, as text.
        errors: what it calls errors.
        warnings: what it calls warnings.
    """

    values: dict[str, Value] = field(default_factory=dict)
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def find_number(self, key: str) -> float | None:
        """Return a number it wrote; None where it wrote none."""
        value = self.values.get(key)
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return float(value) if is_number else None  # type: ignore[arg-type]


class LogEntry(msgspec.Struct):
    """One line of the detail log, as far as it is read."""

    key: str
    value: Any = None
    metadata: dict[str, Any] = {}


class LoggedAnswer(msgspec.Struct):
    """One answer in the accuracy log.

    Attributes:
        qsl_idx: the index of the image in the data set.
        data: the eight bytes of the class, int64, in hexadecimal.
    """

    qsl_idx: int
    data: str

    @property
    def answer(self) -> int:
        """The class."""
        return int.from_bytes(bytes.fromhex(self.data), "little", signed=True)


def read_log(folder: Path) -> LoadgenLog:
    """Read the detail log of a run, as far as there is one: what is cut off is left out."""
    try:
        text = (folder / DETAIL_LOG).read_text(errors="replace")
    except OSError:
        return LoadgenLog()
    return parse_log(text)


def parse_log(text: str) -> LoadgenLog:
    """Read the text of a detail log."""
    values: dict[str, Value] = {}
    said: dict[str, list[str]] = {"is_error": [], "is_warning": []}
    for line in text.splitlines():
        entry = _read_line(line)
        if entry is None:
            continue
        for kind, texts in said.items():
            if entry.metadata.get(kind):
                texts.append(f"{entry.key}: {entry.value}")
        if entry.key.startswith(_KEPT) and isinstance(entry.value, (str, int, float, bool)):
            values[entry.key] = _keep(entry.value)
    return LoadgenLog(values, tuple(said["is_error"]), tuple(said["is_warning"]))


def _keep(value: Value) -> Value:
    return str(value) if isinstance(value, int) and value > _MOST else value


def _read_line(line: str) -> LogEntry | None:
    if not line.startswith(_MARK):
        return None
    try:
        return msgspec.json.decode(line[len(_MARK) :].encode(), type=LogEntry)
    except msgspec.DecodeError:  # the last line of a process that was killed
        return None


def read_answers(folder: Path) -> tuple[LoggedAnswer, ...]:
    """Read the answers of an accuracy run; () where LoadGen did not come to write them whole."""
    try:
        content = (folder / ACCURACY_LOG).read_bytes()
        return msgspec.json.decode(content, type=tuple[LoggedAnswer, ...])
    except (OSError, msgspec.DecodeError):
        return ()
