"""A run in the project's image, by docker or podman on this machine."""

from __future__ import annotations

import itertools
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from resnet50_bench.config import Gramine
from resnet50_bench.errors import HostError, Interrupted, RequestError
from resnet50_bench.packaging.container import EXPORT_FIFO, OUTPUT_LOG
from resnet50_bench.packaging.export import STATUS_FILE
from resnet50_bench.packaging.images import INFERENCE
from resnet50_bench.packaging.variables import DATASET_FOLDER, render_variables

if TYPE_CHECKING:
    from resnet50_bench.config import RunConfig

ENGINE_VARIABLE = "R50_DOCKER"
"""Environment variable with the engine's command; by default docker, else podman."""

OPTIONS_VARIABLE = "R50_DOCKER_OPTIONS"
"""Environment variable with further options of `docker run`, such as --cpuset-cpus 0-55."""

IMAGE_VARIABLE = "R50_DOCKER_IMAGE"
"""Environment variable with the image; by default the project's for the kind of data."""

EXPORTED = "export.tar"

_STOP_SECONDS = 20.0
"""The container has 10 s to end, and gives its logs meanwhile."""

_PATHS = ("DATASET", "LABELS", "MODEL", "CALIBRATION", "HOSTFILE")


@dataclass(frozen=True, slots=True)
class ContainerRun:
    """A run to make in a container.

    Attributes:
        engine: the command, with its own options.
        options: of its `run`.
        image: to run.
        variables: the parameters.
    """

    engine: tuple[str, ...]
    options: tuple[str, ...]
    image: str
    variables: Mapping[str, str]

    @property
    def command(self) -> list[str]:
        """The command line that starts the container, in the background."""
        words = [*self.engine, "run", "--detach", *self.options]
        for name in _PATHS:
            if name in self.variables:
                words += ["--volume", f"{self.variables[name]}:{self.variables[name]}:ro"]
        for name, text in self.variables.items():
            words += ["--env", f"{name}={text}"]
        return [*words, self.image]


@dataclass(frozen=True, slots=True)
class ContainerEnd:
    """How a run in a container ended.

    Attributes:
        exit_code: of the run.
        said: what the status file says beside it.
        folder: of the run, in the folder for results; None when it made none.
    """

    exit_code: int
    said: str
    folder: Path | None


def plan_container_run(config: RunConfig, environ: Mapping[str, str]) -> ContainerRun:
    """Return the run of a config in a container.

    Raises:
        RequestError: a path that is to be mounted does not exist.
        HostError: neither docker nor podman is installed.
    """
    variables = render_variables(config)
    if has_own_images(config):
        del variables["DATASET"]
    for name in _PATHS:
        if name in variables:
            path = Path(variables[name]).absolute()
            if not path.exists():
                raise RequestError(f"{name} {path} does not exist", "name a file or folder of this "
                                   "machine: it is mounted into the container")  # fmt: skip
            variables[name] = str(path)
    return ContainerRun(
        engine=tuple(shlex.split(environ.get(ENGINE_VARIABLE, ""))) or (_find_engine(),),
        options=tuple(shlex.split(environ.get(OPTIONS_VARIABLE, ""))),
        image=environ.get(IMAGE_VARIABLE) or choose_image(config),
        variables=variables,
    )


def choose_image(config: RunConfig) -> str:
    """Return the project's image for a run: by its data, or the one for enclaves."""
    if config.gramine is not Gramine.OFF:
        return f"{INFERENCE}-sgx"
    return f"{INFERENCE}-real" if has_own_images(config) else f"{INFERENCE}-dummy"


def has_own_images(config: RunConfig) -> bool:
    """Whether a run is of the images that an image of the project's holds; none is mounted then."""
    return config.dataset == str(DATASET_FOLDER)


