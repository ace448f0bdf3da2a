import importlib.util
import platform
from dataclasses import replace

import numpy as np
import pytest
from tests.engines.emulation import skip_if_emulated
from tests.engines.test_tensorflow import plain_scores

from resnet50_bench.config import Precision
from resnet50_bench.engines.base import ConvertRequest, LoadRequest
from resnet50_bench.engines.onnxruntime.engine import ENGINE, MODEL_FILE
from resnet50_bench.errors import ModelError
from resnet50_bench.model.converters.layers import Kind, read_layers
from resnet50_bench.model.converters.onnxruntime import convert
from resnet50_bench.model.formats.frozen_graph import read_graph
from resnet50_bench.model.graph.nodes import index_nodes
from resnet50_bench.model.graph.probe import plan_probe_images

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.skipif(
        importlib.util.find_spec("onnxruntime") is None,
        reason="ONNX Runtime is not installed: pip install 'resnet50-bench[onnxruntime]'",
    ),
]

CALIBRATION_IMAGES = 8


@pytest.fixture(scope="module")
def models(thin_path, tmp_path_factory):
    """The thin model in float32 and in 8 bits: precision -> the folder that an engine loads."""
    found = {}
    for precision in (Precision.AVX_FP32, Precision.AVX_INT8):
        output = tmp_path_factory.mktemp(precision.value)
        count = CALIBRATION_IMAGES if ENGINE.forms[precision].calibrates else 0
        images = plan_probe_images(count, seed=3) if count else np.empty((0, 224, 224, 3), "f4")
        convert(ConvertRequest(graph=thin_path, precision=precision, output=output, images=images,
                               on_progress=lambda _: None))  # fmt: skip
        found[precision] = output
    return found


def request(models, precision=Precision.AVX_FP32, **changes):
    load = LoadRequest(models[precision], precision, threads=2, batch_size=4)
    return replace(load, **changes)


def test_float32_answers_are_tensorflows(models, thin_path):
    images = plan_probe_images(4, seed=1)
    loaded = ENGINE.load(request(models))
    np.testing.assert_allclose(loaded.run(images), plain_scores(thin_path, images), atol=1e-6)
    loaded.close()


def test_8_bit_answers_are_tensorflows_but_for_rounding(models, thin_path):
    images = plan_probe_images(4, seed=1)
    loaded = ENGINE.load(request(models, Precision.AVX_INT8))
    scores, expected = loaded.run(images), plain_scores(thin_path, images)
    loaded.close()
    assert np.abs(scores - expected).max() > 1e-6
    assert np.abs(scores - expected).sum(axis=1).mean() / 2 < 0.3


@pytest.mark.parametrize(("threads", "callers"), [(2, "2"), (4, "2")])
def test_callers_answer_as_one_does_also_of_a_batch_that_does_not_divide(models, threads, callers):
    images = plan_probe_images(5, seed=1)
    one = ENGINE.load(request(models, batch_size=5))
    several = ENGINE.load(
        request(models, batch_size=5, threads=threads, options={"callers": callers})
    )
    np.testing.assert_allclose(several.run(images), one.run(images), atol=1e-6)
    one.close()
    several.close()


def test_streams_share_a_session_that_starts_no_threads(models):
    images = plan_probe_images(4, seed=1)
    loaded = ENGINE.load(request(models, streams=2))
    expected = loaded.run(images)
    for threads in (1, 2):
        np.testing.assert_allclose(loaded.open_stream(threads)(images), expected, atol=1e-6)
    assert loaded.evidence().notes == ("operations are computed by the thread that calls",)
    loaded.close()


@pytest.mark.parametrize(
    ("precision", "convolutions"),
    [
        (Precision.AVX_FP32, {"Conv": 37, "Conv[Add]": 16}),
        (Precision.AVX_INT8, {"QLinearConv": 53}),
    ],
)
def test_evidence_counts_the_operations_that_ran(models, precision, convolutions):
    loaded = ENGINE.load(request(models, precision))
    evidence = loaded.evidence()
    loaded.close()
    assert evidence.runtime.startswith("onnxruntime ")
    found = {name: count for name, count in evidence.fused_ops.items() if "Conv" in name}
    assert found == convolutions
    assert "Relu" not in evidence.fused_ops


@pytest.mark.parametrize(
    ("precision", "dtype"), [(Precision.AVX_FP32, "f32"), (Precision.AVX_INT8, "u8s8")]
)
def test_the_traced_query_tells_kernels_and_the_instructions_that_were_seen(
    models, precision, dtype
):
    skip_if_emulated("what the emulator executes is not what it emulates")
    if platform.machine() != "x86_64":
        pytest.skip("reads instructions of x86-64")
    images = plan_probe_images(4, seed=1)
    loaded = ENGINE.load(request(models, precision, trace=True))
    loaded.run(images)
    loaded.run(images)
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
