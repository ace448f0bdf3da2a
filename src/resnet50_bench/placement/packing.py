"""Packs cores into groups of one size, each of which could be an instance.

Each socket is packed by itself: first whole groups inside each memory node, then groups across the
nodes' left-over cores, which is the fewest that can straddle nodes when as many as possible are
placed.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import zip_longest
from typing import TypeAlias

from resnet50_bench.config import CoreKind
from resnet50_bench.host.machine import Core
from resnet50_bench.placement.supply import Supply

Group: TypeAlias = tuple[Core, ...]


def plan_groups(supply: Supply, size: int) -> list[Group]:
    """Every group of cores that could be an instance, in the order to use them.

    Sockets take turns, and where each kind of core has its share of instances, kinds too; else
    the fastest kind comes first.
    """
    of_kind: dict[CoreKind | None, list[list[Group]]] = defaultdict(list)
    left_over: dict[CoreKind | None, list[Core]] = defaultdict(list)
    for (_, kind), cores in supply.pools.items():
        groups, rest = _pack(cores, size)
        of_kind[kind].append(groups)
        left_over[kind] += rest
    spans = supply.request.span_sockets
    spanning = [group for rest in left_over.values() for group in _split(rest, size) if spans]
    if supply.request.instances is None and supply.shares_sockets:
        return _take_turns([row for rows in of_kind.values() for row in rows]) + spanning
    return [group for rows in of_kind.values() for group in _take_turns(rows)] + spanning


def _pack(cores: list[Core], size: int) -> tuple[list[Group], list[Core]]:
    """The groups of one socket, those inside a memory node first, and the cores left over."""
    nodes: dict[int | None, list[Core]] = defaultdict(list)
    for core in cores:
        nodes[core.node].append(core)
    aligned = _take_turns([_split(node_cores, size) for node_cores in nodes.values()])
    remainder = [core for node_cores in nodes.values() for core in _rest(node_cores, size)]
    return aligned + _split(remainder, size), _rest(remainder, size)


def _split(cores: list[Core], size: int) -> list[Group]:
    return [tuple(cores[start : start + size]) for start in range(0, len(cores) - size + 1, size)]


def _rest(cores: list[Core], size: int) -> list[Core]:
    return cores[len(cores) - len(cores) % size :]


def _take_turns(rows: list[list[Group]]) -> list[Group]:
    """The first of every row, then the second of every row, and so on."""
    return [group for turn in zip_longest(*rows) for group in turn if group]
