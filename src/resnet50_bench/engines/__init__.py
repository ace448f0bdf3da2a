"""Which runtimes execute the model, and what does each of them say that it ran?

The protocol every engine keeps (`base`), the registry, one runtime a file, a folder once it needs
more. What several of them have in common: callers and streams (`callers`), and the instructions of
code that a runtime does not name (`machine_code`). An engine's framework is imported by the
instance that runs it, and by nobody else.

May import `host`, `stats`, `files`, the package root, and its own framework.

Public names:
    `Engine`, `Loaded`, `LoadRequest`: the protocol, with shapes and dtypes.
    `load_engine`: an engine by its name.
    `offer.require_offered`: whether it is installed and has a precision; `Form`: what it loads.
    `KernelShare`, `Evidence`: what really ran.
"""

from resnet50_bench.engines.base import (
    ENGINES,
    ConvertRequest,
    Engine,
    Evidence,
    Extra,
    Form,
    Images,
    KernelShare,
    Loaded,
    LoadRequest,
    Scores,
    load_engine,
)

__all__ = [
    "ENGINES",
    "ConvertRequest",
    "Engine",
    "Evidence",
    "Extra",
    "Form",
    "Images",
    "KernelShare",
    "LoadRequest",
    "Loaded",
    "Scores",
    "load_engine",
]
