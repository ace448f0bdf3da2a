from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from resnet50_bench.interpreter import plan_arguments
from resnet50_bench.packaging.images import INFERENCE

from .borrower import build_image, make_base, plan_borrower
from .engine import MAKER, TOOLS, Engine, find_obstacle

ASKED_VARIABLE = "R50_TEST_CONTAINERS"
FOLDER_VARIABLE = "R50_CONTAINERS"
IMAGE = f"localhost/{INFERENCE}"
R50 = [sys.executable, *plan_arguments("resnet50_bench.cli")]
NULL = ("-e", "ENGINE=null", "-e", "WARMUP_STEPS=2")
MADE_BY_TESTS = ("localhost/real", "localhost/photos")
GIVE_UP_SECONDS = 120.0


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """An engine with the runnable image: the project's own where it is asked for, else a small one
    with the same protocol.
    """
    # Podman takes no folder for what runs whose name is longer than 50 characters, as pytest's are.
    with tempfile.TemporaryDirectory(prefix="r50-", ignore_cleanup_errors=True) as name:
        yield from make_whole(Path(name)) if is_asked() else make_small(Path(name))


@pytest.fixture(scope="session")
def whole(engine: Engine) -> Engine:
    """An engine with all of the project's images."""
    if not is_asked():
        pytest.skip("takes minutes and gigabytes: `make test-containers` runs it")
    return engine


def is_asked() -> bool:
    return bool(os.environ.get(ASKED_VARIABLE))


def make_whole(folder: Path) -> Iterator[Engine]:
    """Build the project's images; what earlier sessions built of them goes."""
    obstacle = find_obstacle((*TOOLS, MAKER))
    if obstacle is not None:
        pytest.skip(obstacle)
    root = Path(os.environ.get(FOLDER_VARIABLE) or folder).absolute()
    root.mkdir(parents=True, exist_ok=True)
    made = Engine(root, folder / "run")
    made.make_base()
    made.build_images(R50)
    yield made
    made.buildah("rm", "--all")  # a stage that is only copied from leaves its container
    made.podman("rmi", "--force", *MADE_BY_TESTS, check=False)
    made.podman("image", "prune", "--force")


def make_small(folder: Path) -> Iterator[Engine]:
    """Build an image that borrows from this machine what the project's has of Debian and PyPI."""
    obstacle = find_obstacle()
    if obstacle is not None:
        pytest.skip(obstacle)
    made = plan_borrower(folder)
    obstacle = make_base(made)
    if obstacle is not None:
        pytest.skip(f"containers cannot be run here: {obstacle}")
    build_image(made, IMAGE)
    yield made
    made.buildah("rm", "--all")


@dataclass(slots=True)
class Container:
    """A container that runs the project's image."""

    engine: Engine
    id: str

    def log(self) -> str:
        return self.engine.podman("logs", self.id)

    def wait_for(self, text: str) -> None:
        """Return once the container's log has the text."""
        wait_until(lambda: text in self.log(), f"{text!r} in the log", self.log)

    def wait_for_reader(self) -> None:
        """Return once a process in the container reads /export-logs: one that stops takes none."""
        find = "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"
        wait_until(lambda: "cat /export-logs " in self.exec("/bin/sh", "-c", find), "reader", str)

    def export(self, folder: Path, *options: str) -> dict[str, str]:
        """Read /export-logs as the README does; return status and output."""
        folder.mkdir(exist_ok=True)
        reader = self.start_reader(folder, *options)
        assert reader.wait(GIVE_UP_SECONDS) == 0
        return read_logs(folder)

    def start_reader(self, folder: Path, *options: str) -> subprocess.Popen[bytes]:
        folder.mkdir(exist_ok=True)
        reader = shlex.join(
            self.engine.podman_command("exec", *options, self.id, "cat", "/export-logs")
        )
        errors, target = shlex.quote(f"{folder}.err"), shlex.quote(str(folder))
        pipe = f"{reader} 2>{errors} | tar xf - -C {target}"
        return subprocess.Popen(["/bin/sh", "-c", pipe])

    def exec(self, *words: str) -> str:
        return self.engine.podman("exec", self.id, *words)


def wait_until(holds: Callable[[], bool], what: str, describe: Callable[[], str]) -> None:
    deadline = time.monotonic() + GIVE_UP_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"no {what}; there is:\n{describe()}"
        time.sleep(0.1)


def read_logs(folder: Path) -> dict[str, str]:
    return {name: (folder / name).read_text() for name in ("status", "output.log")}


def find_run(folder: Path) -> Path:
    """The folder of the only run among logs that were read."""
    (path,) = folder.glob("*/record.json")
    return path.parent


@dataclass(slots=True)
class Starter:
    """Starts containers, and removes them at the end."""

    engine: Engine
    started: list[Container] = field(default_factory=list)

    def __call__(
        self, *options: str, image: str = IMAGE, command: tuple[str, ...] = ()
    ) -> Container:
        words = ["run", "--detach", *self.engine.run_options(), *options, image, *command]
        container = Container(self.engine, self.engine.podman(*words).strip())
        self.started.append(container)
        return container


@pytest.fixture
def start(engine) -> Iterator[Starter]:
    starter = Starter(engine)
    yield starter
    for container in starter.started:
        engine.podman("rm", "--force", "--time", "0", "--volumes", container.id, check=False)
