import os
import subprocess
import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest
from tests.engines.emulation import CALIBRATION_IMAGES, HELD_OUT_IMAGES
from tests.engines.fusion import fuses_bfloat16

from resnet50_bench.config import Precision
from resnet50_bench.engines.base import LoadRequest
from resnet50_bench.engines.onednn_trace import parse_trace
from resnet50_bench.engines.tensorflow import find_unfused
from resnet50_bench.errors import ModelError
from resnet50_bench.host.amx_probe import probe_amx
from resnet50_bench.host.machine import read_host
from resnet50_bench.model import CalibrationRequest, toolchain
from resnet50_bench.model.calibration import select_calibration
from resnet50_bench.model.formats.frozen_graph import read_graph
from resnet50_bench.model.graph.convolutions import find_convolutions
from resnet50_bench.model.graph.nodes import find_reachable, index_nodes
from resnet50_bench.model.graph.probe import CHANNEL_MEANS, plan_probe_images
from resnet50_bench.model.graph.rewrite import read_constant
from resnet50_bench.model.graph.structure import find_problems, read_structure
from resnet50_bench.model.manifest import Arithmetic
from resnet50_bench.model.protocol import ToolchainRequest
from resnet50_bench.model.quantization.quantize import quantize
from resnet50_bench.model.quantization.ranges import (
    measure_ranges,
    read_calibration_batches,
    read_held_out_images,
)
from resnet50_bench.model.recipes import find_recipe
from resnet50_bench.model.toolchain import answer_request, prepare_graph
from resnet50_bench.precision.meaning import plan_meaning
from resnet50_bench.precision.proof import ProofState, plan_verdict
from resnet50_bench.precision.runnable import plan_runnable

pytestmark = pytest.mark.tensorflow

THIN = 8
BF16, INT8 = Precision.AVX_BFLOAT16, Precision.AVX_INT8
GENERATED = select_calibration(CalibrationRequest(images=CALIBRATION_IMAGES))
FLOAT32_OPS = {"BiasAdd": 1, "MatMul": 1, "Mean": 1, "Softmax": 1, "Squeeze": 1}

STYLES = [
    {},
    {"data_format": "NCHW", "read_nodes": True},
    {"batch_norm_op": "FusedBatchNormV3", "arg_max": False},
]


def prepare_thin(graph, precision, path, calibration=GENERATED, recipe=None):
    load = LoadRequest(path, precision, threads=2, batch_size=2)
    recipe = recipe or find_recipe(precision)
    return prepare_graph(graph, recipe, load, lambda _: None, calibration)


@pytest.fixture(scope="module")
def int8_path(thin_model, tmp_path_factory):
    path = tmp_path_factory.mktemp("int8") / "model.pb"
    prepare_thin(thin_model.build(), INT8, path)
    return path


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """JPEG files with edges and texture, in several sizes, drawn with a fixed seed."""
    folder = tmp_path_factory.mktemp("photographs")
    for index, image in enumerate(plan_probe_images(48, seed=8)):
        levels = np.rint(image + np.float32(CHANNEL_MEANS)).astype(np.uint8)
        resized = cv2.resize(levels, (300 + index, 260), interpolation=cv2.INTER_CUBIC)
        assert cv2.imwrite(str(folder / f"{index:02}.jpg"), resized)
    return folder


# Every precision, every variant of the published graph


@pytest.mark.parametrize("style", STYLES)
def test_int8_convolutions_hold_their_sums_and_stay_close_to_float32(thin_model, tmp_path, style):
    prepared = prepare_thin(thin_model.build(**style), INT8, tmp_path / "model.pb")
    assert prepared.notes == ()
    assert {name: prepared.fused_ops[name] for name in prepared.fused_ops if "Q" in name} == {
        "QuantizeV2": 1,
        "QuantizedConv2D[BiasAdd,Relu,Requantize]": 33,
        "QuantizedConv2D[BiasAdd,Sum,Relu,Requantize]": 16,
        "QuantizedConv2D[BiasAdd,Requantize]": 4,
        "QuantizedMaxPool": 1,
    }
    assert prepared.arithmetic == Arithmetic(
        convolutions={"int8": 53}, fused_sums=16, float32_ops=FLOAT32_OPS
    )
    assert prepared.agreement.images == HELD_OUT_IMAGES
    assert prepared.agreement.bound is None
    assert 1e-3 < prepared.agreement.logits_relative_l2 < 0.5
    assert prepared.structure.convolutions == 53
    assert prepared.structure.stride_in == "3x3"


