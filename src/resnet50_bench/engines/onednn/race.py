"""Finds which stretches of a chain go depth first: as asked for, as kept, or by a race.

In a race the same images go through the chain layer by layer and in each way, in turns, with a
clock around each stretch, in all chains of the process at the same time.
"""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum
from typing import TYPE_CHECKING, Any

import msgspec

from resnet50_bench.engines.onednn.chain import Chain, execute_all
from resnet50_bench.engines.onednn.choice import (
    Choice,
    Situation,
    Times,
    choose_all,
    decide,
    describe_situation,
    keep,
    plan_place,
    read_kept,
)
from resnet50_bench.engines.onednn.memory import Memory
from resnet50_bench.engines.onednn.ways import find_stretches, plan_ways, read_cache_bytes
from resnet50_bench.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from resnet50_bench.engines.onednn.chain import Call
    from resnet50_bench.engines.onednn.kernels import Program
    from resnet50_bench.engines.onednn.programs import Programs
    from resnet50_bench.engines.onednn.ways import Way

    Each = Callable[[Callable[[], Times]], Sequence[Times]]

ROUNDS = 15
LONGEST_S = 20.0
"""No round begins later; of too few of them no way is taken."""

LARGEST_DIFFERENCE = 1e-4
"""Relative, L2, of scores: the bound that engines are held to in float32. A way whose answers are
further from those layer by layer is left out."""

_REST = ""


class DepthFirst(str, Enum):
    """What is asked for: what is faster, depth first wherever it can be, or nowhere."""

    AUTO = "auto"
    ON = "on"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Kept:
    """What was measured before.

    Attributes:
        folder: where it lies; None to measure nothing and go layer by layer.
        measures: what is not there is measured now.
    """

    folder: Path | None
    measures: bool = True


def choose(
    programs: Programs, wanted: DepthFirst, situation: Situation, each: Each, kept: Kept
) -> Choice:
    """Return which stretches go depth first.

    Args:
        programs: of the network.
        wanted: by the option.
        situation: of the chains.
        each: has a function called by every chain's thread at the same time.
        kept: where an answer may lie.

    Raises:
        ConfigError: depth first is asked for, and the size of the cache is not known.
        HostError: there is not enough memory.
    """
    if wanted is DepthFirst.OFF:
        return Choice(origin="as asked for")
    cache_bytes = read_cache_bytes(situation.cpus[: situation.threads])
    if cache_bytes is None:
        return _go_without(wanted)
    if wanted is DepthFirst.ON:
        return choose_all(programs.steps, situation.images, cache_bytes)
    if kept.folder is None:
        return Choice(origin="not measured: this is not about speed")
    place = plan_place(kept.folder, programs.identity, situation)
    found = read_kept(place)
    if found is None and not kept.measures:
        return Choice(origin="not measured")
    return found or _keep(place, _measure(programs, situation, each, cache_bytes))


def _go_without(wanted: DepthFirst) -> Choice:
    """Tell that nothing can be planned without the size of the cache.

    Raises:
        ConfigError: depth first was asked for.
    """
    reason = "this host does not tell how large a core's L2 is"
    if wanted is DepthFirst.ON:
        raise ConfigError([f"--engine-option depth_first=on: {reason}: leave it out"])
    return Choice(origin=reason)


def _keep(place: Path, choice: Choice) -> Choice:
    """Return what was measured; that it is not kept is no reason not to use it."""
    failure = keep(place, choice)
    if failure is None:
        return choice
    return msgspec.structs.replace(choice, origin=f"{choice.origin}; not kept: {failure}")


def _measure(programs: Programs, situation: Situation, each: Each, cache_bytes: int) -> Choice:
    """Race in all chains, and return what that speaks for."""
    images, threads = situation.images, situation.threads
    ways = plan_ways(programs.steps, images, cache_bytes)
    origin = (
        f"measured {datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC, "
        f"{describe_situation(situation)}, L2 of {cache_bytes >> 10} KiB"
    )
    if not ways:
        return Choice(origin=f"no two layers fit an L2 of {cache_bytes >> 10} KiB")
    times = each(lambda: race(programs, images, threads, ways))
    return decide(programs.steps, images, times, origin)


def race(programs: Programs, images: int, threads: int, ways: Sequence[Way]) -> Times:
    """Return what each stretch takes layer by layer and in each way; called by a chain's thread.

    Args:
        programs: of the network.
        images: that go through a chain together.
        threads: that compute it.
        ways: other than layer by layer.

    Raises:
        HostError: there is not enough memory.
    """
    import numpy as np

    names = [stretch.name for stretch in find_stretches(programs.steps)]
    shape = images, programs.side, programs.side, 3
    batch = np.random.default_rng(0).normal(0, 50, shape).astype(np.float32)
    runners: dict[Way | None, _Runner] = {}
    try:
        for way in (None, *ways):
            program = programs.find(images, threads, dict.fromkeys(names, way) if way else {})
            runners[way] = _Runner(programs, program)
        answers = {way: runner.answer(batch) for way, runner in runners.items()}
        right = [way for way, found in answers.items() if _is_near(found, answers[None])]
        end = time.perf_counter() + LONGEST_S
        for number in range(ROUNDS):
            if time.perf_counter() > end:
                break
            first = number % len(right)
            for way in (*right[first:], *right[:first]):
                runners[way].run()
        whole = runners[None].times
        return Times(whole, {way: runners[way].times for way in right if way is not None})
    finally:
        for runner in runners.values():
            runner.close()


class _Runner:
    """A chain on memory of its own, and what its stretches took.

    Attributes:
        times: stretch -> seconds of each run.
    """

    def __init__(self, programs: Programs, program: Program) -> None:
        self.times: dict[str, list[float]] = defaultdict(list)
        self._shape = program.images, programs.classes
        self._arena = Memory(program.arena.size)
        self._chain = Chain(programs.library, program, program.place(self._arena.address))
        self._stretches = _group(programs, program, self._chain)

    def answer(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the scores of images, which further runs classify, too."""
        import numpy as np

        self._kept = batch, np.empty(self._shape, np.float32)
        self._chain.run(*(array.ctypes.data for array in self._kept))
        return self._kept[1]

    def run(self) -> None:
        """Take the images through, and note the times."""
        clock = time.perf_counter
        for name, calls in self._stretches:
            begin = clock()
            execute_all(calls)
            self.times[name].append(clock() - begin)

    def close(self) -> None:
        """Give the memory back."""
        self._arena.close()


def _group(programs: Programs, program: Program, chain: Chain) -> list[tuple[str, list[Call]]]:
    """Return the calls of each stretch, and those behind the last one."""
    stretches: Mapping[str, str] = {
        step.result.name: stretch.name
        for stretch in find_stretches(programs.steps)
        for block in stretch.blocks
        for step in block
    }
    groups: dict[str, list[Any]] = defaultdict(list)
    for item, calls in zip(program.passes, chain.calls, strict=True):
        groups[stretches.get(item.steps[0].result.name, _REST)] += calls
    return list(groups.items())


def _is_near(scores: npt.NDArray[np.float32], expected: npt.NDArray[np.float32]) -> bool:
    import numpy as np

    distance = np.linalg.norm(scores - expected) / np.linalg.norm(expected)
    return bool(distance <= LARGEST_DIFFERENCE)
