import pytest

from resnet50_bench.config import Precision
from resnet50_bench.engines import LoadRequest, load_engine
from resnet50_bench.engines.tensorflow import count_fused_ops
from resnet50_bench.engines.zentf import ENGINE
from resnet50_bench.errors import ConfigError


def test_the_stock_engine_turns_the_plug_in_off_and_zentf_turns_it_on():
    stock = load_engine("tensorflow").environment(Precision.AVX_FP32, 2)
    ours = ENGINE.environment(Precision.AVX_FP32, 2)
    names = {name for name in stock if stock[name] != ours[name]}
    assert names == {"TF_ENABLE_ONEDNN_OPTS", "TF_ENABLE_ZENDNN_OPTS"}
    assert (stock["TF_ENABLE_ZENDNN_OPTS"], ours["TF_ENABLE_ZENDNN_OPTS"]) == ("0", "1")
    assert ours["OMP_NUM_THREADS"] == "2"


def test_it_has_no_int8_no_options_and_no_streams():
    assert set(ENGINE.forms) == {Precision.AVX_FP32, Precision.AVX_BFLOAT16}
    assert ENGINE.option_problems({"callers": "2"}) == [
        "--engine-option callers: the zentf engine has no options"
    ]
    alone = LoadRequest(None, Precision.AVX_FP32, 4, 8)
    assert ENGINE.images_alone(alone) == 0
    with pytest.raises(ConfigError, match="leave out --weight-sharing"):
        ENGINE.images_alone(LoadRequest(None, Precision.AVX_FP32, 4, 8, streams=4))


class Attributes(dict):
    """A node's attributes: those that it lacks are empty."""

    def __missing__(self, _name):
        return self

    @property
    def list(self):
        return self

    s = ()


class Node:
    def __init__(self, op):
        self.op = op
        self.attr = Attributes()


def test_its_operations_are_counted_as_tensorflows():
    nodes = [Node("_ZenFusedConv2D"), Node("_ZenMaxPool"), Node("Const")]
    assert count_fused_ops(nodes) == {"FusedConv2D": 1, "MaxPool": 1}