def run_in_container(run: ContainerRun, output: Path) -> ContainerEnd:
    """Make the run, and put its folder of logs where a run of this machine's own would be.

    What the container prints goes to standard error as it comes.

    Raises:
        HostError: the container cannot be started, or does not give its logs.
        Interrupted: by a signal; the run in the container was ended, and its logs are there.
    """
    output.mkdir(parents=True, exist_ok=True)
    identity = _start(run)
    with tempfile.TemporaryDirectory(dir=output, prefix=".container-") as name:
        folder = Path(name)
        try:
            with _removed(run, identity), _shown(run, identity):
                _export(run, identity, folder / EXPORTED)
        except Interrupted as interruption:
            interruption.folder = _take_over(run, folder, output).folder
            raise
        return _take_over(run, folder, output)


def _find_engine() -> str:
    for name in ("docker", "podman"):
        if shutil.which(name) is not None:
            return name
    raise HostError(
        "neither docker nor podman is installed",
        f"install one, or name its command in the environment variable {ENGINE_VARIABLE}",
    )


def _start(run: ContainerRun) -> str:
    try:
        done = subprocess.run(run.command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise HostError(f"{run.engine[0]} cannot be run: {error.strerror}") from error
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise HostError(
            f"{run.engine[0]} cannot run the image {run.image}: {said}",
            f"`make images` builds it; {IMAGE_VARIABLE} names another",
        )
    return done.stdout.strip().splitlines()[-1]


@contextmanager
def _removed(run: ContainerRun, identity: str) -> Iterator[None]:
    try:
        yield
    finally:
        subprocess.run(
            [*run.engine, "rm", "--force", "--volumes", identity], capture_output=True, check=False
        )


@contextmanager
def _shown(run: ContainerRun, identity: str) -> Iterator[None]:
    """Show what the container prints."""
    command = [*run.engine, "logs", "--follow", identity]
    follower = subprocess.Popen(command, stdout=sys.stderr, stderr=sys.stderr)
    try:
        yield
    finally:
        follower.terminate()
        follower.wait()


def _export(run: ContainerRun, identity: str, path: Path) -> None:
    """Read the tar, which comes when the run has ended.

    Told to end, end the run inside first: it gives what it has then.
    """
    command = [*run.engine, "exec", identity, "cat", str(EXPORT_FIFO)]
    with path.open("wb") as tar:
        reader = subprocess.Popen(command, stdout=tar, start_new_session=True)
    try:
        reader.wait()
    except BaseException:
        subprocess.run([*run.engine, "stop", identity], capture_output=True, check=False)
        with suppress(subprocess.TimeoutExpired):
            reader.wait(_STOP_SECONDS)
        reader.kill()
        raise


def _take_over(run: ContainerRun, folder: Path, output: Path) -> ContainerEnd:
    """Move the run's folder to the results, with what the container said in it.

    Raises:
        HostError: the container gave no logs.
    """
    try:
        with tarfile.open(folder / EXPORTED) as archive:
            archive.extractall(folder, filter="data")
    except tarfile.TarError as error:
        raise HostError(
            f"the container of {run.image} gave no logs: {error}", "is it the project's image?"
        ) from error
    code, _, said = (folder / STATUS_FILE).read_text().partition("\n")
    runs = [path for path in folder.iterdir() if path.is_dir()]
    target = None
    for made in runs:
        names = itertools.chain(
            [made.name], (f"{made.name}-{number}" for number in itertools.count(2))
        )
        target = next(output / name for name in names if not (output / name).exists())
        for name in (STATUS_FILE, OUTPUT_LOG):
            shutil.copy(folder / name, made / name)
        made.replace(target)
    return ContainerEnd(int(code), said.strip(), target)


def describe_end(end: ContainerEnd) -> Sequence[str]:
    """Return what went wrong in a container that made no run, a sentence each."""
    return [line.removeprefix("error: ") for line in end.said.splitlines()] or [
        f"the container's run ended with exit code {end.exit_code}"
    ]
