"""What an image's first process does: one run by environment variables, then its logs on request.

It starts the run, passes signals on to it, takes in orphans, copies what the run prints to the
container's log and to `output.log`, writes `status`, and serves `/export-logs` until it is told to
end. While the run measures it sleeps.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from resnet50_bench.errors import ExitCode, HostError
from resnet50_bench.interpreter import plan_arguments
from resnet50_bench.model import CACHE_VARIABLE
from resnet50_bench.packaging.export import STATUS_FILE, list_new, write_tar
from resnet50_bench.packaging.readers import Readers
from resnet50_bench.packaging.variables import plan_image_settings
from resnet50_bench.results.files import RECORD_FILE, RECORD_MARK

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from resnet50_bench.packaging.readers import Write

EXPORT_FIFO = Path("/export-logs")
OUTPUT_LOG = "output.log"
STATE_FILE = "state"
"""`running`, `done` or `failed`, for the image's HEALTHCHECK."""

PRINT_VARIABLE = "R50_PRINT_RECORDS"
READER_SECONDS = 5.0
"""How long a reader may take to come after the container is told to stop: docker waits for 10 s
before it kills."""

_PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_TAIL_LINES = 40


class _Told(BaseException):
    """The container is to end while nothing runs."""


@dataclass(slots=True)
class _Run:
    """The run's process.

    Attributes:
        pid: of it.
        stopped: it was asked to end.
        ended: it has ended.
        tail: the last lines it has printed.
    """

    pid: int
    stopped: bool = False
    ended: bool = False
    tail: list[str] = field(default_factory=list)

    def pass_on(self, number: int, _frame: object) -> None:
        """Hand a signal to the run; once it has ended, the signal is meant for the container."""
        if self.ended:
            raise _Told
        self.stopped = True
        os.kill(self.pid, number)  # it is there: only `_wait` reaps it, and sets `ended` then

    def wait(self) -> int:
        """Return its exit code as a shell gives it; take in every orphan meanwhile.

        The container's first process is the parent of all whose own has ended.
        """
        while True:
            pid, status = os.waitpid(-1, 0)
            if pid == self.pid:
                self.ended = True
                code = os.waitstatus_to_exitcode(status)
                return 128 - code if code < 0 else code


def run_command(arguments: Sequence[str]) -> int:
    """Run `r50 ARGUMENTS` as the container's only task; return its exit code.

    With R50_PRINT_RECORDS the records it wrote follow in the log, a line each, for `r50 collect`.
    """
    environment = dict(os.environ) | plan_image_settings(os.environ)
    begin = time.time()
    code = _start(arguments, _make_cache_writable(environment)).wait()
    if environment.get(PRINT_VARIABLE):
        folder = Path(_find_output(arguments) or environment.get("R50_OUTPUT", "runs"))
        for path in sorted(folder.glob(f"*/{RECORD_FILE}")):
            if path.stat().st_mtime >= begin:
                sys.stdout.write(f"{RECORD_MARK}{path.read_text().rstrip()}\n")
    return code


def _find_output(arguments: Sequence[str]) -> str | None:
    words = list(arguments)
    return words[words.index("--output") + 1] if "--output" in words[:-1] else None


