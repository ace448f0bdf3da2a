"""ResNet-50 v1.5 inference on CPUs: measured, and proven.

The door for programs; the command line goes through it, too:

    from resnet50_bench import RunConfig, plan, read_runs, run

    print(plan(RunConfig()).placement)
    done = run(RunConfig(batch_size=32, min_time_s=20))
    if done.verdict.valid and done.kpis is not None:
        print(done.kpis.images_per_s)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from resnet50_bench.config import Mode, Precision, RunConfig
    from resnet50_bench.errors import R50Error
    from resnet50_bench.session.door import plan, read_runs, run
    from resnet50_bench.session.finished import Run

__version__ = "0.1.0"

__all__ = ["Mode", "Precision", "R50Error", "Run", "RunConfig", "plan", "read_runs", "run"]

_ORIGINS = {
    "Mode": "config",
    "Precision": "config",
    "R50Error": "errors",
    "Run": "session.finished",
    "RunConfig": "config",
    "plan": "session.door",
    "read_runs": "session.door",
    "run": "session.door",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for only then: `r50 --help` needs none of it (PEP 562)."""
    if name not in _ORIGINS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_ORIGINS[name]}"), name)
