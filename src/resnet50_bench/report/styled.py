"""A line for the terminal, in parts of several styles."""

from __future__ import annotations

from rich.text import Text

from resnet50_bench.printable import show_controls


class Line(Text):
    """Styled text whose control characters are shown; rich would drop some and print the others.

    What a command prints through rich is made of these alone.
    """

    def __init__(self, text: str = "", style: str = "") -> None:
        super().__init__(show_controls(text), style)

    def add(self, text: str, style: str) -> Line:
        """Add a part of another style."""
        self.append(show_controls(text), style)
        return self
