from dataclasses import replace

import msgspec
import pytest
from tests.unit.engines.onednn.networks import make_block, make_resnet50
from tests.unit.engines.onednn.test_arena import find_clashes

from resnet50_bench.config import Precision
from resnet50_bench.engines.onednn.arena import Life, measure_peak, plan_arena
from resnet50_bench.engines.onednn.plan import DType, plan_lives, plan_steps
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
    assert plan_lives(steps, 2) == (
        Life("projection", 2 * 8 * 8 * 16 * 4, 0, 4),
        Life("reduce", 2 * 8 * 8 * 4 * 4, 1, 2),
        Life("spatial", 2 * 8 * 8 * 4 * 4, 2, 3),
        Life("mean", 2 * 16 * 4, 4, 5),
        Life("logits", 2 * 10 * 4, 5, 6),
    )


def test_a_value_that_was_added_to_is_not_read_again():
    network = make_block()
    wrong = tuple(
        msgspec.structs.replace(item, source="projection") if item.name == "mean" else item
        for item in network.operations
    )
    with pytest.raises(ModelError, match="mean reads a value that another one was added to"):
        plan_steps(msgspec.structs.replace(network, operations=wrong), Precision.AVX_FP32)


@pytest.mark.parametrize(
    ("precision", "images", "size"),
    [
        (Precision.AVX_FP32, 1, 6_422_528),
        (Precision.AVX_FP32, 4, 25_690_112),
        (Precision.AVX_BFLOAT16, 1, 3_211_264),
    ],
)
def test_the_models_values_take_what_lives_at_once_and_no_more(precision, images, size):
    """Most live where the second stage begins: 56x56x256 read, 28x28x512 and 56x56x128 written."""
    lives = plan_lives(plan_steps(make_resnet50(), precision), images)
    arena = plan_arena(lives)
    assert arena.size == size
    assert measure_peak(lives) == size
    assert not find_clashes(lives, arena)


def test_lives_of_values_end_with_their_last_reader():
    lives = {
        life.name: life for life in plan_lives(plan_steps(make_resnet50(), Precision.AVX_FP32), 1)
    }
    # stem 0, pool 1, projection 2, a 3, b 4, c 5, and a 6, b 7, c 8 on the same memory
    assert lives["stem"] == Life("stem", 112 * 112 * 64 * 4, 0, 1)
    assert lives["pool"] == Life("pool", 56 * 56 * 64 * 4, 1, 3)
    assert (lives["projection0"].first, lives["projection0"].last) == (2, 13)
    assert replace(lives["a1"], size=0) == Life("a1", 0, 6, 7)
