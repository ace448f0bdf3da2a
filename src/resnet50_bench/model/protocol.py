"""What the parent asks of the children that make models, and what they answer.

The request is one JSON document on the child's stdin; answers are JSON lines on a pipe of their
own: any number of progress lines, then one result or one error.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from resnet50_bench.config import Precision
from resnet50_bench.model.calibration import CalibrationSet
from resnet50_bench.model.graph.structure import Structure
from resnet50_bench.model.manifest import Agreement, ModelSource, PreparedGraph, Reading

MODULE = "resnet50_bench.model.toolchain"
CONVERTER_MODULE = "resnet50_bench.model.converter"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolchainRequest:
    """One task.

    Attributes:
        source: the graph to work on; a generated one is generated when it has no path.
        output: where to write the graph; None to inspect only.
        precision: what to prepare it for; None to write the generated graph as it is.
        calibration: the images to calibrate with; None for precisions that need none.
    """

    source: ModelSource
    output: str | None = None
    precision: Precision | None = None
    calibration: CalibrationSet | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversionRequest:
    """Have an engine's model made, and its answers to held-out images kept.

    Attributes:
        engine: what loads it.
        precision: what it computes in.
        graph: the prepared graph.
        classes: of the model.
        scores: where to write the answers.
        output: the folder to convert into; None where the graph itself is loaded.
        expected: the answers to compare with; None where these are those.
        calibration: the images; None for generated ones.
    """

    engine: str
    precision: Precision
    graph: str
    classes: int
    scores: str
    output: str | None = None
    expected: str | None = None
    calibration: CalibrationSet | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the task failed: an error's message and advice, and whether it is the host's."""

    message: str
    advice: str | None = None
    of_host: bool = False


@dataclass(frozen=True, slots=True)
class ToolchainAnswer:
    """One line of the child's answer.

    Attributes:
        progress: one sentence for people.
        finished: the task was done; this is the last line.
        structure: what was inspected.
        problems: what keeps it from being ResNet-50 v1.5.
        prepared: what was prepared.
        reading: how a user's file was understood.
        steps: what a converter did.
        agreement: of an engine's answers with those that were expected.
        failure: the task failed; this is the last line.
    """

    progress: str | None = None
    finished: bool = False
    structure: Structure | None = None
    problems: tuple[str, ...] = ()
    prepared: PreparedGraph | None = None
    reading: Reading | None = None
    steps: tuple[str, ...] = ()
    agreement: Agreement | None = None
    failure: Failure | None = field(default=None)


def encode(message: ToolchainRequest | ConversionRequest | ToolchainAnswer) -> bytes:
    """Return the message as one line of JSON."""
    return msgspec.json.encode(message) + b"\n"
