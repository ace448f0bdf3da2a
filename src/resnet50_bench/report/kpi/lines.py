"""What one line of an old log says.

The lines are those of three writers: r50's own `benchmark_*.log`, the workload of the Workload
Services Framework (`KEY: value` lines around the model zoo's output), and the model zoo's scripts
(github.com/intel/ai-reference-models, ResNet50 v1.5 for TensorFlow:
`eval_image_classifier_inference.py` and its weight-sharing twin).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from resnet50_bench.parameters.table import PARAMETERS
from resnet50_bench.verdict.instances import LOST_INSTANCES_LINE

MAX_LINE_CHARACTERS = 4096
"""No line of these logs is longer; a longer one is not looked into."""

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
    def tells_of_a_run(self) -> bool:
        """Whether it is the log of a run, and no other text: it has a KPI, or says why not."""
        return self.has_kpi or self.lost or bool(self.verdict)

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


def use_line(log: Log, text: str) -> bool:
    """Add what a line says; return whether it says anything of use.

    Every line that is understood begins with a capital, `[` or `#`; a log can hold millions of
    others, such as oneDNN's trace.
    """
    if len(text) > MAX_LINE_CHARACTERS or text[0].islower():
        return False
    for pattern, take in _LINES:
        match = pattern.fullmatch(text)
        if match is not None:
            return take(log, match)
    return False