@pytest.mark.parametrize("style", STYLES)
def test_bfloat16_is_fused_where_onednn_has_it_and_stays_close_to_float32(
    thin_model, tmp_path, style
):
    prepared = prepare_thin(thin_model.build(**style), BF16, tmp_path / "model.pb")
    fused = fuses_bfloat16()
    alone = {} if fused else {"Conv2D": 53, "BiasAdd": 53, "Add": 16, "Relu": 49}
    assert find_unfused(prepared.fused_ops) == alone
    assert prepared.fused_ops.get("Conv2D[BiasAdd,Add,Relu]", 0) == 16 * fused
    assert [note for note in prepared.notes if "fused with nothing" in note] == [
        f"{count} operations {name} are fused with nothing" for name, count in alone.items()
    ]
    assert (prepared.notes == ()) == fused
    assert prepared.arithmetic == Arithmetic(
        convolutions={"bfloat16": 53}, fused_sums=16 * fused, float32_ops=FLOAT32_OPS
    )
    assert prepared.agreement.bound is None
    assert 1e-3 < prepared.agreement.logits_relative_l2 < 0.08


def test_amx_bfloat32_is_the_float32_graph(thin_model, thin_path, tmp_path):
    prepare_thin(thin_model.build(), Precision.AMX_BFLOAT32, tmp_path / "model.pb")
    assert (tmp_path / "model.pb").read_bytes() == thin_path.read_bytes()


def test_the_full_model_in_int8_has_all_parameters_and_agrees(full_source, tmp_path, monkeypatch):
    monkeypatch.setattr(toolchain, "HELD_OUT_IMAGES", 64)
    request = ToolchainRequest(
        source=full_source, output=str(tmp_path / "model.pb"), precision=INT8,
        calibration=select_calibration(CalibrationRequest(images=32)),
    )  # fmt: skip
    graph = answer_request(request, lambda _: None).prepared
    assert graph.structure.parameters == 25_532_521
    assert graph.notes == ()
    assert graph.agreement.logits_relative_l2 <= 0.25
    assert graph.agreement.same_class_share > 0.4


# The 8-bit graph


def test_nothing_between_the_first_convolution_and_the_pooling_is_float(int8_path):
    graph = read_graph(int8_path)
    nodes = index_nodes(graph)
    (end,) = (node for node in graph.node if node.op == "Dequantize")
    assert [node.op for node in graph.node if end.name in node.input] == ["Mean"]
    inside = [nodes[name] for name in find_reachable(nodes, end.name) if name != end.name]
    ops = sorted({node.op for node in inside})
    assert ops == [
        "Const",
        "Placeholder",
        "QuantizeV2",
        "QuantizedConv2DWithBiasAndReluAndRequantize",
        "QuantizedConv2DWithBiasAndRequantize",
        "QuantizedConv2DWithBiasSignedSumAndReluAndRequantize",
        "QuantizedConv2DWithBiasSumAndReluAndRequantize",
        "QuantizedMaxPool",
    ]
    (start,) = (node for node in inside if node.op == "QuantizeV2")
    assert [node.name for node in inside if start.name in node.input] == [
        "resnet_model/conv2d/Conv2D/int8"
    ]


def test_the_four_pads_are_inside_their_convolutions(int8_path):
    padded = {
        node.name: list(node.attr["padding_list"].list.i)
        for node in read_graph(int8_path).node
        if "padding_list" in node.attr and node.attr["padding_list"].list.i
    }
    assert sorted(padded.values()) == [[0, 0, 1, 1, 1, 1, 0, 0]] * 3 + [[0, 0, 3, 3, 3, 3, 0, 0]]
    assert "resnet_model/conv2d/Conv2D/int8" in padded


