"""What memory there is, and how much of it an instance needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resnet50_bench.data.profiles import IMAGE_BYTES

if TYPE_CHECKING:
    from resnet50_bench.engines import Engine
    from resnet50_bench.host.machine import Host

GIB = 1024**3
MIB = 1024**2

RUNTIME_BYTES = 1750 * MIB
"""Resident memory of a worker with TensorFlow and the model, before the first query; measured:
docs/how-a-run-works.md."""

_OWN_RUNTIME_BYTES = {"openvino": 450 * MIB}
"""Of other engines: 0.58 GiB were resident with a batch of 32 in float32 and 128 images."""

BYTES_PER_IMAGE = 8 * MIB
"""Activations TensorFlow holds per image of a batch; measured likewise."""

NULL_ENGINE_BYTES = 100 * MIB
MAX_POOL_BYTES = 2 * GIB
MAX_POOL_MEMORY_SHARE = 0.25


def find_memory_bytes(host: Host) -> int:
    """What this process and its children may use now."""
    limit, available = host.memory_limit_bytes, host.memory_available_bytes
    return available if limit is None else min(limit, available)


def plan_pool_bytes(host: Host, instances: int) -> int:
    """The most memory that one instance's decoded images may take."""
    share = int(find_memory_bytes(host) * MAX_POOL_MEMORY_SHARE / instances)
    return min(MAX_POOL_BYTES, share)


def plan_instance_bytes(engine: Engine, computed: int, held: int) -> int:
    """Estimate: the runtime with activations of so many images, and so many images in memory."""
    if not engine.needs_model:
        return NULL_ENGINE_BYTES + held * IMAGE_BYTES
    runtime = _OWN_RUNTIME_BYTES.get(engine.name, RUNTIME_BYTES)
    return runtime + computed * BYTES_PER_IMAGE + held * IMAGE_BYTES
