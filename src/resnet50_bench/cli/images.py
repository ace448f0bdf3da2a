"""`r50 images`: build the container images."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from resnet50_bench.cli.lines import print_text
from resnet50_bench.errors import ExitCode, HostError
from resnet50_bench.printable import show_controls

_EPILOG = """\b
Examples, in the project's folder:
  r50 images                                       every image that needs nothing from elsewhere
  r50 images ai-resnet50v1_5-tensorflow-intel-public-inference-real
  r50 images --dry-run --builder podman            the commands
  r50 images --build-arg WEIGHTS=published         with MLPerf's weights, for accuracy
  r50 images --build-arg BASE=localhost/debian:12 -- --isolation chroot"""


@click.command(epilog=_EPILOG)
@click.argument("names", nargs=-1)
@click.option("--builder", metavar="docker|podman|buildah", help="[default: the first there is]")
@click.option("--tag", default="latest", show_default=True, help="Of every image.")
@click.option("--prefix", default="", help="In front of every name, e.g. registry.example/team/")
@click.option("--build-arg", "arguments", multiple=True, metavar="NAME=VALUE")
@click.option(
    "--source",
    type=click.Path(path_type=Path),
    default=".",
    metavar="DIR",
    help="The project's folder.  [default: the current one]",
)
@click.option("--dry-run", is_flag=True, help="Print the commands and stop.")
def images(
    names: tuple[str, ...],
    builder: str | None,
    arguments: tuple[str, ...],
    source: Path,
    **options: Any,
) -> None:
    """Build the images NAMES and what they are made of; words after `--` go to the builder."""
    from resnet50_bench.packaging.images import (
        BuildOptions,
        find_builder,
        plan_builds,
        plan_images,
        read_revision,
    )

    asked, extra = _split(names)
    dry_run = options.pop("dry_run")
    build = BuildOptions(
        **options,
        builder=builder or find_builder(),
        source=source.absolute(),
        arguments=(*read_revision(source), *arguments),
        extra=extra,
    )
    planned = plan_images(asked)
    for image, command in zip(planned, plan_builds(planned, build), strict=True):
        print_text(f"# {image.name}\n{show_controls(shlex.join(command))}\n")
        sys.stdout.flush()
        if not dry_run and subprocess.run(command, check=False).returncode:
            raise HostError(f"{image.name} was not built: {build.builder} failed, see above")
    sys.exit(ExitCode.VALID)


def _split(words: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The images' names, and from the first option on the builder's words."""
    first = next((index for index, word in enumerate(words) if word.startswith("-")), len(words))
    return words[:first], words[first:]