def test_each_filter_has_a_scale_of_its_own_and_fills_it(int8_path, thin_path):
    import tensorflow as tf

    floats, graph = index_nodes(read_graph(thin_path)), read_graph(int8_path)
    nodes = index_nodes(graph)
    convolutions = [node for node in graph.node if node.op.startswith("QuantizedConv2D")]
    assert len(convolutions) == 53
    for node in convolutions:
        values = read_constant(nodes, node.input[1]).astype(np.float64)
        low, high = (read_constant(nodes, node.input[place]) for place in (5, 6))
        assert high.shape == low.shape == (values.shape[-1],)
        np.testing.assert_array_equal(low, -high)
        assert (np.abs(values).max(axis=(0, 1, 2)) == 127).all()
        kernel = read_constant(floats, floats[node.name.removesuffix("/int8")].input[1])
        step = high / 127
        assert (np.abs(values * step - kernel) <= step * 0.5001).all()
        assert node.attr["Tfilter"].type == tf.qint8.as_datatype_enum


def test_the_same_calibration_gives_the_same_bytes_and_another_seed_others(
    thin_model, int8_path, tmp_path
):
    prepare_thin(thin_model.build(), INT8, tmp_path / "again.pb")
    assert (tmp_path / "again.pb").read_bytes() == int8_path.read_bytes()
    other = select_calibration(CalibrationRequest(images=CALIBRATION_IMAGES, seed=1))
    prepare_thin(thin_model.build(), INT8, tmp_path / "other.pb", other)
    assert (tmp_path / "other.pb").read_bytes() != int8_path.read_bytes()


def test_ranges_that_do_not_fit_the_images_are_refused(thin_model, tmp_path):
    def cut_off(graph, ranges):
        return quantize(graph, {name: value / 8 for name, value in ranges.items()})

    spoiled = replace(find_recipe(INT8), quantize=cut_off)
    with pytest.raises(ModelError, match="the prepared graph is broken at resnet_model/"):
        prepare_thin(thin_model.build(), INT8, tmp_path / "model.pb", recipe=spoiled)


def test_a_graph_whose_batch_norms_are_not_folded_is_refused(thin_model):
    with pytest.raises(ModelError, match="is no residual sum of a folded graph"):
        find_convolutions(thin_model.build())


# Calibration


def test_ranges_are_the_largest_magnitudes_over_all_batches(thin_path):
    graph = read_graph(thin_path)
    names = [fused.output for fused in find_convolutions(graph)]
    assert len(names) == len(set(names)) == 53
    batches = list(read_calibration_batches(GENERATED))
    assert [len(batch) for batch in batches] == [8] * (CALIBRATION_IMAGES // 8)
    apart = [measure_ranges(graph, names, [batch]) for batch in batches]
    together = measure_ranges(graph, names, batches)
    assert together == {name: max(each[name] for each in apart) for name in names}
    assert apart[0] != apart[1]


def test_a_projections_range_is_that_of_its_negative_values_too(thin_path):
    graph = read_graph(thin_path)
    projection = next(fused for fused in find_convolutions(graph) if fused.relu is None)
    negated = index_nodes(graph)[projection.bias.input[1]].attr["value"].tensor
    from tensorflow.python.framework import tensor_util

    shape = tensor_util.MakeNdarray(negated).shape
    negated.CopyFrom(tensor_util.make_tensor_proto(np.full(shape, -1e6, np.float32)))
    zeros = np.zeros((1, 224, 224, 3), np.float32)
    ranges = measure_ranges(graph, [projection.output], [zeros])
    assert ranges[projection.output] == pytest.approx(1e6, rel=1e-3)


def test_photographs_calibrate_and_others_of_the_same_dataset_are_compared(
    thin_model, int8_path, photographs, tmp_path
):
    chosen = select_calibration(CalibrationRequest(dataset=photographs, images=36))
    assert [len(batch) for batch in read_calibration_batches(chosen)] == [8, 8, 8, 8, 4]
    assert read_held_out_images(chosen).shape == (12, 224, 224, 3)
    prepared = prepare_thin(thin_model.build(), INT8, tmp_path / "model.pb", chosen)
    assert prepared.agreement.images == 12
    assert (tmp_path / "model.pb").read_bytes() != int8_path.read_bytes()


def test_a_photograph_that_cannot_be_read_is_named(photographs, tmp_path):
    for path in photographs.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes()[:500])
    chosen = select_calibration(CalibrationRequest(dataset=tmp_path, images=6))
    with pytest.raises(ModelError) as caught:
        list(read_calibration_batches(chosen))
    assert caught.value.message == (
        f"{tmp_path}: of 6 images to calibrate int8 with or to compare on, 6 cannot be read: "
        f"{chosen.refs[0].name} is cut short: its end marker is missing"
    )


