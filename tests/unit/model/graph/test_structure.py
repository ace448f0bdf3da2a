from dataclasses import replace

import pytest
from tests.records import STRUCTURE

from resnet50_bench.model.graph.structure import find_problems

RIGHT = replace(STRUCTURE, batch_norms=53, pads=7, parameters=25_559_081)


def test_resnet_50_v1_5_has_no_problems_unfolded_or_folded():
    assert find_problems(RIGHT) == []
    assert find_problems(replace(RIGHT, batch_norms=0, parameters=25_532_521)) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"input_name": None}, "there is no input named input_tensor"),
        ({"input_dtype": "uint8"}, "the input input_tensor is uint8, not float32"),
        (
            {"input_shape": (-1, 3, 224, 224)},
            "the input input_tensor has shape (-1, 3, 224, 224), not (N, 224, 224, 3)",
        ),
        (
            {"input_shape": None},
            "the input input_tensor has shape unknown, not (N, 224, 224, 3)",
        ),
        ({"output_name": None}, "there is no output named softmax_tensor"),
        (
            {"classes": 999, "parameters": 25_554_983},
            "the classifier has 999 classes, neither 1000 nor 1001 (1000 after the background class "
            "at index 0)",
        ),
        (
            {"ops": {"Conv2D": 53, "VarHandleOp": 2}},
            "the graph is not frozen: it holds variables (VarHandleOp)",
        ),
        (
            {"ops": {"Conv2D": 53, "Elu": 1}},
            "the graph has operations ResNet-50 does not: Elu",
        ),
        ({"convolutions": 104}, "there are 104 convolutions, not 53"),
        ({"batch_norms": 52}, "there are 52 batch norms, neither 53 nor 0 (folded)"),
        (
            {"stride_in": "1x1"},
            "the stride is in the first 1x1 convolution of a block: ResNet-50 v1, not v1.5",
        ),
        (
            {"stride_in": None},
            "no block has its stride in the 3x3 convolution, as ResNet-50 v1.5 does",
        ),
        ({"parameters": 25_559_080}, "there are 25,559,080 parameters, not 25,559,081"),
    ],
)
def test_each_defect_is_named_and_nothing_else(change, problem):
    assert find_problems(replace(RIGHT, **change)) == [problem]
