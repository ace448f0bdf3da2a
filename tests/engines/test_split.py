"""Convolutions with large kernels, split: the same answers from more, smaller operations."""

from dataclasses import replace

import numpy as np
import pytest
from tests.engines.fusion import fuses_bfloat16

from resnet50_bench.config import Precision
from resnet50_bench.engines.base import LoadRequest
from resnet50_bench.model import CalibrationRequest, ModelSource
from resnet50_bench.model.calibration import select_calibration
from resnet50_bench.model.formats.frozen_graph import read_graph
from resnet50_bench.model.graph.nodes import index_nodes
from resnet50_bench.model.graph.probe import plan_probe_images
from resnet50_bench.model.graph.rewrite import read_constant
from resnet50_bench.model.graph.split import LARGEST_KERNEL_BYTES, plan_split, split_large_kernels
from resnet50_bench.model.protocol import ToolchainRequest
from resnet50_bench.model.recipes import find_recipe
from resnet50_bench.model.toolchain import (
    answer_request,
    prepare_graph,
    run_graph,
    write_graph,
)

pytestmark = pytest.mark.tensorflow

FP32, BF16, INT8 = Precision.AVX_FP32, Precision.AVX_BFLOAT16, Precision.AVX_INT8
CALIBRATION = select_calibration(CalibrationRequest(images=16))
SCALE = 64
"""An eighth of the width has a 64th of the values in each kernel: so small a limit splits alike."""


def prepare_thin(thin_model, precision, path, steps):
    recipe = replace(find_recipe(precision), steps=steps)
    load = LoadRequest(path, precision, threads=2, batch_size=2)
    prepared = prepare_graph(thin_model.build(), recipe, load, lambda _: None, CALIBRATION)
    return prepared, read_graph(path)


@pytest.fixture(scope="module")
def int8_graphs(thin_model, tmp_path_factory):
    """The int8 graph whole, what was prepared of the split one, and the split one."""
    folder = tmp_path_factory.mktemp("split")
    steps = find_recipe(INT8).steps
    split = (*steps, plan_split(1, LARGEST_KERNEL_BYTES // SCALE))
    _, whole = prepare_thin(thin_model, INT8, folder / "whole.pb", steps)
    return whole, *prepare_thin(thin_model, INT8, folder / "split.pb", split)


def test_a_split_int8_graph_gives_exactly_the_same_scores(int8_graphs):
    whole, _, split = int8_graphs
    images = plan_probe_images(4, seed=6)
    np.testing.assert_array_equal(run_graph(split, images)[1], run_graph(whole, images)[1])


def test_every_part_is_fused_as_the_whole_was(int8_graphs):
    _, prepared, _ = int8_graphs
    assert prepared.notes == ()
    assert {name: count for name, count in prepared.fused_ops.items() if "Conv" in name} == {
        "QuantizedConv2D[BiasAdd,Relu,Requantize]": 36,
        "QuantizedConv2D[BiasAdd,Sum,Relu,Requantize]": 16,
        "QuantizedConv2D[BiasAdd,Requantize]": 5,
    }
    assert prepared.fused_ops["ConcatV2"] == 4
    assert prepared.structure.stride_in == "3x3"
    assert prepared.structure.convolutions == 57


def test_a_split_bfloat16_graph_differs_by_rounding_only(thin_model, tmp_path):
    steps = find_recipe(FP32).steps
    rewrites = (*steps, plan_split(2, LARGEST_KERNEL_BYTES // SCALE))
    _, whole = prepare_thin(thin_model, BF16, tmp_path / "w.pb", find_recipe(BF16).steps)
    prepared, split = prepare_thin(thin_model, BF16, tmp_path / "s.pb", rewrites)
    if fuses_bfloat16():
        assert prepared.notes == ()
        assert prepared.fused_ops["Conv2D[BiasAdd,Relu]"] == 33 + 3 * 3 + 2
        assert prepared.fused_ops["Conv2D[BiasAdd]"] == 4 + 3
        assert prepared.fused_ops["Conv2D[BiasAdd,Add,Relu]"] == 16
    else:
        assert prepared.fused_ops["Conv2D"] == 53 + 3 * 4 + 2
    images = plan_probe_images(4, seed=6)
    (expected, _), (found, _) = run_graph(whole, images), run_graph(split, images)
    assert np.linalg.norm(found - expected) < 0.03 * np.linalg.norm(expected)


def test_the_parts_hold_the_filters_in_order_and_the_padding(thin_path):
    whole, split = read_graph(thin_path), read_graph(thin_path)
    split_large_kernels(split, largest=13_000)
    nodes, parts = index_nodes(whole), index_nodes(split)
    name = "resnet_model/conv2d_45/Conv2D"
    kernel = read_constant(nodes, nodes[name].input[1])
    assert kernel.shape == (3, 3, 64, 64)
    # 36,864 values in parts of at most 13,000 are three; 64 filters divide by four only.
    found = [parts[f"{name}/part{number}"] for number in range(4)]
    np.testing.assert_array_equal(
        np.concatenate([read_constant(parts, part.input[1]) for part in found], axis=3), kernel
    )
    assert {part.input[0] for part in found} == {nodes[name].input[0]}
    assert {tuple(part.attr["explicit_paddings"].list.i) for part in found} == {
        (0, 0, 1, 1, 1, 1, 0, 0)
    }
    assert name not in parts
    assert f"{name}/part4" not in parts


def test_what_has_a_residual_sum_stays_whole_and_so_does_what_fits(thin_path):
    graph = read_graph(thin_path)
    split_large_kernels(graph, largest=16_383)
    whole = {node.name for node in graph.node if node.op == "Conv2D" and "part" not in node.name}
    nodes = index_nodes(read_graph(thin_path))
    sizes = {name: read_constant(nodes, nodes[name].input[1]).size for name in whole}
    assert len(sizes) == 53 - 6
    assert sorted(name for name, size in sizes.items() if size > 16_383) == [
        f"resnet_model/conv2d_{number}/Conv2D" for number in (46, 49, 52)
    ]


def test_a_limit_below_one_filter_leaves_filters_whole(thin_path):
    graph = read_graph(thin_path)
    split_large_kernels(graph, largest=100)
    nodes = index_nodes(graph)
    part = nodes["resnet_model/conv2d_51/Conv2D/part63"]
    assert read_constant(nodes, part.input[1]).shape == (3, 3, 64, 1)


@pytest.mark.parametrize(
    ("precision", "said"),
    [
        (Precision.AMX_INT8, ["split 4 convolutions with large kernels into 8"]),
        (Precision.AMX_BFLOAT16, ["split 6 convolutions with large kernels into 20"]),
    ],
)
def test_the_recipes_for_amx_split_the_full_model_when_asked(full_model, precision, said):
    for split in (False, True):
        graph = read_graph(full_model.path)
        steps = [step(graph) for step in find_recipe(precision, split=split).steps]
        assert [text for text in steps if text.startswith("split")] == said * split


@pytest.mark.parametrize("split", [False, True])
def test_the_toolchain_takes_the_recipe_of_the_form_it_is_asked_for(thin_model, tmp_path, split):
    write_graph(thin_model.build(), tmp_path / "source.pb")
    source = ModelSource(path=str(tmp_path / "source.pb"), base_width=8, split=split)
    output = str(tmp_path / "model.pb")
    request = ToolchainRequest(source=source, output=output, precision=Precision.AMX_BFLOAT16)
    answer = answer_request(request, lambda _: None)
    # None of the thin model's kernels is large.
    said = "split 0 convolutions with large kernels into 0"
    assert (said in answer.prepared.steps) is split