def test_a_few_photographs_that_cannot_be_read_are_passed_over(photographs, tmp_path):
    for path in photographs.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    chosen = select_calibration(CalibrationRequest(dataset=tmp_path, images=6))
    damaged = tmp_path / chosen.refs[2].name
    damaged.write_bytes(damaged.read_bytes()[:500])
    (whole,) = read_calibration_batches(select_calibration(
        CalibrationRequest(dataset=photographs, images=6)
    ))  # fmt: skip
    (found,) = read_calibration_batches(chosen)
    np.testing.assert_array_equal(found, np.delete(whole, 2, axis=0))


# The bfloat16 graph


@pytest.fixture(scope="module")
def bf16_path(thin_model, tmp_path_factory):
    path = tmp_path_factory.mktemp("bf16") / "model.pb"
    prepare_thin(thin_model.build(), BF16, path)
    return path


def test_kernels_and_biases_are_stored_in_bfloat16_and_the_classifier_is_not(bf16_path):
    import tensorflow as tf

    graph = read_graph(bf16_path)
    nodes = index_nodes(graph)
    stored = {
        node.op: {
            nodes[each.input[1]].attr["dtype"].type for each in graph.node if each.op == node.op
        }
        for node in graph.node
        if node.op in ("Conv2D", "MatMul")
    }
    assert stored == {
        "Conv2D": {tf.bfloat16.as_datatype_enum},
        "MatMul": {tf.float32.as_datatype_enum},
    }


def test_a_graph_in_bfloat16_is_no_source_and_one_in_int8_is(bf16_path, int8_path):
    problem = find_problems(read_structure(read_graph(bf16_path)), THIN)[0]
    assert problem.startswith("the graph has operations ResNet-50 does not: Cast")
    assert find_problems(read_structure(read_graph(int8_path)), THIN) == []


SCRIPT = """
import sys
from dataclasses import replace
from pathlib import Path
import numpy as np
from resnet50_bench.config import Precision
from resnet50_bench.engines.base import LoadRequest
from resnet50_bench.engines.tensorflow import ENGINE

loaded = ENGINE.load(LoadRequest(Path(sys.argv[1]), Precision(sys.argv[2]), 2, 2))
loaded.run(np.ones((2, 224, 224, 3), np.float32))
"""


@pytest.fixture
def full_path(full_model):
    return full_model.path


def trace_convolutions(path, precision):
    """Return the kernels of the convolutions of one query, under the precision's own cap."""
    caps = plan_meaning(precision, read_host().cpu_flags).environment
    environment = os.environ | {"ONEDNN_VERBOSE": "1", "TF_CPP_MIN_LOG_LEVEL": "3"} | caps
    child = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(path), precision.value],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return [
        kernel
        for kernel in parse_trace(child.stdout.splitlines()).kernels
        if kernel.primitive == "convolution"
    ]


@pytest.mark.parametrize(
    ("fixture", "precision"),
    [
        ("bf16_path", BF16),
        ("int8_path", INT8),
        ("bf16_path", Precision.AMX_BFLOAT16),
        ("int8_path", Precision.AMX_INT8),
        ("full_path", Precision.AMX_BFLOAT32),  # thin layers are too narrow for its AMX kernels
    ],
)
def test_every_convolution_runs_in_the_precisions_instructions(request, fixture, precision):
    host = read_host()
    amx = probe_amx() if "amx_tile" in host.cpu_flags else None
    answer = plan_runnable(precision, host.cpu_flags, amx)
    if not answer.runnable:
        pytest.skip(f"{precision.value}: {answer.reason}")
    kernels = trace_convolutions(request.getfixturevalue(fixture), precision)
    assert sum(kernel.calls for kernel in kernels) == 53
    proof = plan_verdict(plan_meaning(precision, host.cpu_flags), kernels)
    assert (proof.state, proof.offenders) == (ProofState.PROVEN, ())
