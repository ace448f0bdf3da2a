"""A low accuracy by labels or outputs in a known order is explained by `--class-order`'s own word."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.verdict.test_explain import answer, draw_labels, evaluate

from resnet50_bench.data.labels.orders import find_order
from resnet50_bench.verdict.explain import explain

TRUTHS = draw_labels(1000)


def explain_one(evaluation):
    (cause,) = explain(evaluation, (), {})
    return cause


def read_by(used: str, real: str):
    """Labels that are numbers by one order, read by another; where that has no class, left out."""
    numbers = [find_order(real).find_number(truth) for truth in TRUTHS]
    pairs = [
        (label, truth)
        for number, truth in zip(numbers, TRUTHS, strict=True)
        if (label := find_order(used).find_class(number)) is not None
    ]
    labels, truths = zip(*pairs, strict=True)
    return replace(evaluate(labels, answer(truths)), labels_order=used)


@pytest.mark.parametrize(
    ("used", "real"),
    [
        ("synset", "ilsvrc2012-id"),
        ("synset", "ilsvrc2012-id:0"),
        ("synset", "synset:1"),
        ("synset:1", "synset:0"),
        ("synset:1", "ilsvrc2012-id"),
        ("ilsvrc2012-id", "synset:1"),
        ("ilsvrc2012-id", "synset"),
        ("ilsvrc2012-id", "ilsvrc2012-id:0"),
    ],
)
def test_the_order_that_fits_numbers_is_named(used, real):
    cause = explain_one(read_by(used, real))
    assert cause.advice == f"--class-order {real}"
    assert cause.top1_now < 0.05
    assert cause.top1_then == pytest.approx(0.76, abs=0.05)


def test_outputs_in_the_devkit_s_order():
    order = find_order("outputs:ilsvrc2012-id")
    evaluation = evaluate(TRUTHS, answer([order.places[truth] for truth in TRUTHS]))
    cause = explain_one(replace(evaluation, labels_order=None))
    assert cause.advice == "--class-order outputs:ilsvrc2012-id"
    assert cause.sentence.startswith("the model's outputs are in the order of the devkit's")
    # Asked for without need, it is the cause itself.
    wrong = evaluate([order.places[truth] for truth in TRUTHS], answer(TRUTHS))
    cause = explain_one(replace(wrong, labels_order=None, outputs_order=order.text))
    assert cause.advice == "--class-order outputs:synset"


def test_a_background_class_that_is_the_last_output():
    answers = [output - 1 for output in answer(TRUTHS)]
    cause = explain_one(replace(evaluate(TRUTHS, answers), labels_order=None))
    assert cause.advice == "--class-order outputs:synset:0"
    right = replace(evaluate(TRUTHS, answers), labels_order=None, class_offset=0)
    assert explain(right, (), {}) == ()


def test_an_order_from_a_file_is_not_undone_by_guessing():
    evaluation = replace(evaluate(TRUTHS, answer(TRUTHS)), labels_order="classes.txt")
    assert explain(evaluation, (), {}) == ()