def run_protocol(
    environ: Mapping[str, str], folder: Path | None = None, fifo: Path = EXPORT_FIFO
) -> int:
    """Run by environment variables, serve the logs until told to end; return the run's exit code.

    Args:
        environ: of the container.
        folder: for the logs; None for the one that R50_OUTPUT names.
        fifo: where the logs are asked for.

    Raises:
        HostError: there is no FIFO, or no folder that can be written.
    """
    if not fifo.is_fifo() and not fifo.is_symlink():
        raise HostError(
            f"there is no FIFO {fifo}", "this is for the project's images: `r50 run` runs here"
        )
    folder = _choose_folder(folder or Path(environ.get("R50_OUTPUT", "/logs")))
    before = {item.name for item in folder.iterdir()} - {STATUS_FILE, OUTPUT_LOG, STATE_FILE}
    (folder / STATE_FILE).write_text("running\n")
    environment = _make_cache_writable(dict(environ) | plan_image_settings(environ))
    readers = Readers(fifo)
    source, sink = os.pipe()
    run = _start(["run", "--strict-env", "--output", str(folder)], environment, sink)
    os.close(sink)
    copier = threading.Thread(target=_copy, args=(source, folder / OUTPUT_LOG, run))
    copier.start()
    readers.start()
    code = run.wait()
    copier.join()
    _write_status(folder, code, run.tail)
    (folder / STATE_FILE).write_text("failed\n" if code else "done\n")
    names = list_new(folder, before | {STATE_FILE})
    with suppress(_Told):
        _serve(readers, lambda stream: write_tar(stream, folder, names), stopped=run.stopped)
    return code


def _serve(readers: Readers, write: Write, *, stopped: bool) -> None:
    """Give the tar to all who read, until told to end; then to those who wait or come in time."""
    served = readers.serve(write, READER_SECONDS if stopped else None)
    while served:
        served = readers.serve(write, 0 if stopped else None)


def _start(
    arguments: Sequence[str], environment: dict[str, str], output: int | None = None
) -> _Run:
    """Start r50, with signals held back until they can be passed on to it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON)
    process = subprocess.Popen(
        [sys.executable, *plan_arguments("resnet50_bench.cli"), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        env=environment | {"PYTHONUNBUFFERED": "1"},
        preexec_fn=_let_signals_in,  # noqa: PLW1509 - no other thread runs yet
    )
    process.returncode = 0  # `_Run.wait` reaps it, and Python is not to look for it at the end
    run = _Run(process.pid)
    for number in _PASSED_ON:
        signal.signal(number, run.pass_on)
    _let_signals_in()
    return run


def _let_signals_in() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)


def _copy(source: int, path: Path, run: _Run) -> None:
    """Copy line by line to the container's log and to a file, and remember the last lines."""
    with os.fdopen(source, "rb") as lines, path.open("wb", buffering=0) as log:
        for line in lines:
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
            log.write(line)
            run.tail = [*run.tail[1 - _TAIL_LINES :], line.decode(errors="replace")]


def _write_status(folder: Path, code: int, tail: Sequence[str]) -> None:
    """The exit code in the first line; for what could not be run, what was said about it."""
    said = "".join(tail) if code in {ExitCode.WRONG_REQUEST, ExitCode.FAILURE} else ""
    (folder / STATUS_FILE).write_text(f"{code}\n{said}")


def _choose_folder(wanted: Path) -> Path:
    """The folder itself, or one for temporary files where it cannot be written."""
    for folder in (wanted, Path(tempfile.gettempdir()) / "logs"):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            problem = error
            sys.stderr.write(f"warning: cannot write to {folder}: {error.strerror}\n")
            continue
        return folder
    raise HostError(
        f"neither {wanted} nor {tempfile.gettempdir()} can be written: {problem.strerror}",
        "mount a writable folder, e.g. --tmpfs /logs:mode=1777 or --volume FOLDER:/logs",
    )


def _make_cache_writable(environment: dict[str, str]) -> dict[str, str]:
    """Where the image's models cannot be added to, use a folder that holds links to them.

    A precision that the image has no graph for is then prepared there.
    """
    cache = Path(environment.get(CACHE_VARIABLE, ""))
    if not environment.get(CACHE_VARIABLE) or not cache.is_dir() or os.access(cache, os.W_OK):
        return environment
    own = Path(tempfile.mkdtemp(prefix="r50-cache-"))
    for kind in sorted((cache / "models").glob("*")):
        (own / "models" / kind.name).mkdir(parents=True)
        for item in kind.iterdir():
            (own / "models" / kind.name / item.name).symlink_to(item)
    return environment | {CACHE_VARIABLE: str(own)}
