"""The libraries that some forms are read with: asked for before anything is started."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from resnet50_bench.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path


def require_library(path: Path, name: str) -> None:
    """Refuse a model whose form is read with a library that is not installed.

    Raises:
        ModelError: it is not.
    """
    if importlib.util.find_spec(name) is None:
        raise ModelError(
            f"--model {path}: reading it takes the library {name}, which is not installed",
            "pip install 'resnet50-bench[models]'",
        )
