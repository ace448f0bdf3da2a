"""The threads that compute: OpenMP's, which share each primitive, and callers, which share nothing.

A caller takes its part of the images through a chain of its own, so that what one primitive writes
is in its core's cache when the next one reads it. Where there are fewer images than cores, all of
them compute each primitive together.
"""

from __future__ import annotations

import ctypes
import os
from concurrent.futures import ThreadPoolExecutor
from ctypes import c_int, c_uint, c_void_p
from typing import TYPE_CHECKING, TypeVar

from resnet50_bench.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from resnet50_bench.engines.base import Images, Scores

    Run = Callable[[Images, Scores], None]

T = TypeVar("T")

_OPENMP = "libgomp.so.1"
_REGION = ctypes.CFUNCTYPE(None, c_void_p)


class Team:
    """GNU OpenMP's threads of the thread that opens it; that one is the first of them.

    Each of the others goes to a CPU of its own. The first stays on all that it was given: it is the
    program's, and what it starts later has its CPUs.

    Args:
        cpus: one for each thread; the first one's is left to it. Empty to leave all where they are.
        count: of threads.

    Raises:
        HostError: OpenMP takes another number of threads, or one of them is not where it should be.
    """

    def __init__(self, cpus: Sequence[int], count: int) -> None:
        self._library = ctypes.CDLL(_OPENMP)
        self._library.omp_set_dynamic(c_int(0))
        self._library.omp_set_num_threads(c_int(count))
        if count == 1:
            return
        wanted = {number: {cpu} for number, cpu in enumerate(cpus) if number}
        self._do(count, lambda number: _pin(wanted.get(number, set())))
        seen: dict[int, set[int]] = {}
        self._do(count, lambda number: seen.update({number: os.sched_getaffinity(0)}))
        if len(seen) != count or any(seen[number] != cpu for number, cpu in wanted.items()):
            where = ", ".join(map(str, cpus)) or "of its own choice"
            found = "; ".join(",".join(map(str, sorted(each))) for each in seen.values())
            raise HostError(
                f"OpenMP was told to compute with {count} threads on CPUs {where}; "
                f"its threads may run on: {found}",
                "leave OMP_THREAD_LIMIT and the like out of --customer-env",
            )

    def _do(self, count: int, work: Callable[[int], object]) -> None:
        """Do something in every thread (libgomp's ABI: `GOMP_parallel`)."""
        number = self._library.omp_get_thread_num
        region = _REGION(lambda _: work(number()))
        self._library.GOMP_parallel(region, c_void_p(), c_uint(count), c_uint(0))


class Crew:
    """Callers that make one query together, each with its part of the images, on its own CPUs.

    Args:
        shares: the CPUs of each caller; an empty share leaves it where it is.
        threads: that compute each primitive of a caller.
    """

    def __init__(self, shares: Sequence[Sequence[int]], threads: int) -> None:
        self._callers = [ThreadPoolExecutor(1, f"caller{number}") for number in range(len(shares))]
        self._runs: Sequence[Run] = ()
        places = [
            caller.submit(_take_place, share, threads)
            for caller, share in zip(self._callers, shares, strict=True)
        ]
        for place in places:
            place.result()

    def do(self, work: Callable[[], T]) -> list[T]:
        """Have every caller do the same at the same time, and return what each of them did."""
        pending = [caller.submit(work) for caller in self._callers]
        return [each.result() for each in pending]

    def open(self, open_run: Callable[[], Run]) -> None:
        """Get ready for queries.

        Args:
            open_run: called in each caller's thread; returns what takes images through its chain.
        """
        self._runs = self.do(open_run)

    def __call__(self, images: Images, scores: Scores) -> None:
        """Take images through; of fewer of them than callers, each takes one or none."""
        count = min(len(self._callers), len(images))
        bounds = [number * len(images) // count for number in range(count + 1)]
        pending = [
            caller.submit(run, images[begin:end], scores[begin:end])
            for caller, run, begin, end in zip(self._callers, self._runs, bounds, bounds[1:])
        ]
        for part in pending:
            part.result()

    def close(self) -> None:
        """End the threads."""
        for caller in self._callers:
            caller.shutdown()


def plan_shares(cpus: Sequence[int], threads: int, callers: int) -> tuple[tuple[int, ...], ...]:
    """Return the CPUs of each caller.

    Args:
        cpus: that the process, or the stream, may use.
        threads: that compute, one on each of them; of another number nothing is pinned.
        callers: how many there are; they divide the threads.
    """
    if len(cpus) != threads:
        return ((),) * callers
    each = threads // callers
    return tuple(tuple(cpus[first : first + each]) for first in range(0, threads, each))


def _take_place(share: Sequence[int], threads: int) -> None:
    _pin(set(share))
    Team(share, threads)


def _pin(cpus: set[int]) -> None:
    """Put the calling thread onto CPUs; leave it where it is if there are none."""
    if cpus:
        os.sched_setaffinity(0, cpus)
