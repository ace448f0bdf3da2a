"""Several threads that make one query together, each with a part of the batch.

Splitting by image keeps every core inside its own operations: no barrier after each of them.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from resnet50_bench.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from resnet50_bench.engines.base import Images, LoadRequest, Scores

CALLERS_OPTION = "callers"
"""`--engine-option callers=N`: how many threads split a query."""


class Split:
    """A query of several threads, each with a part of the batch; the caller takes the first.

    Args:
        runs: what each thread classifies its part with.
    """

    def __init__(self, runs: Sequence[Callable[[Images], Scores]]) -> None:
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


def find_option_problems(engine: str, options: Mapping[str, str]) -> list[str]:
    """Say what is wrong with the options of an engine that has only `callers=N`, N >= 1."""
    problems = [
        f"--engine-option {name}: the {engine} engine has only {CALLERS_OPTION}=N"
        for name in options
        if name != CALLERS_OPTION
    ]
    callers = options.get(CALLERS_OPTION, "1")
    if not (callers.isascii() and callers.isdecimal() and int(callers) >= 1):
        problems.append(
            f"--engine-option {CALLERS_OPTION}={callers}: it must be a whole number, 1 or more"
        )
    return problems


def plan_callers(request: LoadRequest) -> int:
    """Return how many threads split a query.

    Raises:
        ConfigError: they do not divide the threads of an instance, are more than the images of a
            query, or were asked for beside streams.
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
    return callers


def count_images_alone(request: LoadRequest) -> int:
    """Return how many images a caller or stream takes where each thread is one, else 0.

    Raises:
        ConfigError: as `plan_callers`.
    """
    callers = plan_callers(request)
    if request.streams:
        return request.batch_size * request.streams // request.threads
    return request.batch_size // callers if callers == request.threads else 0
