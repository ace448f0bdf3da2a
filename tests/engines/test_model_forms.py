import importlib.util
import re
from dataclasses import replace

import numpy as np
import pytest
from tests.model_forms import (
    find_node,
    make_keras_model,
    name_torch_values,
    rename,
    take_nchw_images,
    wrap,
    write_batch_norms_out,
    write_onnx,
    write_torch_pickles,
    write_torch_zip,
)

from resnet50_bench.config import Precision
from resnet50_bench.engines.base import LoadRequest
from resnet50_bench.errors import ModelError
from resnet50_bench.model import ModelSource
from resnet50_bench.model.calibration import CalibrationIdentity, CalibrationSet
from resnet50_bench.model.formats.frozen_graph import read_graph
from resnet50_bench.model.formats.reading import read_model
from resnet50_bench.model.graph.nodes import keep_nodes
from resnet50_bench.model.graph.structure import find_problems, read_structure
from resnet50_bench.model.recipes import find_quantized_recipe, find_recipe
from resnet50_bench.model.toolchain import prepare_graph, write_graph

pytestmark = pytest.mark.tensorflow

THIN = 8
MEANS = (123.68, 116.78, 103.94)


def read(path, **wishes):
    graph, reading = read_model(replace(ModelSource.file(path), base_width=THIN, **wishes))
    assert find_problems(read_structure(graph), THIN) == []
    return graph, reading


def read_written(graph, tmp_path, **wishes):
    write_graph(graph, path := tmp_path / "model.pb")
    return read(path, **wishes)


def measure_difference(reading):
    """How far the answers are from the source's, as the reading says."""
    found = re.fullmatch(
        r"the logits differ by (\S+) of their norm from those of .+, on \d images", reading.check
    )
    return float(found[1])


def prepare(graph, path, precision=Precision.AVX_FP32):
    load = LoadRequest(path, precision, threads=2, batch_size=2)
    return prepare_graph(graph, find_recipe(precision), load, lambda _: None)


# Frozen graphs


def test_a_graph_of_the_published_form_is_left_as_it_is(thin_model, tmp_path):
    _, reading = read_written(thin_model.build(), tmp_path)
    assert (reading.input_name, reading.output_name) == ("input_tensor", "softmax_tensor")
    assert (reading.changes, reading.check, reading.preprocessing) == ((), None, None)


def name_otherwise(thin_model):
    graph = thin_model.build(arg_max=False)
    rename(graph, "input_tensor", "input")
    rename(graph, "softmax_tensor", "predict")
    return graph


def take_nchw(thin_model):
    graph = thin_model.build(data_format="NCHW", arg_max=False)
    take_nchw_images(graph)
    return graph


def add_bias(thin_model):
    graph = thin_model.build()
    find_node(graph, "resnet_model/dense/BiasAdd").op = "AddV2"
    return graph


def drop_out(thin_model):
    def behind(features):
        import tensorflow as tf

        return tf.identity(tf.nn.dropout(tf.stop_gradient(features), rate=1e-7))

    graph = wrap(thin_model.build(arg_max=False), behind=behind)
    keep_nodes(graph, [node.name for node in graph.node if node.name != "features/softmax_tensor"])
    return graph


def give_logits(thin_model):
    graph = thin_model.build(arg_max=False)
    find_node(graph, "softmax_tensor").op = "Identity"
    return graph


def norm_in_single_steps(thin_model):
    graph = thin_model.build(arg_max=False)
    write_batch_norms_out(graph)
    return graph


