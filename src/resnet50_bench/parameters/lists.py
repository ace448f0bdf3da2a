"""The grammar of a list of values: what `--set NAME=` and the flags of a sweep take.

1 2 4                       three values
16..128                     16, 32, 64, 128: twice the one before, up to the bound
1 2 4 ...64                 goes on as the last three values do, up to 64
1000 1300 1600 ...2000 |200   keeps the values divisible by 200
1000 1200 1400 ...2000 8000|  keeps the values that divide 8000
"""

from __future__ import annotations

import itertools
import re
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

MAX_COMBINATIONS = 10_000
_MAX_DECIMALS = 6

_NUMBER = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,6})?")
_WHOLE = re.compile(r"-?[0-9]{1,12}")
_DOUBLING = re.compile(r"([0-9]{1,12})\.\.([0-9]{1,12})")
_TOKEN = re.compile(
    r"\s*(?:(?P<dots>\.\.\.)"
    r"|\|\s*(?P<multiple>[^\s|]+)"
    r"|(?P<divided>[^\s|]+)\s*\|(?!\s*[^\s|])"
    r"|(?P<value>[^\s|]+))"
)


def check_count(count: int) -> None:
    """Raise ValueError when there are more values, or combinations of them, than are made."""
    if count > MAX_COMBINATIONS:
        raise ValueError(f"more than {MAX_COMBINATIONS} combinations: give fewer values")


def expand_values(text: str, last: int | None = None) -> list[str]:
    """Return the values of a list; one empty value of an empty text.

    Args:
        text: the list.
        last: what `...` goes up to where no number follows it; None when one has to.

    Raises:
        ValueError: it is not in the grammar, or expands too far.
    """
    if not text.strip():
        return [""]
    values: list[str] = []
    keeps: list[Callable[[int], bool]] = []
    tokens = _read_tokens(text)
    for kind, word in tokens:
        if keeps and kind not in {"multiple", "divided"}:
            raise ValueError(f"{word!r} stands behind a filter; filters come last")
        if kind == "value":
            values += _expand_word(word)
        elif kind == "dots":
            values += _continue(values, next(tokens, _find_end(values, last)))
        else:
            keeps.append(_make_filter(kind, word))
        check_count(len(values))
    kept = [value for value in values if all(keep(_parse_whole(value)) for keep in keeps)]
    if not kept:
        raise ValueError("no value is left")
    return kept


def _expand_word(word: str) -> list[str]:
    """One value, or those of `A..B`: A, twice A, and so on, none above B."""
    bounds = _DOUBLING.fullmatch(word)
    if bounds is None:
        return [word]
    first, end = int(bounds[1]), int(bounds[2])
    if not 0 < first <= end:
        raise ValueError(f"{word!r} needs a first number above 0 and not above the second")
    return [str(first << power) for power in range((end // first).bit_length())]


def _read_tokens(text: str) -> Iterator[tuple[str, str]]:
    text = text.rstrip()
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise ValueError("`|N` and `N|` need a number")
        yield match.lastgroup, match[match.lastgroup]
        position = match.end()


def _make_filter(kind: str, word: str) -> Callable[[int], bool]:
    number = _parse_whole(word)
    if number < 1:
        raise ValueError("`|N` and `N|` need a number of 1 or more")
    if kind == "multiple":
        return lambda value: value % number == 0
    return lambda value: value != 0 and number % value == 0


def _parse_whole(word: str) -> int:
    if not _WHOLE.fullmatch(word):
        raise ValueError(f"a filter needs whole numbers, and {word!r} is none")
    return int(word)


def _find_end(values: Sequence[str], last: int | None) -> tuple[str, str]:
    """The bound of `...` without one; values that are beyond it already stay, and none follows."""
    if last is None:
        return "", ""
    numbers = [int(value) for value in values if _WHOLE.fullmatch(value)]
    return "value", str(max([last, *numbers]))


def _continue(values: Sequence[str], bound: tuple[str, str]) -> list[str]:
    """What follows the last three values, up to the bound."""
    kind, word = bound
    if kind != "value" or not _NUMBER.fullmatch(word):
        raise ValueError("`...` needs a number to go up to, e.g. `1 2 4 ...64`")
    if len(values) < 3 or not all(_NUMBER.fullmatch(value) for value in values[-3:]):
        raise ValueError("`...` needs three numbers before it")
    first, second, third = (Fraction(value) for value in values[-3:])
    return [_format(number) for number in _progress((first, second, third), Fraction(word))]


def _progress(numbers: tuple[Fraction, Fraction, Fraction], end: Fraction) -> Iterator[Fraction]:
    first, second, third = numbers
    step, factor = Fraction(0), Fraction(1)
    if second - first == third - second:
        step = third - second
    elif first > 0 and second * second == first * third and second > 0:
        factor = third / second
    else:
        raise ValueError("the three values before `...` have neither one step nor one factor")
    up = third > second
    if step == 0 and factor == 1:
        raise ValueError("the values before `...` do not change")
    if (end < third) if up else (end > third):
        raise ValueError("the values before `...` are past its bound already")
    if factor < 1 and end <= 0:
        raise ValueError("a shrinking factor never gets to 0; give `...` a bound above 0")
    number = third * factor + step
    for count in itertools.count(1):
        if (number > end) if up else (number < end):
            return
        check_count(count)
        yield number
        number = number * factor + step


def _format(number: Fraction) -> str:
    scaled = number * 10**_MAX_DECIMALS
    if scaled.denominator != 1:
        raise ValueError(f"`...` gets to a number of more than {_MAX_DECIMALS} decimals")
    if number.denominator == 1:
        return str(number.numerator)
    sign = "-" if number < 0 else ""
    whole, decimals = divmod(abs(scaled.numerator), 10**_MAX_DECIMALS)
    return f"{sign}{whole}.{decimals:0{_MAX_DECIMALS}d}".rstrip("0")
