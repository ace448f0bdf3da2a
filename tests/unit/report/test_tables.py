from __future__ import annotations

import csv
import io

from resnet50_bench.report.tables import join_markdown, render_rows


def test_csv_keeps_numbers_and_leaves_out_what_is_not_known():
    rows = [("name", "ms", "valid"), ("a, b", -1.5, True), ('"', None, False)]
    assert render_rows(rows) == 'name,ms,valid\n"a, b",-1.5,True\n"""",,False\n'


def test_a_spreadsheet_takes_no_text_of_it_for_a_formula():
    hostile = ["=1+1", "-cmd", "@a", "+1", "two\nlines", "\x1b[2J"]
    (cells,) = csv.reader(io.StringIO(render_rows([hostile])))
    assert cells == ["'=1+1", "'-cmd", "'@a", "'+1", "two\\nlines", "\\x1b[2J"]


def test_markdown_has_rules_below_its_heading_and_a_bar_ends_no_cell():
    lines = join_markdown([("name", "ms"), ("a|b", "1.5"), ("", "")], right={1})
    assert lines == ["| name | ms |", "| --- | ---: |", r"| a\|b | 1.5 |", "|  |  |"]
