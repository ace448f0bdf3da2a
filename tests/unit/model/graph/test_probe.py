import numpy as np

from resnet50_bench.model.graph.probe import CHANNEL_MEANS, plan_probe_images


def test_images_have_the_range_and_layout_of_preprocessed_photographs():
    images = plan_probe_images(4, seed=3)
    assert images.shape == (4, 224, 224, 3)
    assert images.dtype == np.float32
    raw = images + np.float32(CHANNEL_MEANS)
    assert raw.min() >= -1e-4
    assert raw.max() <= 255 + 1e-4
    assert raw.std() > 30


def test_a_seed_gives_the_same_images_and_another_seed_others():
    assert np.array_equal(plan_probe_images(2, seed=3), plan_probe_images(2, seed=3))
    assert not np.array_equal(plan_probe_images(2, seed=3), plan_probe_images(2, seed=4))


def test_images_differ_from_one_another():
    images = plan_probe_images(6, seed=3)
    for index in range(5):
        assert np.abs(images[index] - images[index + 1]).mean() > 10
