"""The description of a system and of an implementation, as far as a record tells."""

from __future__ import annotations

import platform
import re
from typing import TYPE_CHECKING

from resnet50_bench.precision.meaning import plan_meaning

if TYPE_CHECKING:
    from resnet50_bench.results.record import Record

_GIB = 1024**3

LEFT_TO_THE_SUBMITTER = (
    "host_processor_frequency",
    "host_processor_caches",
    "host_processor_interconnect",
    "host_memory_configuration",
    "host_storage_type",
    "host_storage_capacity",
    "host_networking",
    "host_networking_topology",
    "host_network_card_count",
    "cooling",
    "hw_notes",
)
"""Fields that the rules ask for, and no program can know: they are written empty."""

_NO_ACCELERATOR = (
    "accelerator_model_name",
    "accelerator_memory_capacity",
    "accelerator_frequency",
    "accelerator_host_interconnect",
    "accelerator_interconnect",
    "accelerator_interconnect_topology",
    "accelerator_memory_configuration",
    "accelerator_on-chip_memories",
)


def name_system(record: Record) -> str:
    """Return the system's name in a submission: letters, digits and `-_.` alone."""
    sockets = max(1, len(record.host.sockets))
    text = f"{sockets}x{record.host.cpu_model}-{record.config.precision.value}"
    return re.sub(r"[^A-Za-z0-9._-]+", "_", text).strip("_")


def describe_system(record: Record, submitter: str) -> dict[str, str]:
    """Return the fields of `systems/NAME.json`."""
    host = record.host
    sockets = max(1, len(host.sockets))
    fields = {
        "division": "open",
        "submitter": submitter,
        "status": "available",
        "system_name": name_system(record),
        "system_type": "edge",
        "system_type_detail": "",
        "number_of_nodes": "1",
        "host_processors_per_node": str(sockets),
        "host_processor_model_name": host.cpu_model,
        "host_processor_core_count": str(host.total_cores // sockets),
        "host_memory_capacity": f"{host.memory_total_bytes / _GIB:.0f} GiB",
        "accelerators_per_node": "0",
        "framework": record.runtime,
        "operating_system": platform.platform(terse=True),
        "other_software_stack": f"resnet50-bench {record.tool_version}",
        "sw_notes": "",
    }
    fields |= dict.fromkeys(_NO_ACCELERATOR, "N/A")
    return fields | dict.fromkeys(LEFT_TO_THE_SUBMITTER, "")


def describe_implementation(record: Record) -> dict[str, str]:
    """Return the fields of `measurements.json`."""
    dtype = plan_meaning(record.config.precision, record.host.cpu_flags).dtype
    source = record.model.source.name if record.model is not None else "none"
    return {
        "input_data_types": "fp32",
        "retraining": "No",
        "starting_weights_filename": source,
        "weight_data_types": dtype,
        "weight_transformations": "batch norm folded"
        + (", quantized after training" if "int8" in record.config.precision.value else ""),
    }
