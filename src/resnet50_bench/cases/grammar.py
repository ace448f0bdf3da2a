"""The grammar of `--set`: lists, progressions, filters, cross products, and how several combine.

    --set "BATCH_SIZE=1 2 4"                    three values: any list of `parameters.lists`
    --set "STEPS=10 20/BATCH_SIZE=1 2"          every combination; the first name varies slowest
    --set "STEPS=10 20" --set "BATCH_SIZE=1 2"  side by side; the shorter list starts again

A parameter that takes its value whole (`CUSTOMER_ENV`, paths) has one value, spaces and all; a `/`
in it begins another factor only where the name of a parameter and `=` follow.
"""

from __future__ import annotations

import itertools
import math
import re
from typing import TYPE_CHECKING

from resnet50_bench.errors import ConfigError
from resnet50_bench.parameters.lists import check_count, expand_values
from resnet50_bench.parameters.parameter import Setting
from resnet50_bench.parameters.table import find_parameter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SHOWN_CHARS = 60

_NEXT_FACTOR = re.compile(r"/(?=\s*([A-Za-z_][A-Za-z0-9_]*)\s*=)")


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
    check_count(math.prod(map(len, factors)))
    return list(itertools.product(*factors))


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
    values = [text] if _is_whole(factor) else expand_values(text)
    return [Setting(name, value, f"--set {name}") for value in values]
