"""The grammar of `--set`: lists, progressions, filters, cross products, and how several combine.

    --set "BATCH_SIZE=1 2 4"                    three values
    --set "BATCH_SIZE=1 2 4 ...64"              goes on as the last three values do, up to 64
    --set "STEPS=1000 1300 1600 ...2000 |200"   keeps the values divisible by 200
    --set "STEPS=1000 1200 1400 ...2000 8000|"  keeps the values that divide 8000
    --set "STEPS=10 20/BATCH_SIZE=1 2"          every combination; the first name varies slowest
    --set "STEPS=10 20" --set "BATCH_SIZE=1 2"  side by side; the shorter list starts again

A parameter that takes its value whole (`CUSTOMER_ENV`, paths) has one value, spaces and all; a `/`
in it begins another factor only where the name of a parameter and `=` follow.
"""

from __future__ import annotations

import itertools
import math
import re
from fractions import Fraction
from typing import TYPE_CHECKING

from resnet50_bench.errors import ConfigError
from resnet50_bench.parameters.parameter import Setting
from resnet50_bench.parameters.table import find_parameter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

MAX_COMBINATIONS = 10_000
_SHOWN_CHARS = 60
_MAX_DECIMALS = 6

_NEXT_FACTOR = re.compile(r"/(?=\s*([A-Za-z_][A-Za-z0-9_]*)\s*=)")
_NUMBER = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,6})?")
_WHOLE = re.compile(r"-?[0-9]{1,12}")
_TOKEN = re.compile(
    r"\s*(?:(?P<dots>\.\.\.)"
    r"|\|\s*(?P<multiple>[^\s|]+)"
    r"|(?P<divided>[^\s|]+)\s*\|(?!\s*[^\s|])"
    r"|(?P<value>[^\s|]+))"
)


def plan_combinations(assignments: Sequence[str]) -> tuple[tuple[Setting, ...], ...]:
    """Return what each run sets; one run that sets nothing when there are no assignments.

    Args:
        assignments: the texts of `--set`, in their order.

    Raises:
        ConfigError: with every assignment that is not in the grammar, or expands too far.
    """
    columns, problems = [], []
    for text in assignments:
        try:
            columns.append(_expand_assignment(text))
        except ValueError as error:
            shown = text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}..."
            problems.append(f"--set {shown}: {error}")
    if problems:
        raise ConfigError(problems)
    count = max(map(len, columns), default=1)
    return tuple(
        tuple(setting for column in columns for setting in column[number % len(column)])
        for number in range(count)
    )


def _expand_assignment(text: str) -> list[tuple[Setting, ...]]:
    factors = [_expand_factor(factor) for factor in _split_factors(text)]
    _check_count(math.prod(map(len, factors)))
    return list(itertools.product(*factors))


def _check_count(count: int) -> None:
    if count > MAX_COMBINATIONS:
        raise ValueError(f"more than {MAX_COMBINATIONS} combinations: give fewer values")


def _split_factors(text: str) -> Iterator[str]:
    """Split at every `/` that begins another factor."""
    begin = 0
    for match in _NEXT_FACTOR.finditer(text):
        if _is_whole(text[begin : match.start()]) and find_parameter(match[1]) is None:
            continue
        yield text[begin : match.start()]
        begin = match.end()
    yield text[begin:]


def _is_whole(factor: str) -> bool:
    parameter = find_parameter(factor.partition("=")[0].strip())
    return parameter is not None and parameter.whole


def _expand_factor(factor: str) -> list[Setting]:
    name, equals, text = factor.partition("=")
    name = name.strip()
    if not equals or not name:
        raise ValueError("give NAME=VALUE, e.g. BATCH_SIZE=32")
    values = [text] if _is_whole(factor) else _expand_values(text)
    return [Setting(name, value, f"--set {name}") for value in values]


def _expand_values(text: str) -> list[str]:
    """The values of a list; one empty value of an empty text."""
    if not text.strip():
        return [""]
    values: list[str] = []
    keeps: list[Callable[[int], bool]] = []
    tokens = _read_tokens(text)
    for kind, word in tokens:
        if keeps and kind not in {"multiple", "divided"}:
            raise ValueError(f"{word!r} stands behind a filter; filters come last")
        if kind == "value":
            values.append(word)
        elif kind == "dots":
            values += _continue(values, next(tokens, ("", "")))
        else:
            keeps.append(_make_filter(kind, word))
        _check_count(len(values))
    kept = [value for value in values if all(keep(_parse_whole(value)) for keep in keeps)]
    if not kept:
        raise ValueError("no value is left")
    return kept


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
        _check_count(count)
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
