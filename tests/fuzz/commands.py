"""Every command with its arguments and options, as click knows them, and random values for them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from random import Random

import click
from tests.fuzz.words import make_word, pick_path, pick_word

from resnet50_bench.cases.catalog import list_every_case
from resnet50_bench.cli import r50

NOT_TRIED = frozenset({"ab", "container", "enclave", "serve"})
"""What measures in processes of its own; a container's first process, which would take this one's
signals; what hashes a gigabyte; and what goes on until Ctrl-C."""

Leaf = tuple[tuple[str, ...], click.Command]


def list_commands(group: click.Group = r50, above: tuple[str, ...] = ()) -> Iterator[Leaf]:
    """Yield each command that is no group, with the words that call it; hidden ones too.

    Not those of `NOT_TRIED`.
    """
    for name, command in sorted(group.commands.items()):
        words = (*above, name)
        if name in NOT_TRIED:
            continue
        if isinstance(command, click.Group):
            yield from list_commands(command, words)
        else:
            yield words, command


def make_arguments(random: Random, leaf: Leaf) -> list[str]:
    """Return a random command line of one command."""
    words, command = leaf
    line = list(words)
    options = [item for item in command.params if isinstance(item, click.Option)]
    chance = random.choice((0.0, 0.1, 0.1, 0.25))
    for option in options:
        while random.random() < chance:
            line += _make_option(random, option)
            if not option.multiple:
                break
    # Building images takes an hour.
    if command.name == "images" or (command.name == "run" and random.random() < 0.8):
        line.append("--dry-run")
    for item in command.params:
        if isinstance(item, click.Argument):
            line += _make_argument(random, item)
    if random.random() < 0.03:
        line.insert(random.randint(0, len(line)), pick_word(random))
    return line


def _make_option(random: Random, option: click.Option) -> list[str]:
    flag = random.choice([*option.opts, *option.secondary_opts])
    if option.is_flag:
        return [flag]
    return [flag, _make_value(random, option)]


def _make_argument(random: Random, argument: click.Argument) -> list[str]:
    if argument.name in {"case", "name"} and random.random() < 0.6:
        return [random.choice(_list_cases())]
    if argument.nargs == -1:
        return [_make_value(random, argument) for _ in range(random.randint(0, 3))]
    if not argument.required and random.random() < 0.5:
        return []
    return [_make_value(random, argument)]


def _make_value(random: Random, parameter: click.Parameter) -> str:
    """Mostly something of the right kind."""
    kind = parameter.type
    if random.random() < 0.2:
        return pick_word(random)
    if isinstance(kind, click.Choice):
        return str(random.choice(kind.choices))
    if isinstance(kind, (click.types.IntParamType, click.types.FloatParamType)):
        return str(random.choice((0, 1, 2, 3, 10, 100, random.getrandbits(20), 0.5)))
    words = (getattr(parameter, "metavar", None) or "").split("|")
    if isinstance(kind, click.Path) or {"PATH", "FILE", "DIR"} & set(words):
        return pick_path(random)
    return _make_text(random, words)


def _make_text(random: Random, words: list[str]) -> str:
    """A value whose form its metavar tells, as far as it does."""
    if len(words) > 1:
        return random.choice(words)
    if words == ["N"]:
        return str(random.choice((0, 1, 2, 3, 4, 8, 16, 32, 1000, random.getrandbits(34))))
    return pick_word(random) if random.random() < 0.8 else make_word(random)


@cache
def _list_cases() -> tuple[str, ...]:
    return tuple(case.name for case in list_every_case())
