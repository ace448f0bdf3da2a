import numpy as np

from resnet50_bench.model.quantization.quantize import INPUT_RANGE, quantize_kernel


def test_each_filter_is_scaled_by_its_own_largest_magnitude():
    kernel = np.array([[[[127.0, 0.5], [-63.6, -1.0]]]], np.float32)
    values, limits = quantize_kernel(kernel)
    assert values.dtype == np.int8
    assert values.tolist() == [[[[127, 64], [-64, -127]]]]
    assert limits.tolist() == [127.0, 1.0]


def test_a_filter_of_zeros_stays_zero():
    values, limits = quantize_kernel(np.zeros((1, 1, 2, 1), np.float32))
    assert values.tolist() == [[[[0], [0]]]]
    assert limits.tolist() == [1.0]


def test_the_inputs_range_is_white_less_the_smallest_mean():
    assert INPUT_RANGE == 255 - 103.94
