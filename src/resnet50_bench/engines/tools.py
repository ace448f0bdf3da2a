"""The benchmark programs that engines bring along: how one is called, and what it reports."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from resnet50_bench.config import Precision


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRequest:
    """What a program is to measure.

    Attributes:
        model_path: as the engine's `LoadRequest` has it.
        precision: to compute in.
        threads: that compute.
        streams: that make queries at the same time; 1 for one query after the other.
        batch_size: images per query.
        seconds: how long it measures.
        folder: an empty one, for its report.
    """

    model_path: Path
    precision: Precision
    threads: int
    streams: int
    batch_size: int
    seconds: float
    folder: Path


@dataclass(frozen=True, slots=True)
class ToolFigures:
    """What a program reports: images/s, and the median time of a query in ms."""

    images_per_s: float
    latency_ms: float


class Tool(Protocol):
    """An engine's own benchmark program.

    Attributes:
        name: as its makers call it.
    """

    name: str

    def plan_command(self, request: ToolRequest) -> tuple[str, ...]:
        """The command line that measures what is asked for."""

    def read_report(self, folder: Path) -> ToolFigures:
        """Read what it left.

        Raises:
            HostError: it left nothing, or something else.
        """


TOOLS: dict[str, str] = {"openvino": "resnet50_bench.engines.openvino.tool"}
"""Engine -> the module whose `TOOL` is its program; the packages of the others hold none."""


def load_tool(engine: str) -> Tool | None:
    """Return the program of an engine; None where it has none."""
    if engine not in TOOLS:
        return None
    tool: Tool = importlib.import_module(TOOLS[engine]).TOOL
    return tool
