"""Reads old logs: what their lines say, how many lines say nothing, and what is doubtful about it.

Three writers are understood: r50 itself (`benchmark_*.log` whose `record.json` is missing), the
workload of the Workload Services Framework (`KEY: value` lines around the model zoo's output), and
the model zoo's scripts alone (github.com/intel/ai-reference-models, ResNet50 v1.5 for TensorFlow:
`eval_image_classifier_inference.py` and its weight-sharing twin). Such a log holds a rate for each
instance and not when it held, so their sum is no throughput in a common window: what comes from a
log is never called VALID.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from resnet50_bench.errors import RecordError
from resnet50_bench.parameters import PARAMETERS
from resnet50_bench.verdict import LOST_INSTANCES_LINE

MAX_LINE_CHARACTERS = 4096
"""No line of these logs is longer; a longer one is not looked into."""

MAX_KEPT_LINES = 100
"""Unused lines kept of each log for people to see; all of them are counted."""

VALIDATION_IMAGES = 50_000

_NUMBER = r"[0-9]{1,15}(?:\.[0-9]{0,15})?(?:[eE][+-]?[0-9]{1,2})?"
_RATE_UNIT = r"(?:images?|imgs?|samples?)/s(?:ec(?:ond)?)?|fps"
_WHO = r"(?:\[[^\]]{1,40}\] *)?(?:Instance [0-9]{1,6} )?"

_OTHER_NAMES = (
    "WORKLOAD", "TOPOLOGY", "PLATFORM", "INSTANCE_MODE", "INSTANCE_NUMBER", "NUM_INSTANCES",
    "WEIGHT_SHARING", "SHARE_WEIGHT_INSTANCE", "ONEDNN_VERBOSE", "MPI", "NUM_MPI", "CUSTOMER_ENV",
    "FRAMEWORK", "MODEL_NAME", "PRECISION_PROOF", "CPU",
)  # fmt: skip
_NAMES = frozenset(parameter.name for parameter in PARAMETERS) | frozenset(_OTHER_NAMES)
_INSTANCE_COUNTS = ("INSTANCES", "INSTANCE_NUMBER", "NUM_INSTANCES")


class LogKind(str, Enum):
    """Who wrote a log."""

    R50 = "r50 log"
    WORKLOAD = "workload log"
    MODEL_ZOO = "model zoo log"


@dataclass(frozen=True, slots=True)
class UnusedLine:
    """A line that says nothing of use here.

    Attributes:
        path: of the log.
        number: of the line, from 1.
        text: its begin.
    """

    path: Path
    number: int
    text: str


@dataclass(frozen=True, slots=True)
class LoggedTotal:
    """A KPI that r50 wrote into its log.

    Attributes:
        name, unit: as written; unit is "" for a count.
        value: the number.
        decimals: how many it was written with.
    """

    name: str
    unit: str
    value: float
    decimals: int


@dataclass(frozen=True, slots=True)
class LoggedAccuracy:
    """Correct answers.

    Attributes:
        top1_percent, top5_percent: of the images seen; None when not logged.
        images: how many were seen; None when not logged.
    """

    top1_percent: float
    top5_percent: float | None = None
    images: int | None = None


@dataclass(slots=True)
class Log:
    """What the lines of one log, or of the logs of one run, say.

    Attributes:
        paths: the logs.
        parameters: the first value of each name.
        rates: images per second of each instance that wrote one.
        process_rates: sums that weight-sharing processes wrote over their own threads.
        latencies_ms: of each instance that wrote one, for one query.
        query_times_ms: mean time of a query, which is written at every batch size.
        accuracy: the last one written.
        totals: r50's own KPIs.
        verdict: r50's own, "" when there is none.
        failures: the checks it wrote down as failed.
        lost: it says that instances were killed.
        shares_weights: a line of the weight-sharing script was seen.
        lines, blank, used: how many there are; the others are unused.
        unused: the first of the unused ones.
    """

    paths: list[Path] = field(default_factory=list)
    parameters: dict[str, str] = field(default_factory=dict)
    rates: list[float] = field(default_factory=list)
    process_rates: list[float] = field(default_factory=list)
    latencies_ms: list[float] = field(default_factory=list)
    query_times_ms: list[float] = field(default_factory=list)
    accuracy: LoggedAccuracy | None = None
    totals: list[LoggedTotal] = field(default_factory=list)
    verdict: str = ""
    failures: list[str] = field(default_factory=list)
    lost: bool = False
    shares_weights: bool = False
    lines: int = 0
    blank: int = 0
    used: int = 0
    unused: list[UnusedLine] = field(default_factory=list)

    @property
    def unused_count(self) -> int:
        """How many lines say nothing of use here; blank lines are not counted."""
        return self.lines - self.blank - self.used

    @property
    def kind(self) -> LogKind:
        """Who wrote it."""
        if self.verdict:
            return LogKind.R50
        workload = self.parameters.keys() & {"WORKLOAD", "TOPOLOGY", "FUNCTION", "PLATFORM"}
        return LogKind.WORKLOAD if workload else LogKind.MODEL_ZOO

    @property
    def has_kpi(self) -> bool:
        """Whether any line is a KPI."""
        return bool(
            self.rates
            or self.process_rates
            or self.latencies_ms
            or self.query_times_ms
            or self.accuracy
            or self.totals
        )

    @property
    def instances(self) -> int:
        """How many instances wrote a rate."""
        return len(self.rates)

    @property
    def instances_expected(self) -> int | None:
        """How many the log says were started; None when it does not say."""
        counts = [self.parameters.get(name, "") for name in _INSTANCE_COUNTS]
        return next((int(text) for text in counts if re.fullmatch("[0-9]{1,6}", text)), None)

    @property
    def rate_sum(self) -> float | None:
        """Sum of the instances' rates in images per second; None when there is none."""
        rates = self.rates or self.process_rates
        return math.fsum(rates) if rates else None

    @property
    def latency_ms(self) -> float | None:
        """Mean of the instances' own means; None when there is none."""
        times = self.latencies_ms or self.query_times_ms
        return math.fsum(times) / len(times) if times else None


