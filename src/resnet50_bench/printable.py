r"""Text from outside, made safe to print: its control characters are shown instead of obeyed.

A record, a host file, a label, the name of a file, a variable of the environment and the output of
another program may hold anything: `ESC[2J` clears a screen, a line feed begins a line that we never
wrote, U+202E turns the rest of a line around. Each output form has one place where its lines pass
through here: `cli.terminal` for stdout and stderr, `join_lines` for files of text lines,
`report.tables` for tables. JSON escapes such characters by itself.
"""

from __future__ import annotations

from collections.abc import Iterable

_FORMULA_BEGINS = ("=", "+", "-", "@")
"""What makes a spreadsheet take a text for a formula (OWASP, "CSV Injection"); a tab and a carriage
return, which do too, are shown as escapes."""

_LONE_BYTES = range(0xDC80, 0xDD00)
"""Python's stand-ins for the bytes of a file name that are not UTF-8 (PEP 383)."""


def show_controls(text: str) -> str:
    r"""Return the text on one line, each character that does not print written as an escape.

    These are the controls of C0 and C1, line and paragraph separators, invisible and direction
    changing format characters, lone surrogates, and what has no character assigned. A byte of a
    file name that is not UTF-8 is shown as `\xff`. Spaces of any width are left as they are.
    """
    if text.isprintable():
        return text
    return "".join(_show_character(character) for character in text)


def _show_character(character: str) -> str:
    r"""Return the character, or its escape, such as `\n`, `\x1b` or `\u202e`."""
    if character.isprintable() or _is_space(character):
        return character
    number = ord(character)
    if number in _LONE_BYTES:
        return f"\\x{number - 0xDC00:02x}"
    return character.encode("unicode_escape", "surrogatepass").decode()


def join_lines(lines: Iterable[str]) -> str:
    """Return the lines as the text of a file; each stays one line."""
    return "".join(f"{show_controls(line)}\n" for line in lines)


def make_cell(text: str) -> str:
    """Return the text as a cell of a table that a spreadsheet may open: never a formula."""
    shown = show_controls(text)
    return f"'{shown}" if shown.startswith(_FORMULA_BEGINS) else shown


def _is_space(character: str) -> bool:
    """Whether it is a blank within a line, such as the no-break space."""
    return character.isspace() and character not in "\t\n\v\f\r\x1c\x1d\x1e\x1f\x85\u2028\u2029"
