"""Which stretches of a chain go depth first on this host, and where the answer is kept.

    <kept>/<key>.json      one answer: a host, the library, a network, and how its chains run

A stretch goes depth first where the best of the ways was faster than layer by layer in so many
rounds that chance does not do it, and by as much as matters.
"""

from __future__ import annotations

import hashlib
import os
import statistics
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

import msgspec

from resnet50_bench.engines.onednn.ways import Way, find_stretches, list_ways, plan_stretch
from resnet50_bench.files.atomic import write_atomically
from resnet50_bench.host.kernel_files import LIVE_ROOT, read_text, search
from resnet50_bench.host.machine import short_list
from resnet50_bench.stats.proportions import sign_test

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from resnet50_bench.engines.onednn.plan import Step
    from resnet50_bench.engines.onednn.ways import Stretch

METHOD_VERSION = 1
"""Raised whenever the same host could get another answer."""

LEVEL = 0.001
"""Of the sign test over the rounds: a choice makes up to twenty of them. Of 15 rounds one may be
lost."""

SMALLEST_GAIN = 0.003
"""Less of a stretch's time is not worth another order."""

BY_LAYERS = "layer by layer"

_KEY_DIGITS = 32
_SWAYING = ("ONEDNN_", "DNNL_", "OMP_", "GOMP_")
_TRACE = "VERBOSE"
"""What is traced must be what was measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What a choice is made for.

    Attributes:
        images: that go through a chain together.
        threads: that compute a chain.
        chains: of this process at the same time.
        cpus: that they may use.
        instances: of the run on this host.
    """

    images: int
    threads: int
    chains: int
    cpus: tuple[int, ...]
    instances: int


@dataclass(frozen=True, slots=True)
class Times:
    """What the rounds took, in seconds.

    Attributes:
        whole: stretch -> layer by layer, in each round.
        ways: of each way likewise.
    """

    whole: Mapping[str, Sequence[float]]
    ways: Mapping[Way, Mapping[str, Sequence[float]]]


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """What was found for a stretch.

    Attributes:
        stretch: its name.
        way: that was best of those there are; None where there is none.
        gain: the share of the time layer by layer that it saves, the median of the rounds.
        won: rounds in which it was faster.
        taken: whether the stretch goes so.
    """

    stretch: str
    way: Way | None = None
    gain: float = 0.0
    won: int = 0
    taken: bool = False


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """How the stretches of a chain are computed.

    Attributes:
        origin: what made it, for people: `as asked for`, `measured ...`.
        trials: of each stretch; () where all goes layer by layer unmeasured.
        rounds: that were measured, of all chains together.
        version: of the method.
    """

    origin: str
    trials: tuple[Trial, ...] = ()
    rounds: int = 0
    version: int = METHOD_VERSION

    @property
    def ways(self) -> dict[str, Way]:
        """Of the stretches that go depth first, by their names."""
        return {item.stretch: item.way for item in self.trials if item.taken and item.way}


def decide(steps: Sequence[Step], images: int, times: Sequence[Times], origin: str) -> Choice:
    """Return the choice that measured times speak for.

    Args:
        steps: of the chain.
        images: that go through it together.
        times: of each of the chains that were measured at the same time.
        origin: for the choice.
    """
    trials = tuple(_try(stretch, images, times) for stretch in find_stretches(steps))
    rounds = sum(len(next(iter(item.whole.values()), ())) for item in times)
    return Choice(origin=origin, trials=trials, rounds=rounds)


def choose_all(steps: Sequence[Step], images: int, cache_bytes: int) -> Choice:
    """Return the choice that takes every stretch depth first that can be, unmeasured."""
    found = {}
    for stretch in find_stretches(steps):
        ways = list_ways(stretch, images, cache_bytes)
        if ways:
            found[stretch.name] = ways[0]
    trials = (Trial(stretch=name, way=way, taken=True) for name, way in found.items())
    return Choice(origin="as asked for, not measured", trials=tuple(trials))


