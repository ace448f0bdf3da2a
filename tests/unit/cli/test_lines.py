"""What is printed: lines, styled text, stages, errors."""

from __future__ import annotations

import io

import click
import pytest
from rich.console import Console

from resnet50_bench.cli.lines import print_line, print_text, show_usage_error
from resnet50_bench.cli.streams import print_error
from resnet50_bench.cli.terminal import TerminalObserver, make_console
from resnet50_bench.errors import ConfigError, ModelError, RequestError
from resnet50_bench.report.styled import Line


def test_a_line_on_stdout_and_one_with_a_label_on_stderr(capsys):
    print_line("a\nb\x1b[2J")
    print_line("c\x9bd", label="warning: ", colour="yellow", err=True)
    print_text("one\ntwo\n")
    assert capsys.readouterr() == ("a\\nb\\x1b[2J\none\ntwo\n", "warning: c\\x9bd\n")


def test_an_error_its_output_and_its_advice(capsys):
    print_error(RequestError("no file a\nb", "give\x1b[1m another"))
    print_error(ModelError("it ended", output=("one\x07", "two")))
    print_error(ConfigError(["first\n", "second"]))
    assert capsys.readouterr().err.splitlines() == [
        "error: no file a\\nb",
        "  -> give\\x1b[1m another",
        "error: it ended",
        "  | one\\x07",
        "  | two",
        "error: first\\n",
        "error: second",
    ]


def test_a_wrong_option_is_shown_as_it_was_typed(capsys):
    show_usage_error(click.UsageError("No such option: --\x07\u202e"))
    assert capsys.readouterr().err == "Error: No such option: --\\x07\\u202e\n"


def test_styles_stay_where_they_were():
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, color_system="standard", width=80)
    console.print(Line("a\nb", style="bold").add("\x1b[2J\x07c", "red").add("d", "green"))
    shown = stream.getvalue()
    assert "\x1b[1ma\\nb\x1b[0m" in shown
    assert "\\x1b[2J\\x07c\x1b[0m" in shown
    assert shown.count("\n") == 1


def test_words_in_brackets_are_no_markup(capsys):
    console = make_console()
    console.print("[bold]x[/bold] [/] :smile:")
    console.print(Line("[bold]x[/bold] [/] :smile:"))
    assert capsys.readouterr().out == "[bold]x[/bold] [/] :smile:\n" * 2


def test_stages_and_notes(capsys):
    observer = TerminalObserver()
    observer.stage(1, 2, "list the images of a\nb")
    observer.note("\x1b[2J")
    assert capsys.readouterr().err == "[1/2] list the images of a\\nb\n      \\x1b[2J\n"


@pytest.mark.parametrize("text", ["", "x", "a b"])
def test_plain_text_is_left_alone(capsys, text):
    print_line(text)
    assert capsys.readouterr().out == f"{text}\n"
