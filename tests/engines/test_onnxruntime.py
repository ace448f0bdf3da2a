import importlib.util
import platform

import numpy as np
import pytest
from tests.engines.emulation import skip_if_emulated
from tests.engines.thin_engine import IMAGES, make_thin_engine

from resnet50_bench.config import Precision
from resnet50_bench.engines.base import LoadRequest
from resnet50_bench.engines.onnxruntime.engine import ENGINE, MODEL_FILE
from resnet50_bench.errors import ModelError
from resnet50_bench.model.converters.layers import Kind, read_layers
from resnet50_bench.model.formats.frozen_graph import read_graph
from resnet50_bench.model.graph.nodes import index_nodes

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.skipif(
        importlib.util.find_spec("onnxruntime") is None,
        reason="ONNX Runtime is not installed: pip install 'resnet50-bench[onnxruntime]'",
    ),
]


@pytest.fixture(scope="module")
def thin(thin_path, tmp_path_factory):
    precisions = (Precision.AVX_FP32, Precision.AVX_INT8)
    return make_thin_engine(ENGINE, thin_path, tmp_path_factory.mktemp("cache"), precisions)


def test_float32_answers_are_tensorflows_by_one_caller_by_several_and_by_streams(thin):
    thin.check_answers(4, 3)


def test_8_bit_answers_are_tensorflows_but_for_rounding(thin):
    thin.check_rounded_answers(Precision.AVX_INT8)


def test_fewer_callers_than_threads_share_those_that_the_session_starts(thin):
    one, two = thin.load(), thin.load(threads=4, options={"callers": "2"})
    np.testing.assert_allclose(two.run(IMAGES[:4]), one.run(IMAGES[:4]), atol=1e-6)
    assert "and 2 of the session" in two.evidence().notes[0]
    one.close()
    two.close()


def test_of_streams_the_session_starts_no_threads(thin):
    loaded = thin.load(streams=2)
    assert loaded.evidence().notes == ("operations are computed by the thread that calls",)
    loaded.close()


@pytest.mark.parametrize(
    ("precision", "convolutions"),
    [
        (Precision.AVX_FP32, {"Conv": 37, "Conv[Add]": 16}),
        (Precision.AVX_INT8, {"QLinearConv": 53}),
    ],
)
def test_evidence_counts_the_operations_that_ran(thin, precision, convolutions):
    loaded = thin.load(precision)
    evidence = loaded.evidence()
    loaded.close()
    assert evidence.runtime.startswith("onnxruntime ")
    found = {name: count for name, count in evidence.fused_ops.items() if "Conv" in name}
    assert found == convolutions
    assert "Relu" not in evidence.fused_ops


@pytest.mark.parametrize(
    ("precision", "dtype"), [(Precision.AVX_FP32, "f32"), (Precision.AVX_INT8, "u8s8")]
)
def test_the_traced_query_tells_kernels_and_the_instructions_that_were_seen(thin, precision, dtype):
    skip_if_emulated("what the emulator executes is not what it emulates")
    if platform.machine() != "x86_64":
        pytest.skip("reads instructions of x86-64")
    loaded = thin.load(precision, trace=True)
    loaded.run(IMAGES[:4])
    loaded.run(IMAGES[:4])
    kernels = ENGINE.parse_trace(loaded.list_kernels())
    loaded.close()
    convolutions = [item for item in kernels if item.primitive == "convolution"]
    assert sum(item.calls for item in convolutions) == 53
    assert {item.dtype for item in convolutions} == {dtype}
    assert all(item.isa.startswith(("avx2", "avx512_core")) for item in convolutions)
    assert sum(item.time_share for item in kernels) == pytest.approx(1)


def test_a_file_that_is_no_model_is_told(tmp_path):
    (tmp_path / MODEL_FILE).write_bytes(b"nothing")
    with pytest.raises(ModelError, match="ONNX Runtime cannot load"):
        ENGINE.load(LoadRequest(tmp_path, Precision.AVX_FP32, threads=1, batch_size=1))


def test_layers_are_those_of_the_network_in_an_order_that_can_be_computed(thin_path):
    layers = read_layers(read_graph(thin_path))
    known = {"input_tensor"}
    for layer in layers:
        assert known.issuperset(layer.inputs)
        known.add(layer.name)
    kinds = [layer.kind for layer in layers]
    assert [kinds.count(kind) for kind in Kind] == [53, 16, 1, 1, 1, 1]
    assert sum(layer.relu for layer in layers) == 49
    assert kinds[-1] is Kind.SOFTMAX


def test_an_operation_that_cannot_be_converted_is_named(thin_path):
    graph = read_graph(thin_path)
    node = next(node for node in index_nodes(graph).values() if node.op == "MaxPool")
    node.op = "AvgPool"
    with pytest.raises(ModelError, match=r"operation AvgPool .* cannot be converted"):
        read_layers(graph)