@pytest.mark.parametrize(
    ("build", "ends", "told"),
    [
        (name_otherwise, ("input", "predict"), "took input as the input"),
        (take_nchw, ("input_tensor", "softmax_tensor"), "with channels before rows"),
        (add_bias, ("input_tensor", "softmax_tensor"), "put what is added to 1 layers"),
        (drop_out, ("features/input_tensor", "net/softmax_tensor"), "removed 1 dropouts"),
        (give_logits, ("input_tensor", "softmax_tensor"), "added the Softmax that it lacks"),
        (norm_in_single_steps, ("input_tensor", "softmax_tensor"), "to 53 layers"),
    ],
)
def test_what_only_looks_different_is_brought_to_one_form(thin_model, tmp_path, build, ends, told):
    graph, reading = read_written(build(thin_model), tmp_path)
    assert (reading.input_name, reading.output_name) == ends
    assert told in "; ".join(reading.changes)
    assert measure_difference(reading) < 1e-5
    prepared = prepare(graph, tmp_path / "prepared.pb")
    assert prepared.notes == ()
    assert prepared.structure.ops["BiasAdd"] == 54


PREPROCESSED = {
    "mlperf": (np.uint8, lambda tf, x: tf.cast(x, tf.float32) - tf.constant(MEANS)),
    "mlperf/no-mean": (np.uint8, lambda tf, x: tf.cast(x, tf.float32)),
    "mlperf/symmetric": (np.float32, lambda _, x: x * 2.0 - 1.0),
    "mlperf/bgr": (np.float32, lambda tf, x: x[..., ::-1] - tf.constant(MEANS[::-1])),
}


@pytest.mark.parametrize("profile", PREPROCESSED)
def test_preprocessing_inside_the_graph_is_left_to_the_profile_that_does_the_same(
    thin_model, tmp_path, profile
):
    dtype, convert = PREPROCESSED[profile]

    def before(tf):
        return convert(tf, tf.compat.v1.placeholder(dtype, (None, None, None, 3), name="pixels"))

    graph, reading = read_written(wrap(thin_model.build(arg_max=False), before), tmp_path)
    assert reading.input_name == "pixels"
    assert reading.preprocessing.name == profile
    assert measure_difference(reading) < 1e-5
    assert read_structure(graph).input_shape == (-1, 224, 224, 3)


def test_preprocessing_that_no_profile_does_is_refused_with_what_it_is(thin_model, tmp_path):
    def before(tf):
        return tf.compat.v1.placeholder(tf.float32, (None, 224, 224, 3), name="x") * 0.7 + 3.0

    graph = wrap(thin_model.build(arg_max=False), before)
    with pytest.raises(ModelError, match=r"value \* \(0\.7, 0\.7, 0\.7\) \+ \(3, 3, 3\)") as caught:
        read_written(graph, tmp_path)
    assert "--input-name" in caught.value.advice
    _, reading = read_written(graph, tmp_path, input_name="add")
    assert "put the images in place of what add computes" in reading.changes


def test_of_two_outputs_one_has_to_be_chosen(thin_model, tmp_path):
    graph = thin_model.build(arg_max=False)
    rename(graph, "softmax_tensor", "first")
    graph.node.add().CopyFrom(find_node(graph, "first"))
    graph.node[-1].name = "second"
    with pytest.raises(ModelError, match="2 nodes that may be the output: first, second"):
        read_written(graph, tmp_path)
    _, reading = read_written(graph, tmp_path, output_name="second")
    assert reading.output_name == "second"


# Other forms


@pytest.fixture(scope="module")
def torch_path(thin_model, tmp_path_factory):
    """A file as torch.save writes it."""
    path = tmp_path_factory.mktemp("torch") / "r50.pth"
    write_torch_zip(path, name_torch_values(thin_model.network, thin_model.weights))
    return path


def require(*modules):
    for name in modules:
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed: pip install 'resnet50-bench[models]'")


def test_weights_of_pytorch_give_the_same_answers_from_every_file(thin_model, tmp_path):
    require("safetensors")
    from safetensors.numpy import save_file

    values = name_torch_values(thin_model.network, thin_model.weights)
    paths = [tmp_path / name for name in ("new.pth", "old.pth", "wrapped.pth", "r50.safetensors")]
    write_torch_zip(paths[0], values)
    write_torch_pickles(paths[1], values)
    write_torch_zip(paths[2], {f"module.{name}": value for name, value in values.items()})
    save_file(values, paths[3])
    first, *others = (read(path) for path in paths)
    assert first[1].form == "PyTorch weights"
    for graph, _ in others:
        assert graph == first[0]


