"""What is not the same in two measured runs, and how much it matters to their speed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resnet50_bench.results.record import Record


class Weight(str, Enum):
    """How much a difference matters to a comparison of speeds."""

    FORBIDS = "forbids"
    """Another thing is measured: only whoever asks for just that may compare them."""
    SWAYS = "sways"
    """It may change the speed by any amount: it is what is compared, or it is in the way."""
    AMOUNT = "amount"
    """It changes how much was measured, and so how well the speed is known, but not the speed."""


UNKNOWN = "not known"
"""What a record of before it was read says of a setting."""


@dataclass(frozen=True, slots=True)
class Property:
    """Something in which runs may differ.

    Attributes:
        what: in a few words.
        weight: of a difference.
        read: its value in a record; `UNKNOWN` differs from nothing.
        found: it was not asked for: it is the machine's, or of what is installed there.
    """

    what: str
    weight: Weight
    read: Callable[[Record], object]
    found: bool = False

    def show(self, record: Record) -> str:
        """Return its value in a record as a text."""
        return _show(self.read(record))


@dataclass(frozen=True, slots=True)
class SpeedDifference:
    """A property that is not the same in all runs that are compared.

    Attributes:
        what: in a few words.
        weight: how much it matters.
        values: of each side; several in one side are joined by ` and `.
    """

    what: str
    weight: Weight
    values: tuple[str, ...]


def _of_config(name: str) -> Callable[[Record], object]:
    return lambda record: getattr(record.config, name)


def _of_settings(name: str) -> Callable[[Record], object]:
    def read(record: Record) -> object:
        settings = record.host.settings
        return UNKNOWN if settings is None else getattr(settings, name)

    return read


def _name_nodes(record: Record) -> object:
    host = record.host
    with_cpus = sum(bool(node.cpus) for node in host.nodes)
    return f"{with_cpus} on {host.total_sockets} sockets"


def _name_memory(record: Record) -> object:
    return f"{record.host.memory_total_bytes / 2**30:.0f} GiB"


def name_model(record: Record) -> str:
    """Return the name and hash of the graph that a run's model was made of."""
    if record.model is None:
        return "none"
    return f"{record.model.source.name} (sha256 {record.model.source.sha256[:12]})"


def _name_cores(record: Record) -> object:
    host = record.host
    return f"{host.physical_cores} cores on {len(host.sockets)} sockets"


def _name_amount(record: Record) -> object:
    workload = record.workload
    return f"{workload.steps} queries and {workload.min_time_ns / 1e9:g} s at least"


def _name_other_cpus(record: Record) -> str | None:
    """Where a run had hosts of several kinds."""
    models = sorted(item.host.cpu_model for item in record.others)
    return ", ".join(models) if set(models) - {record.host.cpu_model} else None


_HOST = "host name"

