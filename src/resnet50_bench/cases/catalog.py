"""Test cases: their names, which of them a platform has, and what can run here.

A name says the mode, the precision and the case type; everything else has its default.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.cases.platforms import describe_platform
from resnet50_bench.config import CaseType, Gramine, Mode, Platform, Precision
from resnet50_bench.errors import CaseError, PlacementError
from resnet50_bench.parameters.parameter import Setting
from resnet50_bench.parameters.table import FUNCTION, WORKLOAD
from resnet50_bench.placement.plan import plan_placement
from resnet50_bench.placement.request import PlacementRequest
from resnet50_bench.precision.runnable import plan_runnable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resnet50_bench.host.amx_probe import AmxProbe
    from resnet50_bench.host.machine import Host
    from resnet50_bench.host.sgx import SgxState

_MAX_NAME = 200
"""More of a name than this is not compared with others: the time grows with its square."""

_DESIGN: tuple[tuple[Mode, CaseType | None], ...] = (
    (Mode.THROUGHPUT, None),
    (Mode.LATENCY, None),
    (Mode.ACCURACY, None),
    (Mode.THROUGHPUT, CaseType.GATED),
    (Mode.THROUGHPUT, CaseType.PKM),
)
"""The order of the workload's own list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A named test case."""

    mode: Mode
    precision: Precision
    case_type: CaseType | None = None
    sgx: bool = False

    @property
    def short_name(self) -> str:
        """The name without the workload's, e.g. `inference_latency_avx_fp32`."""
        words = ["sgx"] if self.sgx else []
        words += [FUNCTION, self.mode.value, self.precision.value]
        return "_".join([*words, *([self.case_type.value] if self.case_type else [])])

    @property
    def name(self) -> str:
        """The full name, `test_` and all."""
        return f"test_{WORKLOAD}_{self.short_name}"

    def settings(self) -> list[Setting]:
        """The parameters the name stands for."""
        values = {"MODE": self.mode.value, "PRECISION": self.precision.value}
        if self.case_type is not None:
            values["CASE_TYPE"] = self.case_type.value
        if self.sgx:
            values["GRAMINE"] = Gramine.SGX.value
        return [Setting(name, value, f"the case's {name}") for name, value in values.items()]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseAnswer:
    """Whether a case can run on a host.

    Attributes:
        case: asked about.
        runnable: it can.
        reason: why, or why not; one line.
    """

    case: Case
    runnable: bool
    reason: str


def _alternatives(words: Sequence[str]) -> str:
    return "|".join(map(re.escape, words))


_NAME = re.compile(
    rf"(?:test_)?{WORKLOAD}(?P<sgx>_sgx)?_{FUNCTION}"
    rf"_(?P<mode>{_alternatives([item.value for item in Mode])})"
    rf"_(?P<precision>{_alternatives([item.value for item in Precision])})"
    rf"(?:_(?P<case_type>{_alternatives([item.value for item in CaseType])}))?"
)


def parse_case_name(text: str) -> Case | None:
    """Return the case of a full name, with or without `test_`; None when it is no such name."""
    match = _NAME.fullmatch(text)
    if match is None:
        return None
    return Case(
        mode=Mode(match["mode"]),
        precision=Precision(match["precision"]),
        case_type=CaseType(match["case_type"]) if match["case_type"] else None,
        sgx=match["sgx"] is not None,
    )


def list_every_case() -> tuple[Case, ...]:
    """Return every case that has a name."""
    return tuple(
        Case(mode=mode, precision=precision, case_type=case_type, sgx=sgx)
        for sgx in (False, True)
        for precision in Precision
        for mode in Mode
        for case_type in (None, *CaseType)
    )


def design_cases(platform: Platform, *, all_precisions: bool = False) -> tuple[Case, ...]:
    """Return the platform's test cases in their order; the first is number 1.

    Args:
        platform: whose cases.
        all_precisions: add those of every other precision the platform has, after the default's.
    """
    meaning = describe_platform(platform)
    precisions = [meaning.default_precision]
    if all_precisions:
        precisions += [item for item in meaning.precisions if item not in precisions]
    return tuple(
        Case(mode=mode, precision=precision, case_type=case_type, sgx=sgx)
        for precision in precisions
        for sgx in ((False, True) if meaning.sgx else (False,))
        for mode, case_type in _DESIGN
    )


def find_case(text: str, designed: Sequence[Case]) -> Case:
    """Return the case a user means.

    A full name, with or without `test_`, is that case. Else the text is a shortening: it is looked
    for among the designed cases, then among all. A name that ends in it, whole words, counts
    first; then a name that holds all its words in this order. Cases for SGX are meant only by a
    text with the word `sgx`.

    Raises:
        CaseError: no case, or more than one, is meant.
    """
    word = text.strip().lower()
    exact = parse_case_name(word)
    if exact is not None:
        return exact
    for pool in (designed, list_every_case()):
        found = _find_shortened(word, pool)
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(case.short_name for case in found)
            raise CaseError(f"test case {text!r} can mean {len(found)} cases: {names}",
                            "write more of the name")  # fmt: skip
    raise CaseError(
        f"there is no test case {text!r}; did you mean {_find_nearest(word)}?",
        "`r50 cases --all` lists the names",
    )


def plan_case(case: Case, host: Host, amx: AmxProbe | None, sgx: SgxState) -> CaseAnswer:
    """Say whether the host can run the case, with all its defaults.

    Args:
        case: asked about.
        host: the machine.
        amx: what `probe_amx` found; None when it was not run.
        sgx: what the host has for enclaves.
    """
    precision = plan_runnable(case.precision, host.cpu_flags, amx)
    reasons = [_find_obstacle(case, sgx), None if precision.runnable else precision.reason]
    # gated is one instance per socket, whatever the mode.
    mode = Mode.THROUGHPUT if case.case_type is CaseType.GATED else case.mode
    try:
        plan_placement(host, PlacementRequest(mode))
    except PlacementError as error:
        reasons.append(error.message)
    obstacles = "; ".join(item for item in reasons if item)
    reason = obstacles or precision.reason
    if case.mode is Mode.ACCURACY and not obstacles:
        reason += "; needs --dataset PATH (images) and --model FILE (trained weights)"
    return CaseAnswer(case=case, runnable=not obstacles, reason=reason)


def _find_obstacle(case: Case, sgx: SgxState) -> str | None:
    """What the host lacks for an enclave, and how to get it."""
    missing = sgx.list_missing(Gramine.SGX) if case.sgx else []
    if not missing:
        return None
    found = "; ".join(need.detail for need in missing)
    return f"{found} (`r50 doctor` says how to get it)"


def _find_shortened(word: str, pool: Sequence[Case]) -> list[Case]:
    words = word.removeprefix("test_").split("_")
    wants_sgx = "sgx" in words
    candidates = [case for case in pool if case.sgx == wants_sgx]
    endings = [case for case in candidates if f"_{case.name}".endswith(f"_{word}")]
    return endings or [case for case in candidates if _holds_in_order(case.name, words)]


def _holds_in_order(name: str, words: Sequence[str]) -> bool:
    rest = iter(name.split("_"))
    return all(word in rest for word in words)


def _find_nearest(word: str) -> str:
    names = [name for case in list_every_case() for name in (case.short_name, case.name)]
    return difflib.get_close_matches(word[:_MAX_NAME], names, n=1, cutoff=0.0)[0]
