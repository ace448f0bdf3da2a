"""A frozen graph's file, parsed by TensorFlow. Runs in the toolchain's child process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from resnet50_bench.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path


def read_graph(path: Path) -> Any:
    """Read a GraphDef from a file.

    Raises:
        ModelError: the file cannot be read, or is no GraphDef.
    """
    import tensorflow as tf
    from google.protobuf.message import DecodeError

    graph = tf.compat.v1.GraphDef()
    try:
        graph.ParseFromString(path.read_bytes())
    except OSError as error:
        raise ModelError(f"cannot read the model {path}: {error.strerror}") from error
    except DecodeError as error:
        raise ModelError(
            f"{path} is not a TensorFlow graph, or only a part of one",
            "the file must be a frozen GraphDef (.pb); download it again if it was cut short",
        ) from error
    if not graph.node:
        raise ModelError(f"{path} holds no graph: it has no nodes")
    return graph
