import numpy as np
import pytest

from resnet50_bench.model.calibration import CalibrationRequest, select_calibration
from resnet50_bench.model.quantization.quantize import INPUT_RANGE
from resnet50_bench.model.quantization.ranges import (
    find_input_range,
    read_calibration_batches,
    read_held_out_images,
)

GENERATED = select_calibration(CalibrationRequest(images=12))
NAMED = select_calibration(CalibrationRequest(images=12, preprocessing="torchvision"))


def test_a_model_with_a_background_class_gets_images_with_means_subtracted():
    assert find_input_range(GENERATED, 1001) == pytest.approx(INPUT_RANGE)
    batches = list(read_calibration_batches(GENERATED))
    assert [len(batch) for batch in batches] == [8, 4]
    assert 100 < np.abs(batches[0]).max() <= INPUT_RANGE + 1e-3


def test_another_model_gets_the_same_images_in_its_own_units():
    """(255 / 255 - 0.406) / 0.225 is the most that torchvision's preprocessing gives."""
    assert find_input_range(GENERATED, 1000) == pytest.approx(2.64)
    (plain, *_), (scaled, *_) = (
        list(read_calibration_batches(GENERATED, classes)) for classes in (1001, 1000)
    )
    pixels = (plain + np.float32((123.68, 116.78, 103.94))) / 255
    wanted = (pixels - np.float32((0.485, 0.456, 0.406))) / np.float32((0.229, 0.224, 0.225))
    np.testing.assert_allclose(scaled, wanted, atol=1e-5)


def test_a_named_preprocessing_wins_over_the_number_of_classes():
    assert find_input_range(NAMED, 1001) == pytest.approx(2.64)


def test_as_many_held_out_images_as_asked_for_and_none_of_them_calibrates():
    held_out = read_held_out_images(GENERATED, count=6)
    assert held_out.shape == (6, 224, 224, 3)
    used = np.concatenate(list(read_calibration_batches(GENERATED)))
    assert all(np.abs(used - image).mean(axis=(1, 2, 3)).min() > 1 for image in held_out)
