"""Engines whose queries are split by image: who calls the model, with how many images.

Splitting by image keeps every core inside its own operations: no barrier after each of them. What
such an engine adds is its `Program`; callers, streams and options are here for all of them.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from resnet50_bench.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from resnet50_bench.engines.base import Evidence, Images, LoadRequest, Scores

Call: TypeAlias = "Callable[[Images], Scores]"
"""Classifies one batch."""

CALLERS_OPTION = "callers"
"""`--engine-option callers=N`: how many threads split a query."""


class Program(Protocol):
    """The model as a runtime has it, without regard to who calls it."""

    def find(self, images: int) -> Call:
        """Return what classifies so many images in the thread that asks, made at the first asking.

        Several threads may ask at the same time.
        """

    def evidence(self, images: int) -> Evidence:
        """Read what really runs for so many images from the runtime."""

    def list_kernels(self) -> Iterable[str]:
        """As `Loaded.list_kernels`."""

    def close(self) -> None:
        """Release the model."""


@dataclass(frozen=True, slots=True)
class Calls:
    """How an instance calls its program.

    Attributes:
        callers: threads that split a query of `run`.
        at_once: calls made at the same time, at most one for each of the instance's threads.
        images: of a call, 1 or more.
    """

    callers: int
    at_once: int
    images: int


class SplittingEngine:
    """What such engines have in common.

    Attributes:
        options: those that are whole numbers from 1 on.
        words: those that are one of some words.
    """

    name: str
    options: Sequence[str] = (CALLERS_OPTION,)
    words: Mapping[str, Sequence[str]] = {}
    needs_model = True
    traces = True
    trace_environment: Mapping[str, str] = {}

    def option_problems(self, options: Mapping[str, str]) -> list[str]:
        """Say what is wrong with the options; N must be 1 or more."""
        forms = {name: f"{name}=N" for name in self.options}
        forms |= {name: f"{name}={'|'.join(words)}" for name, words in self.words.items()}
        known = " and ".join(forms.values())
        problems = [
            f"--engine-option {name}: the {self.name} engine has only {known}"
            for name in options
            if name not in forms
        ]
        problems += [
            f"--engine-option {name}={options[name]}: it must be a whole number, 1 or more"
            for name in self.options
            if name in options and not _is_count(options[name])
        ]
        return problems + [
            f"--engine-option {name}={options[name]}: it must be {' or '.join(words)}"
            for name, words in self.words.items()
            if name in options and options[name] not in words
        ]

    def images_alone(self, request: LoadRequest) -> int:
        """Count those of a call where each thread makes one, else 0.

        Raises:
            ConfigError: as `plan_calls`.
        """
        calls = plan_calls(request)
        return calls.images if calls.at_once == request.threads else 0


def plan_calls(request: LoadRequest) -> Calls:
    """Return who calls the program, with how many images.

    Raises:
        ConfigError: the callers do not divide the threads of an instance, are more than the images
            of a query, or were asked for beside streams.
    """
    callers = int(request.options.get(CALLERS_OPTION, "1"))
    problems = []
    if request.streams and callers > 1:
        problems.append(
            f"--engine-option {CALLERS_OPTION}={callers}: the streams of an instance already split "
            "their queries by image: leave it out"
        )
    if request.threads % callers:
        problems.append(
            f"--engine-option {CALLERS_OPTION}={callers}: it must divide the "
            f"{request.threads} threads of an instance"
        )
    if callers > request.batch_size:
        problems.append(
            f"--engine-option {CALLERS_OPTION}={callers}: more callers than images in a query "
            f"(batch size {request.batch_size})"
        )
    if problems:
        raise ConfigError(problems)
    at_once = request.threads if request.streams else callers
    images = request.batch_size * max(1, request.streams) // at_once
    return Calls(callers, at_once, max(1, images))


class CalledModel:
    """A program called by one thread, by several with a part of the batch each, or by streams.

    Args:
        program: all of them share it.
        calls: it is ready for these once this is made.
    """

    def __init__(self, program: Program, calls: Calls) -> None:
        self._program = program
        self._images = calls.images
        self._splits: list[Split] = []
        self._run = self._open(calls.callers)

    def run(self, images: Images) -> Scores:
        """Classify one batch."""
        return self._run(images)

    def open_stream(self, threads: int) -> Call:
        """Return `run` for a stream; with several threads each classifies its part of a batch."""
        return self._open(threads)

    def evidence(self) -> Evidence:
        """Read what runs for a call's images."""
        return self._program.evidence(self._images)

    def list_kernels(self) -> Iterable[str]:
        """Return what the program tells of the last query."""
        return self._program.list_kernels()

    def close(self) -> None:
        """End the calling threads and release the program."""
        for split in self._splits:
            split.close()
        self._program.close()

    def _open(self, threads: int) -> Call:
        callers = [Caller(self._program) for _ in range(threads)]
        callers[0].find(self._images)
        if threads == 1:
            return callers[0]
        self._splits.append(Split(callers))
        return self._splits[-1]


class Caller:
    """What one thread makes queries with.

    Args:
        program: asked once for each number of images.
    """

    def __init__(self, program: Program) -> None:
        self._program = program
        self._calls: dict[int, Call] = {}

    def __call__(self, images: Images) -> Scores:
        """Classify one batch."""
        return self.find(len(images))(images)

    def find(self, images: int) -> Call:
        """Return what classifies so many images; of other numbers than `Calls` has they are few.

        A batch may not divide among the callers, and a job that follows another has its own.
        """
        call = self._calls.get(images)
        if call is None:
            call = self._calls[images] = self._program.find(images)
        return call


class Split:
    """A query of several threads, each with a part of the batch; the caller takes the first.

    Args:
        runs: what each thread classifies its part with.
    """

    def __init__(self, runs: Sequence[Call]) -> None:
        import numpy as np

        self._numpy = np
        self._runs = runs
        self._pool = ThreadPoolExecutor(len(runs) - 1, thread_name_prefix="caller")

    def __call__(self, images: Images) -> Scores:
        """Classify one batch; of fewer images than threads, each takes one or none."""
        parts = min(len(self._runs), len(images))
        first, *rest = self._numpy.array_split(images, parts)
        pending = [self._pool.submit(run, part) for run, part in zip(self._runs[1:], rest)]
        scores = [self._runs[0](first), *(future.result() for future in pending)]
        return self._numpy.concatenate(scores)

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdecimal() and int(text) >= 1
