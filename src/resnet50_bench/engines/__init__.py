"""Runtimes that execute the model: the Engine protocol, its registry, one runtime a file."""

from resnet50_bench.engines.base import (
    ENGINES,
    Engine,
    Evidence,
    Images,
    KernelShare,
    Loaded,
    LoadRequest,
    Scores,
    load_engine,
)

__all__ = [
    "ENGINES",
    "Engine",
    "Evidence",
    "Images",
    "KernelShare",
    "LoadRequest",
    "Loaded",
    "Scores",
    "load_engine",
]