@pytest.mark.parametrize("folded", [False, True])
def test_an_onnx_model_answers_as_onnxruntime_does(thin_model, tmp_path, folded):
    require("onnx", "onnxruntime")
    write_onnx(path := tmp_path / "r50.onnx", thin_model.network, thin_model.weights, folded=folded)
    _, reading = read(path)
    assert reading.input_name == "input"
    assert reading.output_name.startswith("/Gemm_")
    assert "onnxruntime" in reading.check
    assert measure_difference(reading) < 1e-5


# In fewer bits


def prepare_rounded(graph, path, precision):
    """On few images: what is asked here is whether the layers are right."""
    identity = CalibrationIdentity(kind="generated images", images=16, seed=0)
    load = LoadRequest(path, precision, threads=2, batch_size=2)
    calibration = CalibrationSet(identity=identity)
    return prepare_graph(graph, find_recipe(precision), load, lambda _: None, calibration)


@pytest.fixture(scope="module")
def int8_path(torch_path, tmp_path_factory):
    """PyTorch weights, prepared for int8."""
    path = tmp_path_factory.mktemp("int8") / "int8.pb"
    prepare_rounded(read(torch_path)[0], path, Precision.AVX_INT8)
    return path


def test_pytorchs_pooling_is_kept_in_bfloat16(torch_path, tmp_path):
    path = tmp_path / "bf16.pb"
    prepared = prepare_rounded(read(torch_path)[0], path, Precision.AVX_BFLOAT16)
    assert prepared.structure.ops["Pad"] == 1
    assert prepared.arithmetic.convolutions == {"bfloat16": 53}


def test_a_quantized_graph_runs_as_it_is(int8_path, tmp_path):
    theirs = read_graph(int8_path)
    assert find_node(theirs, "resnet_model/max_pooling2d/MaxPool/int8").op == "QuantizedMaxPool"
    rename(theirs, "input_tensor", "input")
    rename(theirs, "softmax_tensor", "predict")
    graph, reading = read_written(theirs, tmp_path)
    assert reading.is_quantized
    assert measure_difference(reading) == 0
    load = LoadRequest(tmp_path / "prepared.pb", Precision.AVX_INT8, threads=2, batch_size=2)
    recipe = find_quantized_recipe(Precision.AVX_INT8)
    prepared = prepare_graph(graph, recipe, load, lambda _: None)
    assert prepared.agreement.logits_relative_l2 == 0
    assert prepared.arithmetic.convolutions == {"int8": 53}
    assert prepared.fused_ops["QuantizedConv2D[BiasAdd,Sum,Relu,Requantize]"] == 16


keras_warns = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@keras_warns
def test_a_keras_model_answers_as_keras_does(thin_model, tmp_path):
    model = make_keras_model(thin_model.network, thin_model.weights)
    model.save(path := tmp_path / "r50.h5")
    _, reading = read(path)
    assert measure_difference(reading) < 1e-5
    assert "put what is added to 53 layers" in "; ".join(reading.changes)


def test_a_saved_model_answers_as_its_signature_does(thin_model, tmp_path):
    import tensorflow as tf

    graph = thin_model.build(arg_max=False)

    class Module(tf.Module):
        def __init__(self):
            self.shift = tf.Variable(tf.fill((1001,), 0.5))

        @tf.function(input_signature=[tf.TensorSpec((None, 224, 224, 3), tf.float32)])
        def classify(self, images):
            (logits,) = tf.import_graph_def(
                graph, {"input_tensor": images}, ["resnet_model/dense/MatMul:0"]
            )
            return {"scores": tf.nn.softmax(logits + self.shift)}

    module = Module()
    tf.saved_model.save(module, str(tmp_path), signatures=module.classify)
    _, reading = read(tmp_path)
    assert reading.form == "SavedModel"
    assert measure_difference(reading) < 1e-5
