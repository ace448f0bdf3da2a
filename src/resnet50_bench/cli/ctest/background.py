"""`ctest.sh --nohup` and `--stop`: a session in the background, known by its folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from resnet50_bench.cli.lines import print_line
from resnet50_bench.errors import HostError, RequestError

OUTPUT_FILE = "nohup.out"
SESSION_FILE = "nohup.json"
_FLAGS = {"--nohup", "--daemon"}


def start(folder: Path) -> None:
    """Start this command again, without --nohup, in a session of its own.

    Raises:
        RequestError: one is running in the folder already.
        HostError: it cannot be started, or its output not be kept.
    """
    path = folder / SESSION_FILE
    if _find_members(path):
        raise RequestError(
            f"tests are running in the background already: {path}", "`./ctest.sh --stop` ends them"
        )
    arguments = [word for word in sys.argv[1:] if word not in _FLAGS]
    try:
        with (folder / OUTPUT_FILE).open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "resnet50_bench", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        started = _read_start(process.pid)
        path.write_text(json.dumps({"session": process.pid, "started": started}))
    except OSError as error:
        raise HostError(
            f"cannot start in the background in {folder}: {error.strerror}",
            "go to a folder you may write to; without --nohup it runs in the foreground",
        ) from error
    print_line(f"running in the background; output in {folder / OUTPUT_FILE}; "
               "`./ctest.sh --stop` ends it")  # fmt: skip


def stop(folder: Path) -> None:
    """End every process of the session that was started in the folder.

    Raises:
        RequestError: none is running.
    """
    path = folder / SESSION_FILE
    members = _find_members(path)
    path.unlink(missing_ok=True)
    if not members:
        raise RequestError(f"nothing was started with --nohup in {folder}, or it has ended")
    for pid in members:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    print_line(f"ended {len(members)} processes")


def _find_members(path: Path) -> list[int]:
    """The living processes of the session; none when its id now belongs to another process."""
    try:
        session = json.loads(path.read_text())
        leader, started = int(session["session"]), int(session["started"])
    except (OSError, ValueError, KeyError, TypeError):
        return []
    now = _read_start(leader)
    # A session's id is not given to a new process while a member of the session lives.
    if now not in {started, 0}:
        return []
    return [pid for pid in _list_processes() if _read_session(pid) == leader]


def _list_processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _read_fields(pid: int) -> list[str]:
    """The fields of /proc/PID/stat behind the command's name, which may hold anything."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _read_session(pid: int) -> int:
    fields = _read_fields(pid)
    return int(fields[3]) if fields and fields[0] != "Z" else -1


def _read_start(pid: int) -> int:
    """When the process started, in ticks since boot; 0 when there is none."""
    fields = _read_fields(pid)
    return int(fields[19]) if fields else 0
