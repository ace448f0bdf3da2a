"""Control characters of text from outside are shown, and no text begins a line of its own."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resnet50_bench.printable import join_lines, make_cell, show_controls

ANY_TEXT = st.text(st.characters(categories=None, codec=None))
"""Lone surrogates too."""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("AMD EPYC 9B45, 2 cores", "AMD EPYC 9B45, 2 cores"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\nb\rc\td", "a\\nb\\rc\\td"),
        ("\x00\x07\x7f", "\\x00\\x07\\x7f"),
        ("\x9b31m\x85", "\\x9b31m\\x85"),
        ("\u202egpj.exe\u2066", "\\u202egpj.exe\\u2066"),
        ("\u2028\u2029\ufeff\u200b", "\\u2028\\u2029\\ufeff\\u200b"),
        ("\udcff.jpg", "\\xff.jpg"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("é 图 😀 a\xa0b", "é 图 😀 a\xa0b"),
        ("[bold]x[/bold] :smile:", "[bold]x[/bold] :smile:"),
        ("\\n", "\\n"),
    ],
)
def test_what_is_shown(text, shown):
    assert show_controls(text) == shown


@given(ANY_TEXT)
def test_one_line_stays_one_line_without_a_control_character(text):
    shown = show_controls(text)
    categories = {unicodedata.category(character) for character in shown}
    assert not categories & {"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"}
    assert len(f"{shown}.".splitlines()) == 1
    assert shown.encode().decode() == shown
    assert show_controls(shown) == shown


@given(st.lists(ANY_TEXT))
def test_a_file_of_lines_has_as_many_lines_as_it_was_given(lines):
    assert len(join_lines(lines).splitlines()) == len(lines)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-2", "@SUM(A1)", "=cmd|' /C calc'!A0"])
def test_a_cell_is_no_formula(text):
    assert make_cell(text) == f"'{text}"


@given(ANY_TEXT)
def test_no_text_is_a_formula(text):
    assert not make_cell(text).startswith(("=", "+", "-", "@", "\t", "\r"))
