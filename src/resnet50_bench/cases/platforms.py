"""The platforms that test cases are designed for.

One table, `PLATFORMS`, says which precisions a platform has and how to know the platform.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.config import Platform, Precision
from resnet50_bench.errors import RequestError

if TYPE_CHECKING:
    from resnet50_bench.host.machine import Host

AVX2 = (Precision.AVX_FP32,)
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
        precisions=AVX2,
        models=r"EPYC 7\w{2}3",
        flags=("avx2", "vaes"),
        lacking=("avx512f",),
        vendor="AMD EPYC",
        source="AMD EPYC, Zen 3: the last digit is 3; Zen 2 has no VAES",
    ),
    PlatformMeaning(
        platform=Platform.AVX2,
        default_precision=Precision.AVX_FP32,
        precisions=AVX2,
        models="",
        flags=("avx2",),
        source="any other CPU with AVX2; the least TensorFlow's oneDNN kernels are made for",
    ),
)

_BY_PLATFORM = {meaning.platform: meaning for meaning in PLATFORMS}


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
