"""What the issuer is told and what it answers: JSON lines on a socket of its own.

The parent sends an `IssuerJob`; the issuer answers `Settled` with the settings that hold. When all
instances are ready the parent sends `Begin`; the issuer answers `Issuing` when the images are in
memory, and `Ended` when LoadGen has written its logs. An `IssuerFailed` may come in place of any
answer, and is the last.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from resnet50_bench.data.sources import ImageRef
from resnet50_bench.scenarios.request import LoadgenRequest


class RealImages(msgspec.Struct, frozen=True, kw_only=True):
    """The images of a data set, in the order of LoadGen's indices."""

    path: str
    refs: tuple[ImageRef, ...]
    profile: str


class IssuerJob(msgspec.Struct, frozen=True, kw_only=True):
    """All that the issuer is told.

    Attributes:
        request: what was asked.
        folder: gets the logs.
        queue: path of the queue's memory.
        cpus: to issue on.
        own_core: no instance has them: who waits there may stay awake.
        loading_cpus: to load images on, before anything is issued.
        total: samples of the data set.
        samples: of them in memory at a time; None where the settings are to decide.
        seed: of generated images; None where they are real.
        real: images; None where they are generated.
        seeds: LoadGen's own three, by their names in its settings.
    """

    request: LoadgenRequest
    folder: str
    queue: str
    cpus: tuple[int, ...]
    own_core: bool
    loading_cpus: tuple[int, ...]
    total: int
    samples: int | None
    seed: int | None = None
    real: RealImages | None = None
    seeds: dict[str, int]


class Settled(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The settings that hold.

    Attributes:
        version: of LoadGen.
        samples: images in memory at a time.
        min_time_ms, min_queries: what has to be reached.
        samples_per_query: of the scenario.
        target_qps: of Server; None in others.
        latency_bound_ns: of Server; None in others.
    """

    version: str
    samples: int
    min_time_ms: int
    min_queries: int
    samples_per_query: int
    target_qps: float | None = None
    latency_bound_ns: int | None = None


class Begin(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Load the images and issue.

    Attributes:
        library: path of the memory for the images.
        expected_qps: samples a second; Offline takes its amount from it.
        expected_latency_ns: of a query; SingleStream and MultiStream take their amount from it.
    """

    library: str
    expected_qps: float
    expected_latency_ns: int


class Loading(msgspec.Struct, frozen=True, tag=True):
    """So many images are to be loaded now."""

    images: int


class Issuing(msgspec.Struct, frozen=True, tag=True):
    """Images are in memory; queries follow."""


class Ended(msgspec.Struct, frozen=True, tag=True):
    """LoadGen has written its logs."""


class IssuerFailed(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The issuer gives up.

    Attributes:
        message: one line.
        advice: the next step; None when there is none.
        wrong_request: what was asked cannot be done, as opposed to a failure.
    """

    message: str
    advice: str | None = None
    wrong_request: bool = False


IssuerAnswer: TypeAlias = Settled | Loading | Issuing | Ended | IssuerFailed

_answers: msgspec.json.Decoder[IssuerAnswer] = msgspec.json.Decoder(
    Settled | Loading | Issuing | Ended | IssuerFailed
)
_jobs: msgspec.json.Decoder[IssuerJob] = msgspec.json.Decoder(IssuerJob)
_begins: msgspec.json.Decoder[Begin] = msgspec.json.Decoder(Begin)


def encode(message: IssuerJob | Begin | IssuerAnswer) -> bytes:
    """Return the message as one JSON line."""
    return msgspec.json.encode(message) + b"\n"


def decode_answer(line: bytes) -> IssuerAnswer:
    """Read a line of the issuer."""
    return _answers.decode(line)


def decode_job(line: bytes) -> IssuerJob:
    """Read the parent's first line."""
    return _jobs.decode(line)


def decode_begin(line: bytes) -> Begin:
    """Read the parent's second line."""
    return _begins.decode(line)
