"""The flags of some classes of CPU: what decides which precisions they run."""

from __future__ import annotations

HASWELL = frozenset({"fma", "avx", "avx2"})
SKX = HASWELL | {"avx512f", "avx512bw", "avx512vl", "avx512dq"}
ICX = SKX | {"avx512_vnni"}
GENOA = ICX | {"avx512_bf16"}
TURIN = GENOA | {"avx_vnni"}
SPR = TURIN | {"avx512_fp16", "amx_tile", "amx_int8", "amx_bf16"}
SRF = HASWELL | {"avx_vnni", "avx_vnni_int8", "avx_ne_convert"}
