"""Mistakes made on purpose, with a real network: each is named, and nothing else.

A model that was trained with a mistake is run without it. The answers follow from the features in
float64; `test_labelled` shows that the runtime gives the same, and `test_accuracy` that a run of
the full-width model does.
"""

from __future__ import annotations

import numpy as np
import pytest
from tests.labelled import SYNSETS, Mistake, mislabel
from tests.records import name_image

from resnet50_bench.instance.predictions import Prediction, pack_row
from resnet50_bench.results.accuracy import compute_accuracy
from resnet50_bench.results.record import Evaluation, Trial
from resnet50_bench.verdict.explain import explain, plan_sample, should_explain

pytestmark = pytest.mark.tensorflow

MISTAKES = [item for item in Mistake if item is not Mistake.NONE]
CAUSES = {f"mlperf/{item.name}": f"trained with {item.value}" for item in MISTAKES}


def pack_scores(scores, positions):
    rows = []
    for position in positions:
        order = np.argsort(-scores[position], kind="stable")[:5]
        classes = tuple(int(index) for index in order)
        rows.append(pack_row(Prediction(position, classes, tuple(scores[position][order]))))
    return b"".join(rows)


def run(fitted_thin, model, labels):
    """The answers to the images as they should be prepared, and to every wrong preparation."""
    evaluation = Evaluation(
        preprocessing="mlperf",
        labels_origin="a test",
        classes=SYNSETS + 1,
        dataset_images=len(labels),
        images=tuple(name_image(number) for number in range(len(labels))),
        labels=tuple(labels),
        rows=pack_scores(model.score(fitted_thin.find_features()), range(len(labels))),
    )
    sample = plan_sample(evaluation)
    trials = tuple(
        Trial(
            variant=f"mlperf/{item.name}",
            positions=sample,
            rows=pack_scores(model.score(fitted_thin.find_features(item)), sample),
        )
        for item in MISTAKES
    )
    return evaluation, trials


def name_causes(fitted_thin, model, labels):
    evaluation, trials = run(fitted_thin, model, labels)
    assert should_explain(evaluation, None)
    return [cause.sentence for cause in explain(evaluation, trials, CAUSES)]


@pytest.mark.parametrize("wrong", [0, 36])
def test_a_right_model_has_no_cause(fitted_thin, labelled, wrong):
    labels = mislabel(labelled.labels, wrong)
    evaluation, trials = run(fitted_thin, fitted_thin.make(), labels)
    assert compute_accuracy(evaluation).top1_correct == 144 - wrong
    assert not should_explain(evaluation, None)
    assert explain(evaluation, trials, CAUSES) == ()


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_preparation(fitted_thin, labelled, mistake):
    model = fitted_thin.make(mistake=mistake)
    assert name_causes(fitted_thin, model, labelled.labels) == [f"trained with {mistake.value}"]


@pytest.mark.parametrize("shift", [-2, -1, 1, 2])
def test_labels_that_are_off(fitted_thin, labelled, shift):
    model = fitted_thin.make([label + 1 + shift for label in labelled.labels])
    (cause,) = name_causes(fitted_thin, model, labelled.labels)
    number = {1: "one class", 2: "2 classes"}[abs(shift)]
    side = "above" if shift > 0 else "below"
    assert cause.startswith(f"the model's answers are {number} {side} the labels")


def test_labels_in_another_order(fitted_thin, labelled):
    order = np.random.default_rng(0).permutation(SYNSETS)
    model = fitted_thin.make([int(order[label]) + 1 for label in labelled.labels])
    (cause,) = name_causes(fitted_thin, model, labelled.labels)
    assert cause.startswith("the labels number the classes in another order")


def test_a_preparation_and_labels_at_once(fitted_thin, labelled):
    model = fitted_thin.make([label + 2 for label in labelled.labels], Mistake.SQUASHED)
    (cause,) = name_causes(fitted_thin, model, labelled.labels)
    assert cause.startswith("trained with squashed; and the model's answers are one class above")
