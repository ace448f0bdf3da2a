"""The drawing library's own JavaScript, taken from the package that brings it.

vl-convert holds Vega, Vega-Lite and Vega-Embed, and bundles them in some seconds. The bundle is
kept in the cache, one file for each version.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING

from resnet50_bench.errors import RequestError
from resnet50_bench.files.atomic import write_atomically
from resnet50_bench.model import default_cache_dir

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_MODULE = "vl_convert"
_PACKAGE = "vl-convert-python"


def require_library() -> None:
    """See that the package is there, before anything is read.

    Raises:
        RequestError: it is not; says the command that brings it.
    """
    if find_spec(_MODULE) is None:
        raise RequestError(
            f"a report is drawn with {_PACKAGE}, which is not installed",
            "pip install 'resnet50-bench[report]'",
        )


def read_library(environ: Mapping[str, str]) -> str:
    """Return the JavaScript that defines `vegaEmbed`, to be put into a page.

    Args:
        environ: the environment variables, which say where the cache is.
    """
    path = _plan_path(environ)
    with suppress(OSError, UnicodeDecodeError):
        return path.read_text("utf-8")
    script = _bundle()
    # A cache that cannot be written costs time, and nothing else.
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, script.encode())
    return script


@cache
def _bundle() -> str:
    import vl_convert

    script: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return script


def _plan_path(environ: Mapping[str, str]) -> Path:
    name = f"{_PACKAGE}-{version(_PACKAGE)}.js"
    return default_cache_dir(environ).parent / "charts" / name
