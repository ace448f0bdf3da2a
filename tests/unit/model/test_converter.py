import numpy as np
import pytest

from resnet50_bench.errors import ModelError
from resnet50_bench.model.agreement.gate import require_right
from resnet50_bench.model.converter import classify, compare_scores


def make_scores(logits):
    powers = np.exp(np.asarray(logits, np.float64))
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)


LOGITS = np.random.default_rng(0).normal(0, 4, (16, 10))


def test_equal_answers_agree_even_where_a_probability_is_nothing():
    scores = make_scores([[90.0, 1.0, -80.0]])
    found = compare_scores(scores, scores, exact=True)
    assert (found.logits_relative_l2, found.same_class, found.kept) == (0.0, 1, 1.0)
    require_right(found)


def test_what_rounds_nothing_may_hardly_differ():
    noise = np.random.default_rng(1).normal(0, 1, LOGITS.shape)
    require_right(
        compare_scores(make_scores(LOGITS), make_scores(LOGITS + 1e-5 * noise), exact=True)
    )
    other = make_scores(LOGITS + 4e-3 * noise)
    with pytest.raises(ModelError, match=r"logits differ by .* where 0.0001 is allowed"):
        require_right(compare_scores(make_scores(LOGITS), other, exact=True))
    require_right(compare_scores(make_scores(LOGITS), other, exact=False))


def test_other_classes_are_counted_and_nonsense_refused():
    scores = make_scores(LOGITS)
    found = compare_scores(scores, np.roll(scores, 1, axis=1), exact=False)
    assert found.same_class == 0
    assert found.kept is not None
    assert found.kept < 0.5
    with pytest.raises(ModelError, match="no numbers"):
        require_right(compare_scores(scores, np.full_like(scores, np.nan), exact=False))


class Loaded:
    """Answers with the first value of each image, always in the same memory."""

    def __init__(self):
        self.sizes = []
        self.scores = np.zeros((16, 1), np.float32)

    def run(self, images):
        self.sizes.append(len(images))
        self.scores[:, 0] = images[:, 0, 0, 0]
        return self.scores


def test_a_short_last_batch_is_filled_and_cut():
    images = np.arange(19, dtype=np.float32).reshape(19, 1, 1, 1)
    loaded = Loaded()
    assert classify(loaded, images)[:, 0].tolist() == list(range(19))
    assert loaded.sizes == [16, 16]