PROPERTIES: tuple[Property, ...] = (
    Property("mode", Weight.FORBIDS, lambda record: record.measures),
    Property("CPU", Weight.FORBIDS, lambda record: record.host.cpu_model, found=True),
    Property("CPUs of further hosts", Weight.FORBIDS, _name_other_cpus, found=True),
    Property("usable cores", Weight.FORBIDS, _name_cores, found=True),
    Property("model", Weight.FORBIDS, name_model),
    Property("precision", Weight.FORBIDS, lambda record: record.config.precision.value),
    Property(_HOST, Weight.SWAYS, lambda record: record.host.hostname, found=True),
    Property("kernel", Weight.SWAYS, lambda record: record.host.kernel, found=True),
    Property("BIOS", Weight.SWAYS, _of_settings("bios"), found=True),
    Property("microcode", Weight.SWAYS, _of_settings("microcode"), found=True),
    Property("memory", Weight.SWAYS, _name_memory, found=True),
    Property("memory nodes", Weight.SWAYS, _name_nodes, found=True),
    Property("hardware threads", Weight.SWAYS, lambda record: record.host.online_cpus, found=True),
    Property("governor", Weight.SWAYS, lambda record: record.host.governor, found=True),
    Property("frequency driver", Weight.SWAYS, _of_settings("frequency_driver"), found=True),
    Property("energy preference", Weight.SWAYS, _of_settings("energy_preference"), found=True),
    Property("idle driver", Weight.SWAYS, _of_settings("idle_driver"), found=True),
    Property("turbo", Weight.SWAYS, lambda record: record.host.turbo, found=True),
    Property(
        "huge pages", Weight.SWAYS, lambda record: record.host.transparent_hugepage, found=True
    ),
    Property("NUMA balancing", Weight.SWAYS, lambda record: record.host.numa_balancing, found=True),
    Property("boot options", Weight.SWAYS, _of_settings("boot_options"), found=True),
    Property(
        "virtual machine", Weight.SWAYS, lambda record: record.host.virtualization, found=True
    ),
    Property("CPU quota", Weight.SWAYS, lambda record: record.host.quota_cpus, found=True),
    Property("runtime", Weight.SWAYS, lambda record: record.runtime, found=True),
    Property("r50 version", Weight.SWAYS, lambda record: record.tool_version, found=True),
    Property("batch size", Weight.SWAYS, lambda record: record.workload.batch_size),
    Property(
        "cores per instance", Weight.SWAYS, lambda record: record.placement.cores_per_instance
    ),
    Property("instances", Weight.SWAYS, lambda record: record.planned_instances),
    Property("engine options", Weight.SWAYS, _of_config("engine_options")),
    Property("variables", Weight.SWAYS, _of_config("customer_env")),
    Property("allocator", Weight.SWAYS, lambda record: record.config.allocator.value),
    Property("CPU latency limit", Weight.SWAYS, _of_config("cpu_latency_limit_us")),
    Property("SMT", Weight.SWAYS, _of_config("smt")),
    Property("weight sharing", Weight.SWAYS, _of_config("weight_sharing")),
    Property("sockets spanned", Weight.SWAYS, _of_config("span_sockets")),
    Property("core kind", Weight.SWAYS, _of_config("core_kind")),
    Property("emulated", Weight.SWAYS, lambda record: record.emulated),
    Property("MPI", Weight.SWAYS, _of_config("mpi")),
    Property("gramine", Weight.SWAYS, lambda record: record.config.gramine.value),
    Property("oneDNN verbose", Weight.SWAYS, _of_config("onednn_verbose")),
    Property("images", Weight.SWAYS, lambda record: record.config.data_type.value),
    Property("queries or time", Weight.AMOUNT, _name_amount),
    Property("warm-up queries", Weight.AMOUNT, lambda record: record.workload.warmup_steps),
    Property("seed", Weight.AMOUNT, _of_config("seed")),
)


def read_asked(record: Record) -> dict[str, str]:
    """Return what has to be the same in runs whose speeds are to tell of the machine, by name.

    All that forbids a comparison, and what was asked for and sways the speed.
    """
    return {
        item.what: item.show(record)
        for item in PROPERTIES
        if item.weight is Weight.FORBIDS or (item.weight is Weight.SWAYS and not item.found)
    }


def read_found(record: Record) -> dict[str, str]:
    """Return what sways the speed and is of the machine or installed there, by name."""
    return {
        item.what: item.show(record)
        for item in PROPERTIES
        if item.weight is Weight.SWAYS and item.found and item.what != _HOST
    }


def find_speed_differences(sides: Sequence[Sequence[Record]]) -> tuple[SpeedDifference, ...]:
    """Say what is not the same in all runs of all sides; what matters most comes first."""
    found = []
    for item in PROPERTIES:
        values = [list(dict.fromkeys(item.show(run) for run in side)) for side in sides]
        if len({value for side in values for value in side} - {UNKNOWN}) > 1:
            shown = tuple(" and ".join(side) for side in values)
            found.append(SpeedDifference(item.what, item.weight, shown))
    return tuple(found)


def find_mixed(side: Sequence[Record]) -> tuple[Property, ...]:
    """Return in what the runs of one side differ, so that they are not one thing repeated."""
    return tuple(
        item
        for item in PROPERTIES
        if item.weight is not Weight.AMOUNT
        and len({item.show(run) for run in side} - {UNKNOWN}) > 1
    )


def _show(value: object) -> str:
    if isinstance(value, dict):
        return " ".join(f"{name}={text}" for name, text in sorted(value.items())) or "none"
    if isinstance(value, tuple):
        return " ".join(map(str, value)) or "none"
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, bool):
        return "on" if value else "off"
    return "not set" if value is None else str(value)
