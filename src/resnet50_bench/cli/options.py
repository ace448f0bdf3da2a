"""Options of several commands: parameters' flags, made from the one table, and a few others."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from resnet50_bench.errors import ExitCode
from resnet50_bench.parameters.parameter import Setting

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from resnet50_bench.parameters.parameter import Parameter


wait_option = click.option(
    "--wait",
    is_flag=True,
    help="While another run measures on the same cores, wait for its end; without it, exit "
    f"{int(ExitCode.FAILURE)} and say who holds them.",
)


def output_option(gets: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The folder of runs.

    Args:
        gets: what it gets of the command, such as `one folder per run`.
    """
    return click.option(
        "--output",
        type=click.Path(file_okay=False, path_type=Path),
        default=lambda: os.environ.get("R50_OUTPUT", "runs"),
        metavar="DIR",
        help=f"The folder that gets {gets}.  [default: $R50_OUTPUT or runs]",
    )


def parameter_options(
    parameters: Sequence[Parameter],
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """One option per parameter; values stay text, so that all problems are reported at once."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        for parameter in reversed(parameters):
            command = _parameter_option(parameter)(command)
        return command

    return decorate


def take_flags(
    parameters: Sequence[Parameter], values: dict[str, Any]
) -> dict[str, str | bool | None]:
    """Take the parameters' own options out of a command's values."""
    return {parameter.name: values.pop(f"_{parameter.name}") for parameter in parameters}


def collect_flags(
    parameters: Sequence[Parameter], flags: Mapping[str, str | bool | None]
) -> list[Setting]:
    """Return the settings that stand on the command line."""
    return [
        Setting(parameter.name, str(flags[parameter.name]), parameter.flag)
        for parameter in parameters
        if flags[parameter.name] is not None and flags[parameter.name] is not False
    ]


def _parameter_option(parameter: Parameter) -> Callable[[Any], Any]:
    text = parameter.help
    if parameter.default is not None:
        text += f"  [default: {parameter.default}]"
    if parameter.switch:
        return click.option(parameter.flag, f"_{parameter.name}", is_flag=True, help=text)
    metavar = "|".join(parameter.choices) or parameter.metavar
    return click.option(parameter.flag, f"_{parameter.name}", metavar=metavar, help=text)
