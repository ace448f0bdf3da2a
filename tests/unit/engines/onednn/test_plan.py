import msgspec
import pytest
from tests.unit.engines.onednn.networks import make_block

from resnet50_bench.config import Precision
from resnet50_bench.engines.onednn.plan import DType, plan_steps
from resnet50_bench.errors import ModelError

LIMITS = {"images": 127.0, "projection": 12.7, "reduce": 25.5, "spatial": 51.0, "sum": 255.0}


def describe(steps):
    return [
        (step.source.name, step.source.dtype.name, step.result.name, step.result.dtype.name)
        for step in steps
    ]


def test_float32_stays_float32():
    steps = plan_steps(make_block(), Precision.AVX_FP32)
    assert {name for _, one, _, other in describe(steps) for name in (one, other)} == {"F32"}
    assert len(steps) == 7


@pytest.mark.parametrize("precision", [Precision.AVX_BFLOAT16, Precision.AMX_BFLOAT16])
def test_bfloat16_lies_between_the_images_and_the_average(precision):
    assert describe(plan_steps(make_block(), precision)) == [
        ("images", "F32", "images in bf16", "BF16"),
        ("images in bf16", "BF16", "projection", "BF16"),
        ("images in bf16", "BF16", "reduce", "BF16"),
        ("reduce", "BF16", "spatial", "BF16"),
        ("spatial", "BF16", "sum", "BF16"),
        ("sum", "BF16", "sum in f32", "F32"),
        ("sum in f32", "F32", "mean", "F32"),
        ("mean", "F32", "logits", "F32"),
        ("logits", "F32", "scores", "F32"),
    ]


def test_8_bits_are_unsigned_behind_a_relu_and_have_the_scale_of_their_limit():
    steps = plan_steps(make_block(**LIMITS), Precision.AVX_INT8)
    found = {step.result.name: (step.result.dtype, step.result.scale) for step in steps}
    assert found["images in s8"] == (DType.S8, pytest.approx(1.0))
    assert found["projection"] == (DType.S8, pytest.approx(0.1))
    assert found["reduce"] == (DType.U8, pytest.approx(0.1))
    assert found["spatial"] == (DType.U8, pytest.approx(0.2))
    assert found["sum"] == (DType.U8, pytest.approx(1.0))
    assert found["sum in f32"] == (DType.F32, None)


def test_a_sum_takes_the_memory_of_what_it_adds_to():
    steps = plan_steps(make_block(), Precision.AVX_FP32)
    total = next(step for step in steps if step.result.name == "sum")
    assert total.added is not None
    assert (total.added.name, total.result.place) == ("projection", "projection")


def test_a_value_that_was_added_to_is_not_read_again():
    network = make_block()
    wrong = tuple(
        msgspec.structs.replace(item, source="projection") if item.name == "mean" else item
        for item in network.operations
    )
    with pytest.raises(ModelError, match="mean reads a value that another one was added to"):
        plan_steps(msgspec.structs.replace(network, operations=wrong), Precision.AVX_FP32)
