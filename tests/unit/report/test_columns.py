from __future__ import annotations

from resnet50_bench.report.columns import join_columns


def test_names_stand_left_and_figures_right():
    rows = [("name", "ms"), ("a", "1.5"), ("abcdef", "10.25")]
    assert join_columns(rows, right={1}) == ["name       ms", "a         1.5", "abcdef  10.25"]


def test_an_empty_column_goes_and_no_line_ends_in_blanks():
    assert join_columns([("a", "", "b"), ("long", "", "")]) == ["a     b", "long"]
