"""oneDNN called directly: a chain of its primitives, and nothing between them.

network      what the converter writes and the engine reads: operations and weights
plan         the steps of a chain, with data types
bands        which rows of which step are computed when: passes, tiles, bands
ways         in which ways a chain can be computed: layer by layer, or depth first
choice       which of them a host takes, and where that is kept
race         measures it
arena        where each value of a chain lies: lifetimes, offsets, bytes
memory       mapped memory between two pages that cannot be touched
binding      oneDNN's C API
kernels      a primitive for each operation, and the weights in the layout it asks for
chain        one thread's executions of them
threads      OpenMP's threads and the callers, each on its CPUs
engine       the protocol
"""

from resnet50_bench.engines.onednn.engine import ENGINE

__all__ = ["ENGINE"]
