"""The checks of an accuracy: every image accounted for, unreadable ones, the gate."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.records import make_accuracy_record, make_evaluation_of_zeros, make_manifest
from tests.unit.verdict.runs import failures, warnings

from resnet50_bench.config import DataType, Mode, RunConfig
from resnet50_bench.instance.predictions import ROW
from resnet50_bench.model.manifest import FileIdentity
from resnet50_bench.results.record import Share
from resnet50_bench.verdict.judge import judge

RIGHT, WRONG, UNREADABLE = 0, 5, None


def ask(**changes: object) -> RunConfig:
    return RunConfig(
        mode=Mode.ACCURACY, data_type=DataType.REAL, dataset="images", model="resnet.pb",
        cores_per_instance=2, instances=2, **changes,
    )  # fmt: skip


def evaluate(answers, **asked):
    return make_accuracy_record(make_evaluation_of_zeros(answers), ask(**asked))


def test_every_image_answered_once_is_valid():
    record = evaluate([RIGHT] * 15 + [WRONG] * 5, expected_top1=75.0)
    assert failures(record) == []
    assert judge(record).exit_code == 0


def test_a_missing_answer_is_found():
    evaluation = make_evaluation_of_zeros([RIGHT] * 20)
    record = make_accuracy_record(replace(evaluation, rows=evaluation.rows[: -2 * ROW.size]))
    assert failures(record) == ["2 of 20 images were neither answered nor found unreadable"]
    assert judge(record).exit_code == 1


def test_an_image_answered_twice_is_found():
    evaluation = make_evaluation_of_zeros([RIGHT] * 20)
    rows = evaluation.rows[: -ROW.size] + evaluation.rows[: ROW.size]
    assert failures(make_accuracy_record(replace(evaluation, rows=rows))) == [
        "1 images were answered more than once, or are not of the set",
        "1 of 20 images were neither answered nor found unreadable",
    ]


def test_an_answer_to_an_image_that_is_not_of_the_set_is_found():
    evaluation = make_evaluation_of_zeros([RIGHT] * 20)
    record = make_accuracy_record(
        replace(evaluation, images=evaluation.images[:19], dataset_images=19)
    )
    assert failures(record) == ["1 images were answered more than once, or are not of the set"]


class TestShares:
    """Who was to see what, on several hosts."""

    WHOLE = (Share(instance=0, host="a", asked=12), Share(instance=1, host="b", asked=8))

    def test_each_image_seen_once_is_valid(self):
        evaluation = make_evaluation_of_zeros([RIGHT] * 20, shares=self.WHOLE)
        assert failures(make_accuracy_record(evaluation)) == []

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({"repeated": 2}, "instance 1 on b gave 2 answers to images answered before"),
            ({"strange": 1}, "instance 1 on b gave 1 answers to images it was not told to see"),
            ({"asked": 7}, "19 images were dealt to the instances, and 20 were to see"),
        ],
    )
    def test_what_is_not_so_is_found(self, changes, expected):
        shares = self.WHOLE[0], replace(self.WHOLE[1], **changes)
        evaluation = make_evaluation_of_zeros([RIGHT] * 20, shares=shares)
        assert failures(make_accuracy_record(evaluation)) == [expected]

    def test_what_a_lost_instance_did_not_see_is_named(self):
        shares = self.WHOLE[0], replace(self.WHOLE[1], missing=(16, 17, 18, 19))
        evaluation = make_evaluation_of_zeros([RIGHT] * 20, shares=shares)
        evaluation = replace(evaluation, rows=evaluation.rows[: -4 * ROW.size])
        record = make_accuracy_record(evaluation, status="interrupted")
        missing = next(item for item in judge(record).failures if "not answered" in item.message)
        name = "ILSVRC2012_val_000000{}.JPEG"
        assert missing.message == (
            "4 of 20 images were not answered: 4 of 8 of instance 1 on b "
            f"({name.format(17)}, {name.format(18)}, {name.format(19)} and 1 more)"
        )
        assert missing.advice == "`r50 run --resume RUN` sees these and no others"


@pytest.mark.parametrize(
    ("unreadable", "allowed", "valid"),
    [(1, None, False), (1, 0, False), (1, 1, True), (3, 2, False), (3, 3, True)],
)
def test_unreadable_images_are_allowed_by_number(unreadable, allowed, valid):
    record = evaluate([UNREADABLE] * unreadable + [RIGHT] * 17, max_unreadable=allowed)
    assert judge(record).valid == valid
    if not valid:
        (message,) = failures(record)
        assert message.startswith(f"{unreadable} images could not be read, {allowed or 0} may be: ")
        assert "ILSVRC2012_val_00000001.JPEG is empty" in message


def test_no_image_at_all_is_invalid():
    record = evaluate([UNREADABLE] * 5, max_unreadable=5)
    assert failures(record) == ["no image was answered"]


class TestGate:
    """99 % of what is expected: 74.25 of 75."""

    def test_reached(self):
        assert failures(evaluate([RIGHT] * 750 + [WRONG] * 250, expected_top1=75.0)) == []

    def test_missed(self):
        record = evaluate([RIGHT] * 600 + [WRONG] * 400, expected_top1=75.0)
        assert failures(record) == [
            "top-1 60.00% is below 74.25 %, which is 99% of the 75 % expected"
        ]

    def test_too_few_images_to_tell(self):
        record = evaluate([RIGHT] * 73 + [WRONG] * 27, expected_top1=75.0)
        assert failures(record) == []
        assert any("too few images to tell" in text for text in warnings(record))

    def test_the_whole_validation_set_always_decides(self):
        answers = [RIGHT] * 37_100 + [WRONG] * 12_900  # 74.2 %: the interval holds 74.25
        assert failures(evaluate(answers, expected_top1=75.0)) == [
            "top-1 74.20% is below 74.25 %, which is 99% of the 75 % expected"
        ]

    def test_the_published_model_is_known_by_its_name(self):
        evaluation = make_evaluation_of_zeros([RIGHT] * 600 + [WRONG] * 400)
        assert failures(make_accuracy_record(evaluation)) == [
            "top-1 60.00% is below 75.70 %, which is 99% of the 76.46 % expected"
        ]

    def test_of_another_model_nothing_is_known(self):
        model = make_manifest(source=FileIdentity("other.pb", "5" * 64, 1))
        record = make_accuracy_record(
            make_evaluation_of_zeros([RIGHT] * 6 + [WRONG] * 4), model=model
        )
        assert failures(record) == []
        assert any("is not known, so it was not checked" in text for text in warnings(record))


def test_a_subset_says_so():
    evaluation = make_evaluation_of_zeros([RIGHT] * 20, dataset_images=50_000)
    record = make_accuracy_record(evaluation, ask(expected_top1=75.0))
    assert failures(record) == []
    assert "SUBSET: 20 of 50,000 images, drawn with seed 0" in warnings(record)


def test_an_interrupted_evaluation_is_not_judged_by_its_figures():
    evaluation = make_evaluation_of_zeros([WRONG] * 3 + [UNREADABLE], dataset_images=20)
    record = make_accuracy_record(evaluation, status="interrupted")
    assert failures(record) == ["the run was interrupted before it was complete"]


# Images that calibrated int8 as well


@pytest.mark.parametrize(
    ("calibrating", "counted", "warned"), [(2, True, False), (3, True, True), (15, False, False)]
)
def test_more_than_a_tenth_of_images_that_calibrated_is_told_of(calibrating, counted, warned):
    evaluation = make_evaluation_of_zeros(
        [RIGHT] * 20, calibrating=tuple(range(calibrating)), calibrating_counted=counted
    )
    told = [
        text for text in warnings(make_accuracy_record(evaluation)) if "calibrated int8" in text
    ]
    assert (
        told
        == [
            "3 of the 20 images counted calibrated int8 as well: the accuracy may be better than on "
            "images that did not"
        ]
        * warned
    )


def test_the_gate_is_that_of_the_images_that_are_counted():
    answers = [RIGHT] * 10 + [WRONG] * 10
    left_out = {"calibrating": tuple(range(10, 20)), "calibrating_counted": False}
    asked = ask(expected_top1=100.0)
    assert failures(make_accuracy_record(make_evaluation_of_zeros(answers), asked)) != []
    assert (
        failures(make_accuracy_record(make_evaluation_of_zeros(answers, **left_out), asked)) == []
    )