_Take = Callable[[Log, "re.Match[str]"], bool]


def _positive(text: str) -> float | None:
    value = float(text)
    return value if value > 0 else None


def _append(numbers: list[float], text: str, scale: float = 1.0) -> bool:
    """Add a measured number; 0 is none."""
    value = _positive(text)
    if value is not None:
        numbers.append(value * scale)
    return value is not None


def _take_rate(log: Log, match: re.Match[str]) -> bool:
    return _append(log.rates, match["value"])


def _take_latency(log: Log, match: re.Match[str]) -> bool:
    return _append(log.latencies_ms, match["value"], 1000.0 if match["seconds"] else 1.0)


def _take_query_time(log: Log, match: re.Match[str]) -> bool:
    return _append(log.query_times_ms, match["value"], 1000.0)


def _take_shared(log: Log, match: re.Match[str]) -> bool:
    log.shares_weights = True
    return _append(log.rates, match["value"]) and _append(log.query_times_ms, match["time"])


def _take_process_rate(log: Log, match: re.Match[str]) -> bool:
    log.shares_weights = True
    return _append(log.process_rates, match["value"])


def _take_top(log: Log, match: re.Match[str]) -> bool:
    top1, top5, images = float(match["top1"]), float(match["top5"]), int(match["images"])
    if max(top1, top5) > 1 or images == 0:
        return False
    log.accuracy = LoggedAccuracy(100 * top1, 100 * top5, images)
    return True


def _take_accuracy(log: Log, match: re.Match[str]) -> bool:
    value = float(match["value"])
    if not (match["before"] or match["after"]) and value <= 1:
        value *= 100
    if value > 100:
        return False
    log.accuracy = LoggedAccuracy(value)
    return True


def _take_parameter(log: Log, match: re.Match[str]) -> bool:
    name, text = match["name"], re.sub(r"^[a-z_]+=", "", match["value"])
    if name not in _NAMES:
        return False
    if text:
        log.parameters.setdefault(name, text)
    return True


def _take_batch_size(log: Log, match: re.Match[str]) -> bool:
    log.parameters.setdefault("BATCH_SIZE", match["value"])
    return True


def _take_data_type(log: Log, match: re.Match[str]) -> bool:
    log.parameters.setdefault("DATA_TYPE", match["value"])
    return True


def _take_total(log: Log, match: re.Match[str]) -> bool:
    text = match["value"]
    decimals = len(text.partition(".")[2])
    log.totals.append(LoggedTotal(match["name"], match["unit"] or "", float(text), decimals))
    return True


