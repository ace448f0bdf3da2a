"""TensorFlow with oneDNN: one session, the prepared frozen graph, threads inside it.

`count_fused_ops` and the graph's names need no TensorFlow; `load` imports it.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from resnet50_bench.config import Precision
from resnet50_bench.engines.base import (
    Evidence,
    Extra,
    Form,
    Images,
    KernelShare,
    Loaded,
    LoadRequest,
    Scores,
)
from resnet50_bench.engines.callers import CalledModel, SplittingEngine, plan_calls
from resnet50_bench.engines.onednn_trace import TRACE_ENVIRONMENT, parse_trace
from resnet50_bench.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from resnet50_bench.engines.callers import Call

INPUT_NAME = "input_tensor"
"""The graph's input: float32 NHWC `(N, 224, 224, 3)`."""

OUTPUT_NAME = "softmax_tensor"
"""The graph's output: float32 `(N, 1001)`."""

_ONEDNN_PREFIXES = ("_MklNative", "_Mkl", "_Zen")
_PLUMBING = frozenset({"Const", "_Arg", "_Retval", "NoOp", "Placeholder", "Identity"})
_FUSIBLE = ("Conv2D", "BiasAdd", "Add", "AddV2", "Relu", "Pad", "Transpose")
_INT8_CONVOLUTION = "QuantizedConv2D"
_INT8_FUSED = re.compile("Bias|Sum|Relu|Requantize")
_FPMATH_MODE = {
    Precision.AVX_FP32: "STRICT",
}
"""Whether oneDNN may compute float32 in fewer bits; `STRICT` forbids it."""


class TensorFlowEngine(SplittingEngine):
    """Runs the graph in one `tf.compat.v1.Session`."""

    name = "tensorflow"
    extra: Extra | None = Extra(
        name="tensorflow",
        packages=(("tensorflow-cpu", "tensorflow", "tensorflow-cpu-aws", "intel-tensorflow"),),
    )
    forms: Mapping[Precision, Form] = {item: Form(graph=item) for item in Precision}
    trace_environment: Mapping[str, str] = TRACE_ENVIRONMENT

    def environment(self, precision: Precision, threads: int) -> dict[str, str]:
        """The variables TensorFlow and oneDNN read once, when they are loaded.

        TensorFlow reads `TF_SET_ONEDNN_FPMATH_MODE` for its own operations,
        `ONEDNN_DEFAULT_FPMATH_MODE` is oneDNN's default for what TensorFlow leaves open.
        `TF_ENABLE_ZENDNN_OPTS` turns off the plug-in zentf, which TensorFlow loads wherever it is
        installed.
        `TF_ONEDNN_THREADPOOL_USE_CALLER_THREAD` lets the thread that calls an operation compute
        its part instead of sleeping until the pool has (TensorFlow's onednn_threadpool.h; it
        asks that the caller may run on as many CPUs as the pool has threads).
        """
        variables = {
            "OMP_NUM_THREADS": str(threads),
            "TF_NUM_INTRAOP_THREADS": str(threads),
            "TF_NUM_INTEROP_THREADS": "1",
            "TF_ONEDNN_THREADPOOL_USE_CALLER_THREAD": "1",
            "TF_ENABLE_ONEDNN_OPTS": "1",
            "TF_ENABLE_ZENDNN_OPTS": "0",
            "TF_CPP_MIN_LOG_LEVEL": "1",
            "CUDA_VISIBLE_DEVICES": "-1",
        }
        mode = _FPMATH_MODE.get(precision)
        if mode is not None:
            variables["ONEDNN_DEFAULT_FPMATH_MODE"] = mode
        return variables

    def parse_trace(self, lines: Iterable[str]) -> tuple[KernelShare, ...]:
        """Read oneDNN's trace."""
        return parse_trace(lines).kernels

    def load(self, request: LoadRequest) -> Loaded:
        """Import TensorFlow and load the graph.

        Raises:
            ConfigError: the callers do not divide the threads, or exceed the batch.
            ModelError: the file is not a graph TensorFlow can read.
        """
        calls = plan_calls(request)
        path = request.require_model(self.name)
        import tensorflow as tf

        graph = read_graph(tf, path)
        session = open_session(tf, graph, threads=plan_pool(request.threads, calls.at_once))
        return CalledModel(GraphSession(tf, session), calls)


class GraphSession:
    """The graph in a session, with any number of images; a query is one `Session` call.

    Operations are started by the thread that calls and compute in it too. So several callers each
    keep to cores of their own, and one caller hands nothing to a second thread between operations.

    Args:
        tf: the module.
        session: with the graph.
    """

    def __init__(self, tf: Any, session: Any) -> None:
        from tensorflow.core.protobuf import config_pb2

        self._tf = tf
        self._session = session
        options = config_pb2.CallableOptions(feed=[f"{INPUT_NAME}:0"], fetch=[f"{OUTPUT_NAME}:0"])
        options.run_options.inter_op_thread_pool = -1  # "the caller's thread" (config.proto)
        self._call = session._make_callable_from_options(options)

    def find(self, images: int) -> Call:
        """Return what classifies. Arrays aligned to 64 bytes are read in place, others copied."""
        run = self._call

        def call(batch: Images) -> Scores:
            scores: Scores = run(batch)[0]
            return scores

        return call

    def evidence(self, images: int) -> Evidence:
        """Run one batch of zeros and read the graph TensorFlow really executed.

        The call is one of its own, with the session, feed and fetch of a query: TensorFlow
        optimizes the graph per feed and fetch, so it is the graph that a query executes.
        """
        import numpy as np

        metadata = self._tf.compat.v1.RunMetadata()
        self._session.run(
            f"{OUTPUT_NAME}:0",
            {f"{INPUT_NAME}:0": np.zeros((images, 224, 224, 3), np.float32)},
            options=self._tf.compat.v1.RunOptions(output_partition_graphs=True),
            run_metadata=metadata,
        )
        return Evidence(
            runtime=f"tensorflow {self._tf.__version__}",
            fused_ops=count_fused_ops(
                node for graph in metadata.partition_graphs for node in graph.node
            ),
        )

    def list_kernels(self) -> Iterable[str]:
        """Return nothing: oneDNN prints them."""
        return ()

    def close(self) -> None:
        """Close the session."""
        self._session.close()


