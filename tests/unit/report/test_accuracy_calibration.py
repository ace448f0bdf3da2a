from tests.records import make_accuracy_record, make_evaluation_of_zeros

from resnet50_bench.report.terminal.accuracy import describe_accuracy, summarize_accuracy

ANSWERS = [0] * 15 + [5] * 5


def describe(**changes):
    record = make_accuracy_record(make_evaluation_of_zeros(ANSWERS, **changes))
    return dict(describe_accuracy(record)), summarize_accuracy(record)


def test_a_run_that_calibrated_on_none_of_its_images_says_nothing_of_it():
    rows, summary = describe()
    assert "Calibration" not in rows
    assert summary is not None
    assert summary["calibration_images"] == 0
    assert summary["top1_percent_counted_otherwise"] is None


def test_the_others_are_counted_by_themselves():
    rows, summary = describe(calibrating=(0, 1, 2, 3, 4))
    assert rows["Accuracy"].startswith("75.00 % top-1")
    assert rows["Calibration"].startswith(
        "5 of these images calibrated int8; the others alone: 66.67 % top-1"
    )
    assert summary is not None
    assert summary["top1_percent_counted_otherwise"] == 10 / 15 * 100


def test_those_left_out_are_named_and_the_figure_of_all_stands_beside():
    rows, _ = describe(calibrating=(0, 1, 2, 3, 4), calibrating_counted=False)
    assert rows["Accuracy"].startswith("66.67 % top-1")
    assert rows["Calibration"].startswith(
        "5 of these images calibrated int8 and are left out; with them: 75.00 % top-1"
    )


def test_where_all_calibrated_there_are_no_others():
    rows, _ = describe(calibrating=tuple(range(20)))
    assert rows["Calibration"] == "20 of these images calibrated int8: there are no others"