def _take_verdict(log: Log, match: re.Match[str]) -> bool:
    log.verdict = match["value"]
    return True


def _take_failure(log: Log, match: re.Match[str]) -> bool:
    log.failures.append(match["value"])
    return True


def _take_loss(log: Log, _: re.Match[str]) -> bool:
    log.lost = True
    return True


def _take_known(_: Log, __: re.Match[str]) -> bool:
    """A line whose meaning is known and which adds nothing to the KPIs."""
    return True


_LINES: tuple[tuple[re.Pattern[str], _Take], ...] = tuple(
    (re.compile(pattern), take)
    for pattern, take in (
        (rf"Iteration [0-9]{{1,9}}: {_NUMBER} sec", _take_known),
        (
            rf"{_WHO}Throughput(?: \((?:{_RATE_UNIT})\))?\s*[:=]\s*"
            rf"(?P<value>{_NUMBER})\s*(?:{_RATE_UNIT})?",
            _take_rate,
        ),
        (
            rf"{_WHO}Latency(?: \(ms\))?\s*[:=]\s*"
            rf"(?P<value>{_NUMBER})\s*(?:ms|msec|(?P<seconds>s|sec))?",
            _take_latency,
        ),
        (rf"{_WHO}Average time\s*[:=]\s*(?P<value>{_NUMBER})\s*sec", _take_query_time),
        (
            rf"Instance num [0-9]{{1,6}} Avg Time/Iteration (?P<time>{_NUMBER}) msec "
            rf"Throughput (?P<value>{_NUMBER}) images/sec",
            _take_shared,
        ),
        (rf"Total aggregated Throughput:? (?P<value>{_NUMBER})", _take_process_rate),
        (
            r"Processed (?P<images>[0-9]{1,9}) images\. \(Top1 accuracy, Top5 accuracy\) = "
            rf"\((?P<top1>{_NUMBER}), (?P<top5>{_NUMBER})\)",
            _take_top,
        ),
        (
            rf"Accuracy(?P<before> \(%\))?\s*[:=]\s*(?P<value>{_NUMBER})\s*(?P<after>%)?",
            _take_accuracy,
        ),
        (r"Batch size\s*[:=]\s*(?P<value>[0-9]{1,9})", _take_batch_size),
        (r"Inference with (?P<value>dummy|real) data\.?", _take_data_type),
        (r"(?P<name>[A-Z][A-Z0-9_]{1,63})\s*[:=]\s*(?P<value>.*)", _take_parameter),
        (
            r"Total (?P<name>[A-Z][A-Za-z0-9. -]{1,40}?)(?: \((?P<unit>[^()]{1,20})\))?: "
            rf"(?P<value>{_NUMBER})(?: #.*)?",
            _take_total,
        ),
        (r"Instance [0-9]{1,6} (?:cpus|memory nodes|queries|result): .*", _take_known),
        (r"ENV [A-Za-z_][A-Za-z0-9_]*: .*", _take_known),
        (r"Verdict: (?P<value>VALID|INVALID)", _take_verdict),
        (r"Failed check: (?P<value>.*)", _take_failure),
        (re.escape(LOST_INSTANCES_LINE), _take_loss),
    )
)


def parse_log(lines: Iterable[bytes], path: Path) -> Log:
    """Return what the lines of a log say; any bytes will do."""
    log = Log(paths=[path])
    for number, raw in enumerate(lines, 1):
        text = _clean(raw)
        log.lines += 1
        if not text:
            log.blank += 1
        elif _use(log, text):
            log.used += 1
        elif len(log.unused) < MAX_KEPT_LINES:
            log.unused.append(UnusedLine(path, number, text[:200]))
    _add_what_the_name_says(log, path)
    return log