def describe_choice(choice: Choice, steps: Sequence[Step], images: int) -> str:
    """Say in one line what goes depth first, by which tiles, what that gains, and who says so."""
    stretches = {stretch.name: stretch for stretch in find_stretches(steps)}
    parts = [
        part
        for trial in choice.trials
        if trial.stretch in stretches
        for part in _describe_trial(trial, stretches[trial.stretch], images, choice.rounds)
    ]
    rest = "all" if not choice.ways else "the rest"
    return f"{'; '.join([*parts, f'{rest} {BY_LAYERS}'])} ({choice.origin})"


def plan_place(folder: Path, identity: Sequence[str], situation: Situation) -> Path:
    """Return where the answer for a situation on this host lies.

    The key changes with all that changes what is best, so that an answer is never that of another
    machine: a home folder, and the cache in it, may be one on many hosts.

    Args:
        folder: of all answers.
        identity: of the library, the precision and the network.
        situation: what it is for.
    """
    parts = [METHOD_VERSION, *identity, *astuple(situation), *_list_host(LIVE_ROOT)]
    key = hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:_KEY_DIGITS]
    return folder / f"{key}.json"


def read_kept(path: Path) -> Choice | None:
    """Return the answer that is kept; None where there is none, or none that can be believed."""
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=Choice)
    except (OSError, ValueError):  # msgspec's errors are ValueErrors
        return None
    return kept if kept.version == METHOD_VERSION else None


def keep(path: Path, choice: Choice) -> str | None:
    """Write the answer; returns why that cannot be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, msgspec.json.encode(choice) + b"\n")
    except OSError as error:
        return f"{path.parent}: {error.strerror}"
    return None


def describe_situation(situation: Situation) -> str:
    """Say it in words."""
    together = f"{situation.images} images together" if situation.images > 1 else "one image"
    return f"{together} on CPUs {short_list(situation.cpus)}"


def _try(stretch: Stretch, images: int, times: Sequence[Times]) -> Trial:
    """Return what the rounds say of a stretch."""
    found = []
    ways = {way for item in times for way in item.ways}
    for way in sorted(ways, key=lambda way: (way.chained, way.cache_bytes)):
        if all(len(item.steps) == 1 for item in plan_stretch(stretch, images, way)):
            continue  # nothing of it fits so
        ratios = [
            taken / whole
            for item in times
            if way in item.ways
            for taken, whole in zip(item.ways[way][stretch.name], item.whole[stretch.name])
        ]
        found.append((statistics.median(ratios), sum(ratio < 1 for ratio in ratios), ratios, way))
    if not found:
        return Trial(stretch=stretch.name)
    median, won, ratios, way = min(found, key=lambda item: item[0])
    lost = len(ratios) - won
    taken = 1 - median >= SMALLEST_GAIN and won > lost and sign_test(won, lost) < LEVEL
    return Trial(stretch=stretch.name, way=way, gain=1 - median, won=won, taken=taken)


def _describe_trial(trial: Trial, stretch: Stretch, images: int, rounds: int) -> Iterator[str]:
    if trial.way is None or not trial.taken:
        return
    passes = [item for item in plan_stretch(stretch, images, trial.way) if len(item.steps) > 1]
    tiles = ", ".join(dict.fromkeys(item.describe() for item in passes))
    count = f"{len(passes)} passes" if len(passes) > 1 else "one pass"
    text = f"{trial.stretch} depth first in {count}, tiles of {tiles}"
    if rounds:
        text += f": {trial.gain:.1%} less time, less in {trial.won} of {rounds} rounds"
    yield text


def _list_host(root: Path) -> list[str | None]:
    """What tells this host, its CPU and how the library was told to compute."""
    cpuinfo = read_text(root / "proc/cpuinfo")
    names = ("model name", "cpu family", "model", "stepping", "microcode", "flags", "Features")
    told = sorted(
        f"{name}={text}"
        for name, text in os.environ.items()
        if name.startswith(_SWAYING) and _TRACE not in name
    )
    return [
        read_text(root / "proc/sys/kernel/hostname"),
        read_text(root / "proc/sys/kernel/osrelease"),
        *(search(cpuinfo, rf"^{name}\s*: (.+)") for name in names),
        *told,
    ]
