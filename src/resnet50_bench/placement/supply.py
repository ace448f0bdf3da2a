"""The cores there are to give out: those of the kind asked for, as far as the CPU quota pays.

Instances are packed into pools, each by itself: a socket, or on a hybrid CPU the cores of one kind
on a socket.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from resnet50_bench.config import CoreKind, Mode
from resnet50_bench.errors import PlacementError

if TYPE_CHECKING:
    from resnet50_bench.host.machine import Core, Host
    from resnet50_bench.placement.request import PlacementRequest

Pool: TypeAlias = tuple[int, CoreKind | None]
"""A socket, and a kind of core on it; None where its cores are of one kind."""


@dataclass(frozen=True, slots=True)
class Supply:
    """The cores there are to give out, and to whom.

    Attributes:
        request: who asks.
        pools: usable cores of the kind asked for, of each socket and kind, by node and CPU.
        others: the same of the kinds that were not asked for.
        threads_per_core: hardware threads used on each core.
        budget: how many cores the CPU quota pays for; all of them without a quota.
        quota: the CPU quota behind the budget, for people; "" when it takes nothing away.
    """

    request: PlacementRequest
    pools: dict[Pool, list[Core]]
    others: dict[Pool, list[Core]]
    threads_per_core: int
    budget: int
    quota: str

    @property
    def sizes(self) -> list[int]:
        """The cores of each pool: of each socket, unless the CPU is hybrid."""
        return [len(cores) for cores in self.pools.values()]

    @property
    def spanned(self) -> list[int]:
        """The cores that one instance may have where it may cross sockets: of each kind."""
        counts: dict[CoreKind | None, int] = defaultdict(int)
        for (_, kind), cores in self.pools.items():
            counts[kind] += len(cores)
        return list(counts.values())

    @property
    def kinds(self) -> tuple[CoreKind | None, ...]:
        """Of the pools; (None,) unless the CPU is hybrid."""
        return tuple(dict.fromkeys(kind for _, kind in self.pools))

    @property
    def label(self) -> str:
        """What stands before `cores` for people: the kind, where there is one, e.g. `P `."""
        return label_kind(self.kinds[0]) if len(self.kinds) == 1 else ""

    @property
    def shares_sockets(self) -> bool:
        """Whether nobody asked for a size, and it is a socket's cores over `per_socket`."""
        by_socket = self.request.per_socket is not None or self.request.mode is not Mode.LATENCY
        return self.request.cores_per_instance is None and by_socket

    @property
    def per_socket(self) -> int:
        """How many share a socket where they do."""
        return self.request.per_socket or 1

    def largest_instance(self, *, span_sockets: bool) -> int:
        """How many cores an instance can have at most."""
        return min(max(self.spanned if span_sockets else self.sizes), self.budget)

    def capacity(self, size: int) -> int:
        """How many instances of `size` cores fit."""
        sizes = self.spanned if self.request.span_sockets else self.sizes
        return min(sum(cores // size for cores in sizes), self.budget // size)


def plan_supply(host: Host, request: PlacementRequest) -> Supply:
    """Return the cores there are to give out.

    Raises:
        PlacementError: less than one core or instance is asked for, or a kind of core there is not.
    """
    for flag, value in (
        ("--cores-per-instance", request.cores_per_instance),
        ("--instances", request.instances),
    ):
        if value is not None and value < 1:
            raise PlacementError(f"{flag} is {value}", f"use {flag} 1 or more, or leave it out")
    usable = _choose_cores(host, request.core_kind)
    pools = _pool(usable)
    kinds = {kind for _, kind in pools}
    others = {pool: cores for pool, cores in _pool(host.cores).items() if pool[1] not in kinds}
    # Equal instances: a core whose sibling is not allowed sets the pace for all.
    threads = min(len(core.cpus) for core in usable) if request.use_smt else 1
    if host.quota_cpus is None or host.quota_cpus >= len(usable) * threads:
        return Supply(request, pools, others, threads, len(usable), "")
    budget = max(1, math.floor(host.quota_cpus) // threads)
    quota = f"the CPU quota of {host.quota_cpus:g} CPUs pays for {count_cores(budget)}"
    return Supply(request, pools, others, threads, budget, quota)


def _pool(cores: tuple[Core, ...]) -> dict[Pool, list[Core]]:
    pools: dict[Pool, list[Core]] = defaultdict(list)
    for core in cores:
        pools[core.socket, core.kind].append(core)
    return dict(pools)


def _choose_cores(host: Host, asked: CoreKind | None) -> tuple[Core, ...]:
    """The cores of the kind asked for; where no kind is known, all are of the fastest."""
    kinds = host.core_kinds
    if asked is CoreKind.ANY or (not kinds and asked in {None, CoreKind.P}):
        return host.cores
    kind = asked or kinds[0]
    chosen = tuple(core for core in host.cores if core.kind is kind)
    if chosen:
        return chosen
    found = "this host's cores are of one kind, as far as the kernel tells"
    advice = "leave --core-kind out"
    if kinds:
        labels = " and ".join(item.label for item in kinds)
        found = f"this process may use {labels} cores of this host and no other kind"
        words = ", ".join(item.value for item in kinds)
        advice = f"use --core-kind {words} or any, or leave it out"
    raise PlacementError(f"--core-kind {kind.value}: {found}", advice)


def describe_room(supply: Supply) -> str:
    """Say what there is for instances, of which none mixes kinds of cores."""
    total, most = sum(supply.sizes), max(supply.sizes)
    room = f"this host has {count_cores(total, f'usable physical {supply.label}')}"
    if len(supply.kinds) > 1:
        room += f" of {len(supply.kinds)} kinds, at most {most} of one kind on a socket"
    elif len(supply.sizes) > 1:
        room += f", {most} of them on its largest socket"
    return f"{room}, and {supply.quota}" if supply.quota else room


def count_cores(count: int, kind: str = "") -> str:
    """Return so many cores in words, e.g. `2 usable cores`."""
    return f"{count} {kind}core" + "s" * (count != 1)


def label_kind(kind: CoreKind | None) -> str:
    """Return the kind as it stands before `cores`, e.g. `P `; "" where there is but one."""
    return "" if kind is None else f"{kind.label} "
