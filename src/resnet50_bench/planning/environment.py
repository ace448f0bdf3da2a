"""What the workers' environment holds: r50's own variables, and what the shell may not sway."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resnet50_bench.config import Allocator, RunConfig
from resnet50_bench.host.allocators import PRELOAD, find_library
from resnet50_bench.precision.meaning import plan_meaning

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resnet50_bench.engines import Engine
    from resnet50_bench.host.machine import Host

SWAYING_PREFIXES = ("TF_", "ONEDNN_", "DNNL_", "OMP_", "KMP_", "MKL_", "GOMP_", "XLA_", "MALLOC_",
                    "TCMALLOC_", "TORCH", "PYTORCH_")  # fmt: skip
TERRAFORM_PREFIXES = ("TF_CLI_", "TF_VAR_", "TF_LOG")
SWAYING_NAMES = frozenset({"LD_PRELOAD", "GLIBC_TUNABLES"})
"""Variables that change how fast or in what precision a framework computes. A worker gets them
from r50 and from CUSTOMER_ENV, where they are on record, never from the shell r50 was called in."""

VERBOSE_NAMES = ("ONEDNN_VERBOSE", "DNNL_VERBOSE")
_SILENT = frozenset({"", "0", "none"})
"""oneDNN reads both variables, and these values turn nothing on (its page "Verbose Mode")."""


def plan_environment(config: RunConfig, host: Host, engine: Engine, threads: int) -> dict[str, str]:
    """The engine's variables, the precision's caps, the allocator; CUSTOMER_ENV wins."""
    ours = engine.environment(config.precision, threads)
    if engine.needs_model:
        ours |= plan_meaning(config.precision, host.cpu_flags).environment
    if config.onednn_verbose:
        ours["ONEDNN_VERBOSE"] = "1"
    if config.allocator is not Allocator.SYSTEM:
        ours[PRELOAD] = str(find_library(config.allocator))
    return ours | config.customer_env


def is_swaying(name: str) -> bool:
    """Say whether a variable of this name changes how a framework computes."""
    if name.startswith(TERRAFORM_PREFIXES):
        return False
    return name in SWAYING_NAMES or name.startswith(SWAYING_PREFIXES)


def plan_worker_environment(environ: Mapping[str, str], ours: Mapping[str, str]) -> dict[str, str]:
    """Return all that a worker's environment holds: what the shell may pass on, and r50's own."""
    inherited = {name: text for name, text in environ.items() if not is_swaying(name)}
    return inherited | {"PYTHONUNBUFFERED": "1"} | dict(ours)


def list_left_out(environ: Mapping[str, str], ours: Mapping[str, str]) -> tuple[str, ...]:
    """Return the shell's variables that the workers do not get."""
    return tuple(sorted(name for name in environ if is_swaying(name) and name not in ours))


def writes_kernels(environment: Mapping[str, str]) -> bool:
    """Whether oneDNN writes what it executes in this environment."""
    return any(environment.get(name, "0") not in _SILENT for name in VERBOSE_NAMES)
