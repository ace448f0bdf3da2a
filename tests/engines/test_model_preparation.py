from dataclasses import replace

import numpy as np
import pytest

from resnet50_bench.config import Precision
from resnet50_bench.engines.base import LoadRequest
from resnet50_bench.errors import ModelError
from resnet50_bench.model import ModelSource, find_prepared, prepare, verify
from resnet50_bench.model.formats.frozen_graph import read_graph
from resnet50_bench.model.graph.architecture import plan_network
from resnet50_bench.model.graph.convolutions import find_convolutions
from resnet50_bench.model.graph.generate import GraphStyle, build_graph
from resnet50_bench.model.graph.nodes import index_nodes
from resnet50_bench.model.graph.probe import plan_probe_images
from resnet50_bench.model.graph.rewrite import add_constant, read_constant
from resnet50_bench.model.graph.structure import find_problems, read_structure
from resnet50_bench.model.recipes import find_recipe
from resnet50_bench.model.toolchain import generate_graph, prepare_graph

pytestmark = pytest.mark.tensorflow

THIN = 8
FP32 = Precision.AVX_FP32


def run(graph, images, names):
    import tensorflow as tf

    imported = tf.Graph()
    with imported.as_default():
        tf.import_graph_def(graph, name="")
    with tf.compat.v1.Session(graph=imported) as session:
        return session.run([f"{name}:0" for name in names], {"input_tensor:0": images})


def count_denormals(values):
    tiny = np.finfo(np.float32).tiny
    return int(((values != 0) & (np.abs(values) < tiny)).sum())


def prepare_thin(graph, path):
    load = LoadRequest(path, FP32, threads=2, batch_size=2)
    return prepare_graph(graph, find_recipe(FP32), load, lambda _: None)


def node_of(graph, name):
    return next(node for node in graph.node if node.name == name)


def problems_of(graph):
    return find_problems(read_structure(graph), THIN)


# The full-size model


def test_the_full_model_is_resnet_50_and_executes_fused(full_model):
    graph = full_model.manifest.graph
    assert graph.structure.parameters == 25_532_521
    assert graph.structure.stride_in == "3x3"
    assert graph.structure.batch_norms == 0
    assert graph.notes == ()
    assert {name: graph.fused_ops[name] for name in graph.fused_ops if "Conv2D" in name} == {
        "Conv2D[BiasAdd,Relu]": 33,
        "Conv2D[BiasAdd,Add,Relu]": 16,
        "Conv2D[BiasAdd]": 4,
    }
    assert graph.agreement.same_class == graph.agreement.images == 32
    assert graph.agreement.logits_relative_l2 < 1e-4
    assert graph.tools["tensorflow"].startswith("2.")


def test_its_activations_stay_sane_at_every_depth(full_model):
    graph = read_graph(full_model.path)
    names = [node.name for node in graph.node if node.op in ("Relu", "BiasAdd", "Softmax")]
    assert len(names) == 49 + 54 + 1
    for name, values in zip(names, run(graph, plan_probe_images(4, 5), names), strict=True):
        assert count_denormals(values) == 0, name
        if name != "softmax_tensor":
            assert 0.05 < values.std() < 50, name


def test_it_tells_images_apart(full_model):
    images = plan_probe_images(8, 5)
    (scores,) = run(read_graph(full_model.path), images, ["softmax_tensor"])
    assert len(set(scores.argmax(axis=1))) >= 6
    assert scores.max(axis=1).min() > 5 / 1001


def test_preparing_again_does_nothing(full_model, cache):
    said: list[str] = []
    assert prepare(ModelSource.generated(0), FP32, cache, said.append) == full_model
    assert said == []
    assert find_prepared(ModelSource.generated(0), FP32, cache) == full_model


def test_verify_finds_nothing_wrong_with_it(full_model):
    inspection = verify(full_model.path)
    assert inspection.problems == ()
    assert inspection.identity == full_model.manifest.prepared
    assert inspection.structure == full_model.manifest.graph.structure


# Variants of the graph, at an eighth of the width


