"""Hosts of the platforms."""

from __future__ import annotations

from dataclasses import replace

from tests.hosts.synthetic import Machine

from resnet50_bench.config import Platform

AVX512 = ("avx", "avx2", "avx512f", "avx512bw", "avx512vl", "avx512dq")
ICX_FLAGS = (*AVX512, "avx512_vnni", "avx512_vbmi2", "vaes")
GENOA_FLAGS = (*ICX_FLAGS, "avx512_bf16")
SPR_FLAGS = (*GENOA_FLAGS, "avx_vnni", "avx512_fp16", "amx_tile", "amx_int8", "amx_bf16")
FLAGS = {
    Platform.GNR: (*SPR_FLAGS, "amx_fp16"),
    Platform.SPR: SPR_FLAGS,
    Platform.EMR: SPR_FLAGS,
    Platform.ICX: ICX_FLAGS,
    Platform.SRF: ("avx", "avx2", "vaes", "avx_vnni", "avx_vnni_int8", "avx_ne_convert"),
    Platform.GENOA: GENOA_FLAGS,
    Platform.TURIN: (*GENOA_FLAGS, "avx_vnni", "avx512_vp2intersect"),
    Platform.MILAN: ("avx", "avx2", "vaes"),
    Platform.AVX2: ("avx", "avx2"),
}


def make_host(platform: Platform, model: str = "Intel(R) Xeon(R)", cores: int = 4):
    host = Machine(nodes=(cores,)).host()
    return replace(host, cpu_model=model, cpu_flags=tuple(sorted(FLAGS[platform])))
