"""How the text of a parameter becomes a value; each parser's ValueError says what is allowed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from enum import Enum
from typing import TypeVar

from resnet50_bench.config import CaseType

_E = TypeVar("_E", bound=Enum)


def require_plain(text: str) -> str:
    """Refuse what neither a record nor the environment of a process can hold."""
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("text in UTF-8 without NUL characters")
    return text


def parse_whole(low: int, high: int | None = None) -> Callable[[str], int]:
    """A parser of whole numbers of at least `low` and at most `high`, of at most twelve digits."""

    def parse(text: str) -> int:
        is_whole = re.fullmatch(r"[0-9]{1,12}", text) is not None
        if not is_whole or int(text) < low or (high is not None and int(text) > high):
            bounds = f"{low} or more" if high is None else f"{low} .. {high}"
            raise ValueError(f"a whole number, {bounds}")
        return int(text)

    return parse


def parse_seconds(text: str) -> float:
    """Parse a number of seconds above 0."""
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) or float(text) == 0:
        raise ValueError("a number of seconds above 0, such as 20 or 0.5")
    return float(text)


def parse_percent(text: str) -> float:
    """Parse a percentage above 0, at most 100."""
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,9})?", text) or not 0 < float(text) <= 100:
        raise ValueError("a percentage above 0, such as 76.46")
    return float(text)


def parse_width(text: str) -> float:
    """Parse a percentage above 0 and below 100, with or without its sign."""
    number = text.removesuffix("%")
    if not re.fullmatch(r"[0-9]{1,2}(\.[0-9]{1,9})?", number) or float(number) == 0:
        raise ValueError("a percentage above 0, such as 1%")
    return float(number)


def parse_price(text: str) -> float:
    """Parse an amount of money above 0."""
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) or float(text) == 0:
        raise ValueError("a number above 0, such as 4.5, without a currency")
    return float(text)


def parse_word(kind: type[_E]) -> Callable[[str], _E]:
    """A parser of the values of an enum, in any case."""

    def parse(text: str) -> _E:
        try:
            return next(item for item in kind if item.value.lower() == text.lower())
        except StopIteration:
            raise ValueError("one of " + ", ".join(item.value for item in kind)) from None

    return parse


def parse_choice(*words: str) -> Callable[[str], str]:
    """A parser of one of these words, in any case."""

    def parse(text: str) -> str:
        if text.lower() not in words:
            raise ValueError("one of " + ", ".join(words))
        return text.lower()

    return parse


def parse_case_type(text: str) -> CaseType | None:
    """Parse a case type; empty text is none."""
    return parse_word(CaseType)(text) if text else None


def parse_switch(text: str) -> bool:
    """Parse True or False; empty text is False."""
    word = text.lower()
    if word in {"true", "1", "yes", "on"}:
        return True
    if word in {"false", "0", "no", "off", ""}:
        return False
    raise ValueError("True or False")


def parse_text(text: str) -> str:
    """Take any text but none."""
    if not text:
        raise ValueError("not empty")
    return text


_COLUMN_WORDS = {"name": 0, "class": 1, "synset": 1, "-": 0}
"""What a column of a label file can be, and whether it says the class."""


def parse_columns(text: str) -> str:
    """Parse what the columns of a label file are, or the word devkit."""
    words = [word.strip() for word in text.lower().split(",")]
    is_known = all(word in _COLUMN_WORDS for word in words)
    is_whole = len(words) == 1 or words.count("name") == 1
    if words == ["devkit"] or (
        is_known and is_whole and sum(_COLUMN_WORDS[word] for word in words) == 1
    ):
        return ",".join(words)
    raise ValueError(
        "a word for each column: name once, class or synset once, - for the others, such as "
        "name,class; class or synset alone for a line per image; or devkit"
    )


def parse_only(word: str, why: str) -> Callable[[str], str]:
    """A parser that takes one word, in any case, and says why there is no other."""

    def parse(text: str) -> str:
        if text.lower() != word:
            raise ValueError(f"{word}: {why}")
        return word

    return parse


def parse_assignments(text: str) -> dict[str, str]:
    """Parse `A=1 B="two words"` as a shell would split it; nothing is ever evaluated."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ValueError(f"NAME=VALUE pairs separated by spaces ({error})") from None
    pairs: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise ValueError(f"NAME=VALUE pairs separated by spaces, and {word!r} is none")
        pairs[name] = value
    return pairs


def parse_engine_options(text: str) -> dict[str, str]:
    """Parse assignments whose names are in any case."""
    return {name.lower(): value for name, value in parse_assignments(text).items()}


def list_words(kind: type[Enum]) -> tuple[str, ...]:
    """The values of an enum, as text."""
    return tuple(str(item.value) for item in kind)