@pytest.mark.parametrize(
    "style",
    [
        {},
        {"read_nodes": True},
        {"batch_norm_op": "FusedBatchNormV3", "arg_max": False},
        {"data_format": "NCHW"},
        {"data_format": "NCHW", "read_nodes": True},
    ],
)
def test_every_variant_is_accepted_and_prepared_to_the_same_fused_graph(
    thin_model, tmp_path, style
):
    graph = thin_model.build(**style)
    structure = read_structure(graph)
    assert find_problems(structure, THIN) == []
    assert structure.data_format == style.get("data_format", "NHWC")
    assert (structure.batch_norms, structure.pads) == (53, 7)
    prepared = prepare_thin(graph, tmp_path / "model.pb")
    assert prepared.notes == ()
    assert prepared.agreement.same_class == prepared.agreement.images
    assert find_problems(prepared.structure, THIN) == []
    assert prepared.structure.ops == {
        "Add": 16,
        "BiasAdd": 54,
        "Const": 109,
        "Conv2D": 53,
        "MatMul": 1,
        "MaxPool": 1,
        "Mean": 1,
        "Placeholder": 1,
        "Relu": 49,
        "Softmax": 1,
        "Squeeze": 1,
    }


def test_nothing_stands_between_the_last_batch_norm_and_the_add(thin_model):
    graph = thin_model.build()
    nodes = {node.name: node for node in graph.node}
    adds = [node for node in graph.node if node.op == "Add"]
    assert len(adds) == 16
    assert {nodes[add.input[0]].op for add in adds} == {"FusedBatchNorm"}


def test_node_names_are_those_of_the_published_graph(thin_model):
    names = {node.name: node.op for node in thin_model.build().node}
    expected = {
        "input_tensor": "Placeholder",
        "resnet_model/Pad": "Pad",
        "resnet_model/conv2d/Conv2D": "Conv2D",
        "resnet_model/batch_normalization/FusedBatchNorm": "FusedBatchNorm",
        "resnet_model/Relu": "Relu",
        "resnet_model/max_pooling2d/MaxPool": "MaxPool",
        "resnet_model/conv2d_52/Conv2D": "Conv2D",
        "resnet_model/Pad_6": "Pad",
        "resnet_model/add_15": "Add",
        "resnet_model/Relu_48": "Relu",
        "resnet_model/Mean": "Mean",
        "resnet_model/Squeeze": "Squeeze",
        "resnet_model/dense/MatMul": "MatMul",
        "resnet_model/dense/BiasAdd": "BiasAdd",
        "resnet_model/final_dense": "Identity",
        "softmax_tensor": "Softmax",
        "ArgMax": "ArgMax",
    }
    assert {name: names.get(name) for name in expected} == expected


def test_every_folded_bias_is_away_from_zero(thin_path):
    from tensorflow.python.framework import tensor_util

    graph = read_graph(thin_path)
    nodes = {node.name: node for node in graph.node}
    for node in graph.node:
        if node.op == "BiasAdd":
            bias = tensor_util.MakeNdarray(nodes[node.input[1]].attr["value"].tensor)
            assert np.count_nonzero(bias) == bias.size


def test_a_seed_gives_the_same_bytes_and_another_seed_others(thin_model):
    def generate(seed):
        graph = generate_graph(ModelSource.generated(seed, THIN), lambda _: None)
        return graph.SerializeToString(deterministic=True)

    first = generate(0)
    assert first == thin_model.build().SerializeToString(deterministic=True)
    assert generate(1) != first


# What the structure check refuses


def test_the_stride_of_v1_is_refused(thin_model):
    network = plan_network(THIN, stride_in_3x3=False)
    graph = build_graph(network, thin_model.weights, GraphStyle())
    assert problems_of(graph) == [
        "the stride is in the first 1x1 convolution of a block: ResNet-50 v1, not v1.5"
    ]


def test_another_number_of_classes_is_refused(thin_model):
    graph = thin_model.build()
    for name in ("kernel", "bias"):
        tensor = node_of(graph, f"resnet_model/dense/{name}").attr["value"].tensor
        tensor.tensor_shape.dim[-1].size = 999
    assert problems_of(graph) == [
        "the classifier has 999 classes, neither 1000 nor 1001 (1000 after the background class at "
        "index 0)"
    ]