ENGINE = TensorFlowEngine()


def count_fused_ops(nodes: Iterable[Any]) -> dict[str, int]:
    """Count the operations of an executed graph by what was fused into them.

    A convolution with bias and activation counts as `Conv2D[BiasAdd,Relu]`, whether or not a Pad
    was fused in front of it; those that have one count under `Pad[Conv2D]` as well. 8-bit
    convolutions count alike, e.g. `QuantizedConv2D[BiasAdd,Sum,Relu,Requantize]`. oneDNN's
    prefixes (`_MklNative`, `_Mkl`) and `_Fused` are left off.
    """
    counts: Counter[str] = Counter()
    for node in nodes:
        if node.op in _PLUMBING:
            continue
        name = node.op
        for prefix in _ONEDNN_PREFIXES:
            name = name.removeprefix(prefix)
        if name.startswith("PadWith"):
            counts["Pad[Conv2D]"] += 1
            name = name.removeprefix("PadWith")
        counts[_describe_operation(name, node)] += 1
    return dict(sorted(counts.items()))


def find_unfused(fused_ops: Mapping[str, int]) -> dict[str, int]:
    """Return those of `count_fused_ops` that could be a part of a convolution, and are not.

    Each of them reads and writes all activations once more. Which there are depends on the CPU:
    TensorFlow fuses nothing in a data type for which oneDNN has no kernels there.
    """
    return {name: fused_ops[name] for name in _FUSIBLE if name in fused_ops}


def _describe_operation(name: str, node: Any) -> str:
    fused = [text.decode() for text in node.attr["fused_ops"].list.s]
    if fused:
        name = name.removeprefix("_").removeprefix("Fused")
    elif name.startswith(_INT8_CONVOLUTION):
        # 8-bit operations carry what they fuse in their names: ...WithBiasSumAndReluAndRequantize.
        steps = _INT8_FUSED.findall(name)
        fused = ["BiasAdd" if step == "Bias" else step for step in steps]
        name = _INT8_CONVOLUTION
    return f"{name}[{','.join(fused)}]" if fused else name


def read_graph(tf: Any, path: Path) -> Any:
    """Return the `tf.Graph` in a file.

    Raises:
        ModelError: it holds none that TensorFlow can load.
    """
    definition = tf.compat.v1.GraphDef()
    try:
        definition.ParseFromString(path.read_bytes())
    except OSError as error:
        raise ModelError(f"cannot read the model {path}: {error.strerror}") from error
    except Exception as error:  # protobuf's DecodeError, whose module moved between releases
        raise ModelError(f"{path} is not a TensorFlow graph: {error}") from error
    graph = tf.Graph()
    try:
        with graph.as_default():
            tf.import_graph_def(definition, name="")
        graph.get_tensor_by_name(f"{INPUT_NAME}:0")
        graph.get_tensor_by_name(f"{OUTPUT_NAME}:0")
    except (KeyError, ValueError) as error:
        raise ModelError(f"TensorFlow cannot load the graph in {path}: {error}") from error
    return graph


def plan_pool(threads: int, calls: int) -> int:
    """Return how many threads TensorFlow's one pool needs for calls made at the same time.

    With a call for each thread an operation stays in the thread that calls, and needs no pool.
    With fewer every operation is cut into as many parts as the pool has threads, and shared out
    to all of them: a pool of less leaves cores idle.

    Args:
        threads: of the instance.
        calls: at the same time, at most one for each thread.
    """
    return 1 if calls == threads else threads


def open_session(tf: Any, graph: Any, *, threads: int, plugins: bool = False) -> Any:
    """Open a session whose operations compute with a pool of `threads`.

    Without `plugins` a plug-in that is installed has no say in it: zentf's turns TensorFlow's own
    remapping off, and with it the fusions, even where its kernels are turned off.

    Remapping is set to AGGRESSIVE because only then does grappler trust the fed input's shape.
    With the default it cannot see that the two sides of the Add in the first block of stages 2-4
    have one shape, and leaves 3 of the 16 Adds unfused.
    """
    config = tf.compat.v1.ConfigProto(
        intra_op_parallelism_threads=threads, inter_op_parallelism_threads=1
    )
    rewrites = config.graph_options.rewrite_options
    rewrites.remapping = type(rewrites).AGGRESSIVE
    if not plugins:
        rewrites.use_plugin_optimizers = type(rewrites).OFF
    return tf.compat.v1.Session(graph=graph, config=config)
