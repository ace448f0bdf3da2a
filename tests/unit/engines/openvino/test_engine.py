from types import SimpleNamespace

import pytest

from resnet50_bench.config import Precision
from resnet50_bench.engines.openvino.engine import (
    ENGINE,
    count_operations,
    plan_settings,
    require_settings,
)
from resnet50_bench.errors import ModelError


def test_openvino_is_told_the_slots_threads_and_a_stream_for_each_caller():
    found = plan_settings(Precision.AVX_BFLOAT16, 4, 2)
    assert (found["INFERENCE_NUM_THREADS"], found["NUM_STREAMS"]) == (4, 2)
    assert found["INFERENCE_PRECISION_HINT"] == "bf16"
    assert found["ENABLE_CPU_PINNING"] is False
    for precision in (Precision.AVX_FP32, Precision.AVX_INT8, Precision.AMX_INT8):
        assert plan_settings(precision, 4, 1)["INFERENCE_PRECISION_HINT"] == "f32"


def test_what_it_took_instead_is_told():
    wanted = plan_settings(Precision.AVX_FP32, 4, 1)
    taken = {
        **wanted,
        "INFERENCE_PRECISION_HINT": SimpleNamespace(get_type_name=lambda: "f32"),
        "SCHEDULING_CORE_TYPE": SimpleNamespace(name="ANY_CORE"),
    }
    require_settings(wanted, taken.__getitem__)
    with pytest.raises(ModelError, match="was told INFERENCE_NUM_THREADS=4 and took 2"):
        require_settings(wanted, (taken | {"INFERENCE_NUM_THREADS": 2}).__getitem__)


def test_operations_are_counted_as_they_are_executed():
    def node(kind, implementation):
        return {"layerType": kind, "primitiveType": SimpleNamespace(value=implementation)}

    nodes = [node("Convolution", "brgconv_avx512_I8")] * 2
    nodes += [node("Const", "unknown_f32"), node("Reshape", "unknown_I8")]
    assert count_operations(nodes) == {"Convolution[brgconv_avx512_I8]": 2}


def test_float32_rounded_by_amx_is_nothing_that_it_has():
    assert Precision.AMX_BFLOAT32 not in ENGINE.forms
    assert set(ENGINE.forms) == set(Precision) - {Precision.AMX_BFLOAT32}
