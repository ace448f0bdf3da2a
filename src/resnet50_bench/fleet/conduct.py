"""A fleet measured: Ansible run, listened to, and after a Ctrl-C whatever it started ended."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from resnet50_bench.errors import RequestError
from resnet50_bench.files.paths import describe_problem, read_content
from resnet50_bench.fleet.engine.playbook import (
    Job,
    Wheel,
    render_playbook,
    render_stopping,
)
from resnet50_bench.fleet.engine.running import Room, listen, opened_room
from resnet50_bench.fleet.ledger import Ended, Ledger
from resnet50_bench.fleet.state import State, name_folder
from resnet50_bench.results.files import RECORD_FILE

if TYPE_CHECKING:
    from resnet50_bench.fleet.engine.incoming import Wanted

_WHEEL = re.compile(r"[A-Za-z0-9_]+-[A-Za-z0-9_.!+]+(-\d\w*)?-[\w.]+-[\w.]+-[\w.]+\.whl")
_EXTRAS = re.compile(r"[A-Za-z0-9_,-]*")
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]*")
"""What names of images are made of; which of them there are, the hosts' engines know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked.

    Attributes:
        inventory: Ansible's.
        hosts: their names.
        cases: to measure on each.
        flags: of `r50 run`, for every case.
        installed: the command of an r50 that is on every host, or None.
        wheel: to install, or None.
        image: that has r50 in it, for docker or podman of the hosts; or None.
        at_once: hosts that are worked on at a time.
        limit_s: how long a case may take.
        output: the folder of the fleet.
    """

    inventory: Path
    hosts: Sequence[str]
    cases: Sequence[Wanted]
    flags: tuple[str, ...]
    installed: str | None
    wheel: Wheel | None
    image: str | None
    at_once: int
    limit_s: int
    output: Path


@dataclass(frozen=True, slots=True)
class Watcher:
    """Who is told what meanwhile.

    Attributes:
        ended: a case ended on a host.
        moved: hosts at work, and what each does.
        stopping: what was started on so many hosts is being ended.
    """

    ended: Callable[[Ended], None]
    moved: Callable[[Mapping[str, str]], None]
    stopping: Callable[[int], None]


def read_wheel(path: Path, extras: str = "") -> Wheel:
    """Return a wheel that is to be installed on hosts.

    Raises:
        RequestError: it cannot be read, or is no wheel by its name; the extras are none.
    """
    if not _WHEEL.fullmatch(path.name):
        raise RequestError(
            f"--wheel {path} is not named as a wheel is",
            "`pip wheel --no-deps .` in the source folder makes one",
        )
    if not _EXTRAS.fullmatch(extras):
        raise RequestError(f"--extras {extras!r} are no names", "such as --extras tensorflow")
    try:
        content = read_content(path)
    except (OSError, ValueError) as error:
        raise RequestError(
            f"--wheel {path}: {describe_problem(error)}",
            "`pip wheel --no-deps .` in the source folder makes one",
        ) from error
    return Wheel(path, hashlib.sha256(content).hexdigest(), f"[{extras}]" if extras else "")


def read_image(name: str) -> str:
    """Return the name of an image that hosts are to run.

    Raises:
        RequestError: no image has such a name.
    """
    if not _IMAGE.fullmatch(name):
        raise RequestError(
            f"--image {name!r} is not the name of an image",
            "such as registry.example/team/ai-resnet50v1_5-tensorflow-intel-public-inference:1",
        )
    return name


def find_missing(request: Request, state: State) -> dict[str, tuple[int, ...]]:
    """Return the numbers of the cases that each host is still to run; hosts that miss none are out.

    A case is there when its record lies where its row says, with the checksum that it had.
    """
    found = {
        host: tuple(
            number
            for number, case in enumerate(request.cases)
            if not _is_there(request.output, state, host, case.name)
        )
        for host in request.hosts
    }
    return {host: numbers for host, numbers in found.items() if numbers}


def measure_fleet(
    request: Request, missing: Mapping[str, tuple[int, ...]], watcher: Watcher
) -> list[str]:
    """Run what is missing on each host; return what went wrong with Ansible itself.

    Interrupted, it ends what it has started on every host that can be reached.

    Raises:
        RequestError: Ansible is not installed.
        OutputError: a record cannot be kept.
        Interrupted, KeyboardInterrupt: after what was started has been ended.
    """
    with opened_room(request.inventory, request.at_once) as room:
        job = _plan_job(request, missing, room)
        ledger = Ledger(request.cases, missing, job.folders, job.incoming, request.output)
        try:
            for event in listen(room, render_playbook(job), list(missing)):
                for ended in ledger.take(event):
                    watcher.ended(ended)
                watcher.moved(ledger.at_work)
        except BaseException:
            _stop(room, job, ledger, watcher)
            raise
        said = room.tell_end()
        left = ledger.close(said[-1] if said else "Ansible ended before it came to that")
        for ended in left:
            watcher.ended(ended)
        return list(said) if left else []


def _plan_job(request: Request, missing: Mapping[str, tuple[int, ...]], room: Room) -> Job:
    incoming = room.folder / "incoming"
    incoming.mkdir()
    return Job(
        cases=tuple((case.name, *request.flags) for case in request.cases),
        missing=missing,
        folders={name: name_folder(name) for name in missing},
        installed=request.installed,
        wheel=request.wheel,
        image=request.image,
        limit_s=request.limit_s,
        token=f"run-{secrets.token_hex(6)}",
        incoming=incoming,
    )


def _is_there(output: Path, state: State, host: str, case: str) -> bool:
    row = state.find(host, case)
    if row is None or row.outcome != "measured" or row.folder is None:
        return False
    try:
        content = read_content(output / row.folder / RECORD_FILE)
    except (OSError, ValueError):
        return False
    return hashlib.sha256(content).hexdigest() == row.sha256


def _stop(room: Room, job: Job, ledger: Ledger, watcher: Watcher) -> None:
    """End on each host what this call has started there."""
    begun = ledger.begun
    if not begun:
        return
    watcher.stopping(len(begun))
    for _ in listen(room, render_stopping(job), begun):
        pass
