"""Test cases: their names, the platforms they are designed for, and what can run here.

A name says the mode, the precision and the case type; everything else has its default. One table,
`PLATFORMS`, says which precisions a platform has and how to know the platform.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.config import CaseType, Gramine, Mode, Platform, Precision
from resnet50_bench.errors import CaseError, PlacementError, RequestError
from resnet50_bench.parameters.table import FUNCTION, WORKLOAD, Setting
from resnet50_bench.placement.slots import PlacementRequest, plan_placement
from resnet50_bench.precision.isa import plan_runnable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resnet50_bench.host.amx_probe import AmxProbe
    from resnet50_bench.host.machine import Host
    from resnet50_bench.host.sgx import SgxState

_AVX2 = (Precision.AVX_FP32,)
_VNNI = (Precision.AVX_FP32, Precision.AVX_INT8)
_BF16 = (*_VNNI, Precision.AVX_BFLOAT16)
_AMX = tuple(Precision)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformMeaning:
    """What a platform is, for its test cases.

    Attributes:
        platform: its name.
        default_precision: of its designed cases.
        precisions: all it computes natively.
        models: pattern of the names /proc/cpuinfo gives its CPUs, where these tell.
        flags: what /proc/cpuinfo lists for every one of them.
        lacking: what it lists for none of them.
        vendor: how the name begins where it does not tell the model, as in most clouds.
        sgx: whether it has SGX, and so the cases for it.
        source: where the row comes from.
    """

    platform: Platform
    default_precision: Precision
    precisions: tuple[Precision, ...]
    models: str
    flags: tuple[str, ...]
    lacking: tuple[str, ...] = ()
    vendor: str = ""
    sgx: bool = False
    source: str


PLATFORMS: tuple[PlatformMeaning, ...] = (
    PlatformMeaning(
        platform=Platform.GNR,
        default_precision=Precision.AMX_BFLOAT16,
        precisions=_AMX,
        models=r"Xeon\(R\) 6\d{3}P",
        flags=("amx_tile", "amx_fp16"),
        vendor="Intel",
        sgx=True,
        source="Intel Xeon 6 with P-cores: 6xxxP; the first with AMX-FP16",
    ),
    PlatformMeaning(
        platform=Platform.EMR,
        default_precision=Precision.AMX_BFLOAT16,
        precisions=_AMX,
        models=r"(Platinum 8|Gold [56]|Silver 4|Bronze 3)5\d\d",
        flags=("amx_tile",),
        sgx=True,
        source="5th generation Xeon: the second digit is 5; by its flags it is taken for SPR",
    ),
    PlatformMeaning(
        platform=Platform.SPR,
        default_precision=Precision.AMX_BFLOAT16,
        precisions=_AMX,
        models=r"(Platinum 8|Gold [56]|Silver 4|Bronze 3)4\d\d|CPU Max 94\d\d",
        flags=("amx_tile",),
        vendor="Intel",
        sgx=True,
        source="4th generation Xeon and Xeon Max: the second digit is 4; the first with AMX",
    ),
    PlatformMeaning(
        platform=Platform.ICX,
        default_precision=Precision.AVX_FP32,
        precisions=_VNNI,
        models=r"(Platinum 8|Gold [56]|Silver 4)3\d\d",
        flags=("avx512f", "avx512_vnni", "avx512_vbmi2"),
        lacking=("avx512_bf16",),
        vendor="Intel",
        sgx=True,
        source="3rd generation Xeon: the second digit is 3; Cooper Lake, of the same names, has "
        "AVX512-BF16 and no VBMI2",
    ),
    PlatformMeaning(
        platform=Platform.SRF,
        default_precision=Precision.AVX_FP32,
        precisions=_BF16,
        models=r"Xeon\(R\) 6\d{3}E",
        flags=("avx2", "avx_vnni", "avx_ne_convert"),
        lacking=("avx512f",),
        vendor="Intel",
        sgx=True,
        source="Intel Xeon 6 with E-cores: 6xxxE; no AVX-512",
    ),
    PlatformMeaning(
        platform=Platform.TURIN,
        default_precision=Precision.AVX_BFLOAT16,
        precisions=_BF16,
        models=r"EPYC 9\w{2}5",
        flags=("avx512_bf16", "avx512_vp2intersect"),
        vendor="AMD",
        source="AMD EPYC, Zen 5: the last digit is 5; Zen 4 has no VP2INTERSECT",
    ),
    PlatformMeaning(
        platform=Platform.GENOA,
        default_precision=Precision.AVX_BFLOAT16,
        precisions=_BF16,
        models=r"EPYC [89]\w{2}4",
        flags=("avx512_bf16",),
        vendor="AMD",
        source="AMD EPYC, Zen 4: the last digit is 4; the workload's README names avx_bfloat16",
    ),
    PlatformMeaning(
        platform=Platform.MILAN,
        default_precision=Precision.AVX_FP32,
        precisions=_AVX2,
        models=r"EPYC 7\w{2}3",
        flags=("avx2", "vaes"),
        lacking=("avx512f",),
        vendor="AMD EPYC",
        source="AMD EPYC, Zen 3: the last digit is 3; Zen 2 has no VAES",
    ),
    PlatformMeaning(
        platform=Platform.AVX2,
        default_precision=Precision.AVX_FP32,
        precisions=_AVX2,
        models="",
        flags=("avx2",),
        source="any other CPU with AVX2; the least TensorFlow's oneDNN kernels are made for",
    ),
)

_MAX_NAME = 200
"""More of a name than this is not compared with others: the time grows with its square."""

_BY_PLATFORM = {meaning.platform: meaning for meaning in PLATFORMS}

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
    meaning = _BY_PLATFORM[platform]
    precisions = [meaning.default_precision]
    if all_precisions:
        precisions += [item for item in meaning.precisions if item not in precisions]
    return tuple(
        Case(mode=mode, precision=precision, case_type=case_type, sgx=sgx)
        for precision in precisions
        for sgx in ((False, True) if meaning.sgx else (False,))
        for mode, case_type in _DESIGN
    )


def describe_platform(platform: Platform) -> PlatformMeaning:
    """Return the platform's row of the table."""
    return _BY_PLATFORM[platform]


def detect_platform(host: Host) -> Platform | None:
    """Return which platform the host is; None for a CPU without AVX2.

    The model's name decides where it tells the generation. Clouds hide it ("Intel(R) Xeon(R) CPU @
    2.60GHz"): then the flags of /proc/cpuinfo do, with which EMR cannot be told from SPR.
    """
    named = [item for item in PLATFORMS if item.models and re.search(item.models, host.cpu_model)]
    unnamed = [item for item in PLATFORMS if item.vendor and host.cpu_model.startswith(item.vendor)]
    for item in (*named, *unnamed, _BY_PLATFORM[Platform.AVX2]):
        has_all = all(flag in host.cpu_flags for flag in item.flags)
        if has_all and not any(flag in host.cpu_flags for flag in item.lacking):
            return item.platform
    return None


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


def parse_platform(text: str) -> Platform:
    """Return the platform of this name, in any case.

    Raises:
        RequestError: there is none.
    """
    try:
        return Platform(text.upper())
    except ValueError:
        names = ", ".join(item.value for item in Platform)
        raise RequestError(f"--platform {text}: the platforms are {names}") from None
