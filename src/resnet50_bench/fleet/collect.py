"""The records of many nodes -> one result, or why they are not one.

Every node measured by its own clock: its throughput is over its own window, the total is the sum,
and latency is taken over the queries of all of them, as in a run that MPI starts on many hosts.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import msgspec

from resnet50_bench.config import RunConfig
from resnet50_bench.errors import ConfigError, ExitCode, RecordError
from resnet50_bench.files.paths import describe_problem, is_folder, read_content
from resnet50_bench.results.files import RECORD_FILE, RECORD_MARK, decode_record, read_record
from resnet50_bench.results.kpi import Kpis, compute_kpis, reported, run_kpis
from resnet50_bench.results.record import Record
from resnet50_bench.verdict.judge import Verdict, judge

_MAY_DIFFER = frozenset(
    {"platform", "timeout_s", "verbose", "hostfile", "dataset", "labels", "model"}
)
"""What was asked and changes nothing that is measured; of paths the contents are compared."""

_SHOWN = 4


@dataclass(frozen=True, slots=True)
class NodeRun:
    """What one node measured.

    Attributes:
        source: where the record was found.
        record: the record.
        verdict: on it alone.
    """

    source: Path
    record: Record
    verdict: Verdict

    @property
    def name(self) -> str:
        """The node's, or in a cluster the pod's."""
        return self.record.host.hostname


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """What the nodes reached together.

    Attributes:
        nodes: by name.
        kpis: of all; None when a node has none, and in accuracy mode.
        missing: how many nodes that were to report did not.
    """

    nodes: tuple[NodeRun, ...]
    kpis: Kpis | None
    missing: int = 0

    @property
    def exit_code(self) -> int:
        """The worst of the nodes'; a node that is missing has failed."""
        worst = max(node.verdict.exit_code for node in self.nodes)
        return max(worst, ExitCode.FAILURE) if self.missing else worst


def read_nodes(paths: Sequence[Path]) -> list[NodeRun]:
    """Read the records in and below folders, and those that stand in the logs of containers.

    Raises:
        RecordError: a path does not exist, a record cannot be read, or a path holds none.
    """
    records: dict[Path, list[Record]] = {}
    for path in paths:
        found = dict(_read_folder(path) if is_folder(path) else [(path, _read_file(path))])
        if not any(found.values()):
            raise RecordError(
                f"no record in {path}",
                f"give folders that hold {RECORD_FILE}, or logs of pods that printed their records",
            )
        records |= {source.resolve(): items for source, items in found.items()}
    runs = [
        NodeRun(source, item, judge(item)) for source, items in records.items() for item in items
    ]
    return sorted(runs, key=lambda run: (run.name, str(run.source)))


def require_agreement(nodes: Sequence[NodeRun]) -> None:
    """Check that the records are one run's, a node each.

    Raises:
        ConfigError: with everything in which they contradict each other.
    """
    problems = [text for what, read in _list_aspects() for text in _compare(nodes, what, read)]
    by_name: dict[str, list[NodeRun]] = defaultdict(list)
    for node in nodes:
        by_name[node.name].append(node)
    problems += [
        f"{name} is there {len(same)} times: {', '.join(str(item.source) for item in same)}; "
        "give one run of each node"
        for name, same in by_name.items()
        if len(same) > 1
    ]
    if problems:
        raise ConfigError(problems)


def collect(nodes: Sequence[NodeRun], expected: int | None = None) -> Collection:
    """Put together what agrees.

    Args:
        nodes: which `require_agreement` has found to be one run's.
        expected: how many there were to be; None when that is not known.
    """
    kpis = None
    if all(run_kpis(node.record) is not None for node in nodes):
        instances = [
            replace(item, host=f"{node.name}/{item.host}" if item.host else node.name)
            for node in nodes
            for item in reported(node.record)
        ]
        kpis = compute_kpis(instances, nodes[0].record.workload.batch_size)
    missing = max(0, (expected or 0) - len(nodes))
    return Collection(nodes=tuple(nodes), kpis=kpis, missing=missing)


_Read = Callable[[Record], object]


def _list_aspects() -> Iterator[tuple[str, _Read]]:
    """What must be the same in all records, and how to read it."""
    yield "version of resnet50-bench", lambda record: record.tool_version
    for field in fields(RunConfig):
        if field.name not in _MAY_DIFFER:
            yield field.name, _read_config(field.name)
    yield "amounts", lambda record: msgspec.to_builtins(record.workload)
    yield "CPU model", lambda record: record.host.cpu_model
    yield "usable cores", lambda record: record.host.physical_cores
    yield "instances", lambda record: [slot.cores for slot in record.placement.slots]
    yield "emulated", lambda record: record.emulated
    yield (
        "SHA-256 of the prepared model",
        lambda record: record.model.loaded.sha256 if record.model is not None else None,
    )
    yield "runtime", lambda record: record.runtime
    yield "images", lambda record: record.dataset.images if record.dataset is not None else None
    yield (
        "evaluated images",
        lambda record: hash(record.evaluation.images) if record.evaluation is not None else None,
    )


def _read_config(name: str) -> _Read:
    return lambda record: getattr(record.config, name)


def _compare(nodes: Sequence[NodeRun], what: str, read: _Read) -> Iterator[str]:
    by_value: dict[str, list[str]] = defaultdict(list)
    for node in nodes:
        if what == "runtime" and node.record.status != "completed":
            continue  # an instance that was lost tells nothing
        value = read(node.record)
        by_value[str(getattr(value, "value", value))].append(node.name)
    if len(by_value) > 1:
        rows = (f"{value} on {_list_names(names)}" for value, names in by_value.items())
        yield f"the nodes contradict each other: {what} is {'; '.join(rows)}"


def _list_names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _read_folder(top: Path) -> Iterator[tuple[Path, list[Record]]]:
    for name, folders, files in os.walk(top):
        folders[:] = sorted(folder for folder in folders if not folder.startswith("."))
        if RECORD_FILE in files:
            yield Path(name), [read_record(Path(name))]


def _read_file(path: Path) -> list[Record]:
    """The record a file is, or those that a container's log holds."""
    if path.suffix == ".json":
        return [read_record(path)]
    try:
        text = read_content(path).decode(errors="replace")
    except (OSError, ValueError) as error:
        raise RecordError(f"{path} cannot be read: {describe_problem(error)}") from error
    lines = (line.partition(RECORD_MARK) for line in text.splitlines())
    return [decode_record(found.encode(), path) for _, mark, found in lines if mark]
