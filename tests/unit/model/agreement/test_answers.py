import numpy as np
import pytest

from resnet50_bench.model.agreement.answers import compare_answers


def answer(*rows):
    """Logits whose softmax are these probabilities, and the probabilities."""
    softmax = np.array(rows)
    return np.log(softmax), softmax


SURE, WAVERING = (0.9, 0.08, 0.02), (0.3, 0.4, 0.3)


def test_the_same_answers_keep_all():
    found = compare_answers(answer(SURE, WAVERING), answer(SURE, WAVERING))
    assert (found.kept, found.same_class, found.images) == (1.0, 2, 2)
    assert (found.logits_relative_l2, found.total_variation) == (0, 0)


def test_an_image_counts_by_what_the_source_says_of_the_class_named():
    """Hand computed: of 0.9 + 0.4 expected, 0.9 + 0.3 are kept, and 0.08 + 0.4."""
    wavered = compare_answers(answer(SURE, WAVERING), answer(SURE, (0.4, 0.3, 0.3)))
    lost = compare_answers(answer(SURE, WAVERING), answer((0.08, 0.9, 0.02), WAVERING))
    assert wavered.kept == pytest.approx(1.2 / 1.3)
    assert lost.kept == pytest.approx(0.48 / 1.3)
    assert wavered.same_class == lost.same_class == 1


def test_equally_sure_images_count_whole_and_others_less():
    alike = compare_answers(answer(SURE, SURE), answer(SURE, SURE))
    mixed = compare_answers(answer(SURE, WAVERING), answer(SURE, WAVERING))
    assert alike.effective_images == pytest.approx(2)
    assert mixed.effective_images == pytest.approx(1.3**2 / (0.9**2 + 0.4**2))


def test_classes_that_are_all_exchanged_keep_what_the_source_gave_them():
    found = compare_answers(answer(SURE, SURE), answer(SURE[::-1], SURE[::-1]))
    assert found.kept == pytest.approx(0.02 / 0.9)
    assert found.total_variation == pytest.approx(0.88)
    assert found.softmax_max_abs_difference == pytest.approx(0.88)


def test_logits_blown_up_by_the_classifier_lose_nothing():
    """What refused right graphs before: a common part moves, and no answer does."""
    logits, softmax = answer(SURE, WAVERING)
    found = compare_answers((logits, softmax), (logits + 3, softmax))
    assert found.logits_relative_l2 > 0.5
    assert (found.kept, found.total_variation) == (1.0, 0)
