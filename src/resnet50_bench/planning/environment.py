"""Variables that change how a framework computes."""

from __future__ import annotations

SWAYING_PREFIXES = (
    "TF_",
    "ONEDNN_",
    "DNNL_",
    "OMP_",
    "KMP_",
    "MKL_",
    "GOMP_",
    "XLA_",
    "MALLOC_",
    "TCMALLOC_",
)
TERRAFORM_PREFIXES = ("TF_CLI_", "TF_VAR_", "TF_LOG")
SWAYING_NAMES = frozenset({"LD_PRELOAD", "GLIBC_TUNABLES"})
"""Variables that change how fast or in what precision a framework computes. A worker gets them
from r50 and from CUSTOMER_ENV, where they are on record, never from the shell r50 was called in."""


def is_swaying(name: str) -> bool:
    """Say whether a variable of this name changes how a framework computes."""
    if name.startswith(TERRAFORM_PREFIXES):
        return False
    return name in SWAYING_NAMES or name.startswith(SWAYING_PREFIXES)