def read_log(path: Path) -> Log:
    """Read a log.

    Raises:
        RecordError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return parse_log(file, path)
    except OSError as error:
        raise RecordError(f"cannot read the log {path}: {error.strerror}") from error


def _clean(raw: bytes) -> str:
    """Decode one line; what does not print is replaced, so that it can be shown and stored."""
    text = raw.decode("utf-8", "replace").strip()
    return "".join(character if character.isprintable() else "�" for character in text)


def _use(log: Log, text: str) -> bool:
    if len(text) > MAX_LINE_CHARACTERS:
        return False
    for pattern, take in _LINES:
        match = pattern.fullmatch(text)
        if match is not None:
            return take(log, match)
    return False


def _add_what_the_name_says(log: Log, path: Path) -> None:
    """The model zoo puts precision, batch size and cores into the file's name alone."""
    match = re.search(
        r"_(?P<PRECISION>fp32|int8|bfloat16|bfloat32|fp16)_(?:\w*_)?bs(?P<BATCH_SIZE>[0-9]{1,9})"
        r"(?:_cores(?P<CORES_PER_INSTANCE>[0-9]{1,6}))?",
        path.name,
    )
    for name, text in match.groupdict().items() if match else ():
        if text is not None:
            log.parameters.setdefault(name, text)


def merge_logs(logs: Iterable[Log]) -> list[Log]:
    """Return one `Log` per run: logs whose parameters agree, as far as both name them, are one run.

    A log with r50's own verdict is always a run by itself.
    """
    runs: list[Log] = []
    for log in logs:
        for run in runs:
            if LogKind.R50 not in {run.kind, log.kind} and _agree(run, log):
                _add(run, log)
                break
        else:
            runs.append(log)
    return runs


def _agree(one: Log, other: Log) -> bool:
    shared = one.parameters.keys() & other.parameters.keys()
    return all(one.parameters[name] == other.parameters[name] for name in shared)


def _add(run: Log, log: Log) -> None:
    run.parameters.update(log.parameters)
    for name in ("paths", "rates", "process_rates", "latencies_ms", "query_times_ms", "unused"):
        getattr(run, name).extend(getattr(log, name))
    for name in ("lines", "blank", "used"):
        setattr(run, name, getattr(run, name) + getattr(log, name))
    run.accuracy = log.accuracy or run.accuracy
    run.lost |= log.lost
    run.shares_weights |= log.shares_weights


def list_failures(log: Log) -> list[str]:
    """Say why the figures of a run are no KPIs; [] when nothing speaks against them."""
    failures = list(log.failures)
    if not log.has_kpi and not log.lost:
        failures.append("no line of the log is a KPI")
    expected = log.instances_expected
    if log.rates and expected is not None and expected != log.instances:
        failures.append(f"{expected} instances were started, {log.instances} wrote a rate")
    if log.verdict == "INVALID" and not failures:
        failures.append("the log itself says INVALID")
    return failures


def list_doubts(log: Log) -> list[str]:
    """Say what a reader should know about figures from a log."""
    if log.kind is LogKind.R50:
        return ["from the log alone: record.json is missing, so nothing could be checked again"]
    doubts = ["from a log: nothing proves the precision, the placement or a common window"]
    if log.rates and log.process_rates:
        doubts.append(
            f"the processes' own sums, {math.fsum(log.process_rates):.2f} images/s together, are "
            "not counted again"
        )
    if log.shares_weights:
        doubts += _list_weight_sharing_doubts(log.parameters)
    accuracy = log.accuracy
    if accuracy is not None and accuracy.images not in {None, VALIDATION_IMAGES}:
        doubts.append(f"accuracy on a subset: {accuracy.images} of {VALIDATION_IMAGES} images")
    return doubts


def _list_weight_sharing_doubts(parameters: dict[str, str]) -> list[str]:
    """Two defects of `eval_image_classifier_inference_weight_sharing.py`.

    It times the steps after `warmup`, counted from 0, so one fewer than it divides by; and it
    leaves out the batch size in one of its two versions, without a trace in the log.
    """
    doubt = "the model zoo's weight-sharing script times one step fewer than it counts"
    texts = [parameters.get(name, "") for name in ("STEPS", "WARMUP_STEPS")]
    if all(re.fullmatch("[0-9]{1,9}", text) for text in texts):
        counted = int(texts[0]) - int(texts[1])
        if counted > 1:
            doubt += f": its rates are {1 / (counted - 1):.2%} too high"
    doubts = [doubt]
    batch_size = parameters.get("BATCH_SIZE")
    if batch_size != "1":
        factor = f"{batch_size} times" if batch_size else "by the batch size"
        doubts.append(
            "the same script may have written queries per second under the name of images per "
            f"second: the rate may be too low, {factor}"
        )
    return doubts