def test_a_missing_output_is_refused(thin_model):
    graph = thin_model.build(arg_max=False)
    node_of(graph, "softmax_tensor").name = "predictions"
    assert problems_of(graph) == ["there is no output named softmax_tensor"]


def test_a_missing_input_is_refused(thin_model):
    graph = thin_model.build()
    node_of(graph, "input_tensor").name = "images"
    assert problems_of(graph) == ["there is no input named input_tensor"]


def test_a_wrong_input_dtype_is_refused(thin_model):
    graph = thin_model.build()
    node_of(graph, "input_tensor").attr["dtype"].type = 4
    assert problems_of(graph) == ["the input input_tensor is uint8, not float32"]


def test_variables_are_refused(thin_model):
    graph = thin_model.build()
    node_of(graph, "resnet_model/dense/bias").op = "VariableV2"
    assert problems_of(graph)[0] == "the graph is not frozen: it holds variables (VariableV2)"


def test_another_operation_is_refused(thin_model):
    graph = thin_model.build()
    node_of(graph, "resnet_model/Relu_7").op = "Elu"
    assert problems_of(graph) == ["the graph has operations ResNet-50 does not: Elu"]


def test_a_thin_model_is_not_taken_for_resnet_50(thin_model):
    structure = read_structure(thin_model.build())
    (problem,) = find_problems(structure)
    assert problem.endswith("parameters, not 25,559,081")


@pytest.mark.parametrize("content", ["truncated", "a page"])
def test_a_file_that_is_no_graph_is_refused_by_the_child(thin_path, tmp_path, content):
    path = tmp_path / "model.pb"
    whole = thin_path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content == "truncated" else b"<html>404</html>")
    with pytest.raises(ModelError, match="is not a TensorFlow graph, or only a part of one"):
        read_graph(path)


def test_a_users_file_of_another_network_is_refused_through_the_child(thin_path, tmp_path):
    with pytest.raises(ModelError, match=r"is not ResNet-50 v1\.5: there are .* parameters"):
        prepare(ModelSource.file(thin_path), FP32, tmp_path, lambda _: None)


def test_a_preparation_that_changes_the_answers_is_refused(thin_model, tmp_path):
    def spoil(graph):
        from tensorflow.python.framework import tensor_util

        bias = node_of(graph, "resnet_model/dense/bias").attr["value"].tensor
        bias.CopyFrom(
            tensor_util.make_tensor_proto(
                tensor_util.MakeNdarray(bias) + np.arange(1001, dtype=np.float32)
            )
        )
        return "spoiled the classifier"

    recipe = find_recipe(FP32)
    recipe = replace(recipe, steps=(*recipe.steps, spoil))
    load = LoadRequest(tmp_path / "model.pb", FP32, threads=2, batch_size=2)
    with pytest.raises(ModelError, match="does not answer as its source does"):
        prepare_graph(thin_model.build(), recipe, load, lambda _: None)


def test_a_graph_that_is_fused_less_is_noted(thin_model, tmp_path):
    def drop_biases(graph):
        for fused in find_convolutions(graph):
            fused.bias.input[1] = f"{fused.bias.name}/zeros"
            shape = read_constant(index_nodes(graph), fused.convolution.input[1]).shape
            add_constant(graph, fused.bias.input[1], np.zeros(shape[3], np.float32))
        return "set all biases to zero, which TensorFlow drops, and then fuses nothing"

    recipe = find_recipe(FP32)
    recipe = replace(recipe, steps=(*recipe.steps, drop_biases))
    recipe = replace(recipe, max_logits_relative_l2=np.inf)
    load = LoadRequest(tmp_path / "model.pb", FP32, threads=2, batch_size=2)
    notes = prepare_graph(thin_model.build(), recipe, load, lambda _: None).notes
    assert "0 operations Conv2D[BiasAdd,Relu] are executed, 33 were expected" in notes
    assert "16 operations Add are fused with nothing" in notes
