"""The model's work, against figures that were published or computed by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.records import make_manifest

from resnet50_bench.limits.work import Layer, count_multiply_adds, plan_layers, read_layers
from resnet50_bench.model.graph.architecture import plan_network
from resnet50_bench.model.graph.structure import Structure

LAYERS = plan_layers()


def find(name: str) -> Layer:
    (layer,) = (layer for layer in LAYERS if layer.name == name)
    return layer


def test_there_are_53_convolutions_and_a_classifier() -> None:
    assert len(LAYERS) == 54
    assert [LAYERS[0].name, LAYERS[1].name, LAYERS[-1].name] == ["conv2d", "conv2d_1", "dense"]
    assert len({layer.name for layer in LAYERS}) == 54


def test_the_multiply_adds_are_the_published_ones() -> None:
    # 4.09 G for v1.5 (NVIDIA's and torchvision's model cards), 3.86 G for v1 (He et al.: 3.8).
    assert count_multiply_adds(LAYERS) == 4_089_186_304
    assert count_multiply_adds(plan_layers(classes=1000)) == 4_089_184_256
    assert count_multiply_adds(plan_layers(plan_network(stride_in_3x3=False))) == 3_857_975_296
    assert sum(layer.operations for layer in LAYERS) == 8_178_372_608


@pytest.mark.parametrize(
    ("name", "multiply_adds"),
    [
        ("conv2d", 49 * 3 * 64 * 112 * 112),
        ("conv2d_1", 64 * 256 * 56 * 56),
        ("conv2d_13", 9 * 128 * 128 * 28 * 28),  # the first strided 3x3: 56 to 28
        ("conv2d_52", 512 * 2048 * 7 * 7),
        ("dense", 2048 * 1001),
    ],
)
def test_a_layer_by_hand(name: str, multiply_adds: int) -> None:
    assert find(name).multiply_adds == multiply_adds


def test_the_weights_are_those_of_the_model() -> None:
    folded = plan_network().parameters(folded=True)
    assert sum(layer.count_weight_bytes(4) for layer in LAYERS) == 4 * folded
    assert find("conv2d").count_weight_bytes(1) == 49 * 3 * 64 + 4 * 64


def test_each_block_reads_its_shortcut_once() -> None:
    added = [layer for layer in LAYERS if layer.adds_shortcut]
    assert len(added) == 16
    last = find("conv2d_52")
    assert last.adds_shortcut
    assert last.count_activation_bytes(2) == 2 * 49 * (512 + 2048 + 2048)


def test_a_batch_reads_the_weights_once() -> None:
    layer = find("conv2d_52")
    assert layer.count_bytes(1, 8) == 512 * 2048 + 4 * 2048 + 8 * 49 * (512 + 2 * 2048)
    assert layer.compute_intensity(1, 8) == pytest.approx(
        8 * 2 * 512 * 2048 * 49 / layer.count_bytes(1, 8)
    )
    assert layer.compute_intensity(1, 8) > layer.compute_intensity(1, 1)


def test_what_a_layer_writes_the_next_one_reads() -> None:
    assert find("conv2d_2").output_shape == find("conv2d_3").input_shape == (56, 56, 64)
    assert find("conv2d_13").input_shape == (56, 56, 128)
    assert find("conv2d_13").output_shape == find("conv2d_14").input_shape == (28, 28, 128)
    assert LAYERS[-2].output_shape[2] == LAYERS[-1].input_shape[2]


def describe(base_width: int = 64, *, classes: int = 1001, folded: bool = True) -> Structure:
    network = plan_network(base_width)
    structure = make_manifest().graph.structure
    return replace(
        structure,
        classes=classes,
        batch_norms=0 if folded else 53,
        parameters=network.parameters(classes, folded=folded),
    )


def test_the_layers_are_those_of_the_graph() -> None:
    assert read_layers(describe()) == LAYERS
    assert read_layers(describe(classes=1000, folded=False)) == plan_layers(classes=1000)
    thin = read_layers(describe(8))
    assert thin is not None
    assert count_multiply_adds(thin) < count_multiply_adds(LAYERS) / 40
    assert read_layers(replace(describe(), parameters=7)) is None


def test_a_shortcut_of_stride_2_reads_every_other_pixel() -> None:
    layer = find("conv2d_11")
    assert (layer.kernel, layer.stride, layer.input_shape) == (1, 2, (56, 56, 256))
    assert layer.input_values == 28 * 28 * 256
    # Three values wide, a kernel of stride 2 leaves none out.
    assert find("conv2d_13").kernel == 3
    assert find("conv2d_13").input_values == 56 * 56 * 128
