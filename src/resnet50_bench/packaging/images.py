"""The images: their names, their files, and the commands that build them."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from resnet50_bench import __version__
from resnet50_bench.errors import HostError, RequestError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

BUILDERS = ("docker", "podman", "buildah")
"""In the order in which they are looked for."""

INFERENCE = "ai-resnet50v1_5-tensorflow-intel-public-inference"


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One image.

    Attributes:
        name: for people and for `FROM`.
        file: the Dockerfile, in `containers/`.
        needs: images it is made of, by the build argument that names each.
        aliases: other names it is tagged with.
        optional: only built when it is asked for.
        why_optional: one sentence; "" when it is not.
    """

    name: str
    file: str
    needs: tuple[tuple[str, str], ...] = ()
    aliases: tuple[str, ...] = ()
    optional: bool = False
    why_optional: str = ""


BENCHMARK = Image(name="resnet50v1_5-tensorflow-benchmark", file="Dockerfile.1.benchmark")
MODEL = Image(
    name="resnet50v1_5-tensorflow-model",
    file="Dockerfile.2.model",
    needs=(("BENCHMARK", BENCHMARK.name),),
)
DATASET = Image(
    name="resnet50v1_5-tensorflow-inference-dataset",
    file="Dockerfile.3.inference-dataset",
    needs=(("BENCHMARK", BENCHMARK.name),),
    optional=True,
    why_optional="it needs ImageNet's archive, 6.7 GB",
)
DUMMY = Image(
    name=INFERENCE,
    file="Dockerfile.4.inference-dummy",
    needs=(("BENCHMARK", BENCHMARK.name), ("MODEL", MODEL.name)),
    aliases=(f"{INFERENCE}-dummy",),
)
REAL = Image(
    name=f"{INFERENCE}-real",
    file="Dockerfile.5.inference-real",
    needs=(("INFERENCE", DUMMY.name), ("DATASET", DATASET.name)),
    optional=True,
    why_optional="it holds ImageNet's archive, 6.7 GB",
)
SGX = Image(
    name=f"{INFERENCE}-sgx",
    file="Dockerfile.6.inference-sgx",
    needs=(("INFERENCE", DUMMY.name),),
    optional=True,
    why_optional="it installs gramine from its project's own package archive",
)
MPI = Image(
    name=f"{INFERENCE}-mpi",
    file="Dockerfile.7.inference-mpi",
    needs=(("INFERENCE", DUMMY.name),),
    optional=True,
    why_optional="it is for the MPI operator of Kubernetes alone",
)
IMAGES = (BENCHMARK, MODEL, DATASET, DUMMY, REAL, SGX, MPI)

_BY_NAME = {name: image for image in IMAGES for name in (image.name, *image.aliases)}


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOptions:
    """How to build.

    Attributes:
        builder: one of `BUILDERS`.
        source: the project's folder, which is the context.
        tag: of every image.
        prefix: in front of every name, e.g. `registry.example/team/`.
        arguments: build arguments, as NAME=VALUE.
        extra: further words for the builder.
    """

    builder: str
    source: Path
    tag: str = "latest"
    prefix: str = ""
    arguments: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()


def find_builder() -> str:
    """Return the first builder there is.

    Raises:
        HostError: there is none.
    """
    for name in BUILDERS:
        if shutil.which(name) is not None:
            return name
    raise HostError(
        f"none of {', '.join(BUILDERS)} is installed",
        "install one, e.g. `apt install buildah`, or name it with --builder",
    )


def plan_images(names: Iterable[str]) -> tuple[Image, ...]:
    """Return the images of these names and what they are made of, in the order to build them.

    No name stands for every image that is not optional.

    Raises:
        RequestError: there is no image of a name.
    """
    asked = list(names)
    unknown = [name for name in asked if name not in _BY_NAME]
    if unknown:
        raise RequestError(
            f"there is no image {', '.join(unknown)}", f"the images are {', '.join(_BY_NAME)}"
        )
    wanted = set(asked) or {item.name for item in IMAGES if not item.optional}
    wanted = {_BY_NAME[name].name for name in wanted}
    for image in reversed(IMAGES):
        if image.name in wanted:
            wanted |= {name for _, name in image.needs}
    return tuple(image for image in IMAGES if image.name in wanted)


def plan_builds(images: Sequence[Image], options: BuildOptions) -> list[list[str]]:
    """Return one command line an image.

    Raises:
        RequestError: the source folder has no image files.
    """
    folder = options.source / "containers"
    if not folder.is_dir():
        raise RequestError(
            f"{options.source} has no folder containers/", "name the project's folder with --source"
        )
    return [_plan_build(image, options) for image in images]


def read_revision(source: Path) -> tuple[str, ...]:
    """Return the build arguments that say what the images are built from, where git knows it."""
    arguments = [f"VERSION={__version__}"]
    command = ["git", "-C", str(source), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return tuple(arguments)
    if done.returncode == 0:
        arguments.append(f"REVISION={done.stdout.strip()}")
    return tuple(arguments)


def _plan_build(image: Image, options: BuildOptions) -> list[str]:
    command = [options.builder, "build"]
    if options.builder != "docker":
        # Without it the format is OCI's, which has no HEALTHCHECK; and layers are kept for reuse.
        command += ["--format", "docker", "--layers"]
    command += ["--file", str(options.source / "containers" / image.file)]
    for name in (image.name, *image.aliases):
        command += ["--tag", _name(name, options)]
    for argument, name in image.needs:
        command += ["--build-arg", f"{argument}={_name(name, options)}"]
    for text in options.arguments:
        command += ["--build-arg", text]
    return [*command, *options.extra, str(options.source)]


def _name(image: str, options: BuildOptions) -> str:
    # podman and buildah ask before they guess a registry for a short name.
    prefix = options.prefix or ("" if options.builder == "docker" else "localhost/")
    return f"{prefix}{image}:{options.tag}"
