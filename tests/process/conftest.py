"""Real `r50` processes, and the proof that each test leaves none of them behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pytest

from resnet50_bench.contention.cpu_lock import PLACE_VARIABLE
from resnet50_bench.host.machine import read_host
from resnet50_bench.parameters.table import PARAMETERS
from resnet50_bench.planning.environment import is_swaying
from resnet50_bench.results.files import read_record
from resnet50_bench.results.record import Record

from .fork_server import MARK, Forked, fork_server

SCRIPT = Path(sys.executable).with_name("r50")
COMMAND = (
    [sys.executable, str(SCRIPT)]
    if SCRIPT.exists()
    else [sys.executable, "-c", "from resnet50_bench.cli import main; main()"]
)
REAP_SECONDS = 5.0
GIVE_UP_SECONDS = 300.0

STEPS = 40
WARMUP_STEPS = 3
QUICK = [
    "--engine", "null", "--batch-size", "1",
    "--steps", str(STEPS), "--warmup-steps", str(WARMUP_STEPS),
]  # fmt: skip
MEASURE = [*QUICK, "--engine-option", "query_ms=5"]


@dataclass(frozen=True, slots=True)
class Ended:
    """A process that has ended."""

    code: int
    stdout: str
    stderr: str


@dataclass(slots=True)
class R50:
    """Starts `r50` in folders of its own, marked so that everything it started can be found."""

    root: Path
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    started: list[subprocess.Popen[bytes] | Forked] = field(default_factory=list)

    @property
    def cwd(self) -> Path:
        return self.root / "cwd"

    @property
    def temporary(self) -> Path:
        return self.root / "tmp"

    @property
    def output(self) -> Path:
        return self.root / "runs"

    def environment(self, extra: dict[str, str] | None = None) -> dict[str, str]:
        named = {parameter.name for parameter in PARAMETERS} | {"R50_OUTPUT", "COLUMNS"}
        # What the tests of TensorFlow set for their own process would be warned of.
        inherited = {
            name: text
            for name, text in os.environ.items()
            if name not in named and not is_swaying(name)
        }
        # A place of its own for the lock on CPUs: tests run side by side.
        own = {MARK: self.mark, "TMPDIR": str(self.temporary), PLACE_VARIABLE: str(self.root)}
        return inherited | own | (extra or {})

    def start(
        self,
        *arguments: object,
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
        command: list[str] | None = None,
        fresh: bool = False,
    ) -> subprocess.Popen[bytes] | Forked:
        """Start it in a process group of its own, its output going to files.

        Args:
            arguments: of `r50`.
            env: variables beside those of the tests, or in their place.
            cwd: where it works; an empty folder unless given.
            command: to start in place of `r50`.
            fresh: start an interpreter that imports all anew, and no fork.
        """
        words = [str(word) for word in arguments]
        environment = self.environment(env)
        stdout, stderr = self._streams(len(self.started))
        with stdout.open("wb") as out, stderr.open("wb") as err, Path(os.devnull).open("rb") as no:
            if not fresh and command is None and fork_server().is_same_start(environment):
                streams = (no, out, err)
                process = fork_server().start(
                    ["r50", *words], environment, cwd or self.cwd, streams
                )
            else:
                process = subprocess.Popen(
                    [*(command or COMMAND), *words], stdin=no, stdout=out, stderr=err,
                    env=environment, cwd=cwd or self.cwd, start_new_session=True,
                )  # fmt: skip
        self.started.append(process)
        return process

    def end(self, process: subprocess.Popen[bytes] | Forked) -> Ended:
        """Wait for its end."""
        code = process.wait(GIVE_UP_SECONDS)
        out, err = (path.read_text() for path in self._streams(self.started.index(process)))
        return Ended(code, out, err)

    def __call__(self, *arguments: object, **options) -> Ended:
        """Run it to its end."""
        return self.end(self.start(*arguments, **options))

    def wait_for_stderr(self, process: subprocess.Popen[bytes] | Forked, text: str) -> None:
        """Return once it has written `text` to stderr."""
        path = self._streams(self.started.index(process))[1]
        wait_until(lambda: text in path.read_text() or process.poll() is not None, text)
        assert text in path.read_text()

    def live(self) -> dict[int, str]:
        """Every process that carries the mark: its id and command line."""
        found = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                if f"{MARK}={self.mark}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                    words = (entry / "cmdline").read_bytes().split(b"\0")
                    found[int(entry.name)] = b" ".join(words).decode()
            except OSError:  # it ended meanwhile, or is not ours to read
                continue
        return found

    def find_worker(self, instance: int) -> int:
        """Return the id of the process whose output is this instance's log."""
        for pid in self.live():
            try:
                target = Path(f"/proc/{pid}/fd/1").readlink()
            except OSError:
                continue
            if target.name == f"instance_{instance:03d}.log":
                return pid
        raise AssertionError(f"no process of instance {instance} among {self.live()}")

    def folder(self) -> Path:
        """The folder of the only run."""
        (folder,) = self.output.iterdir()
        return folder

    def record(self) -> Record:
        """The record of the only run."""
        return read_record(self.folder())

    def log(self) -> str:
        """The benchmark log of the only run."""
        (path,) = self.folder().glob("benchmark_*.log")
        return path.read_text()

    def _streams(self, index: int) -> tuple[Path, Path]:
        return self.root / f"{index}.stdout", self.root / f"{index}.stderr"


def wait_until(condition, what: object) -> None:
    """Poll until `condition` holds; gives up only when something hangs."""
    deadline = time.monotonic() + GIVE_UP_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.005)


def make_r50(root: Path) -> R50:
    runner = R50(root)
    runner.cwd.mkdir()
    runner.temporary.mkdir()
    return runner


def assert_nothing_left(runner: R50) -> None:
    """No process, no temporary file and no half-written record; what is found is ended first."""
    deadline = time.monotonic() + REAP_SECONDS
    while (left := runner.live()) and time.monotonic() < deadline:
        time.sleep(0.01)
    for pid in left:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for process in runner.started:
        process.wait()
    assert left == {}
    assert list(runner.temporary.iterdir()) == []
    assert list(runner.root.rglob(".*")) == []


@pytest.fixture
def r50(tmp_path) -> R50:
    return make_r50(tmp_path)


@pytest.fixture(autouse=True)
def leaves_nothing_behind(r50):
    yield
    assert_nothing_left(r50)


@pytest.fixture(scope="session")
def picture(tmp_path_factory) -> Path:
    """A folder with one image: a worker is ready with it sooner than with generated ones."""
    folder = tmp_path_factory.mktemp("picture")
    pixels = np.random.default_rng(7).integers(0, 256, (240, 260, 3), np.uint8)
    assert cv2.imwrite(str(folder / "0.jpg"), pixels)
    return folder


@pytest.fixture(scope="session")
def cores() -> int:
    return read_host().physical_cores


@pytest.fixture
def two_cores(cores) -> None:
    if cores < 2:
        pytest.skip("two instances need two physical cores; this host has one")


@pytest.fixture(scope="session", params=[1, 2])
def finished(request, cores, tmp_path_factory) -> tuple[R50, Ended]:
    """A valid run of one and of two instances, for tests that only look at it."""
    if request.param > cores:
        pytest.skip("two instances need two physical cores; this host has one")
    runner = make_r50(tmp_path_factory.mktemp("finished"))
    arguments = [*MEASURE, *instances(request.param), "--output", runner.output]
    ended = runner("run", *arguments, fresh=True)
    assert_nothing_left(runner)
    return runner, ended


def instances(count: int) -> list[str]:
    return ["--cores-per-instance", "1", "--instances", str(count)]
