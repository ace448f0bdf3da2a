"""The playbook of a fleet: what each host does, in the order in which it does it.

Whatever is not r50's own is marked `!unsafe`: Ansible takes it as it is and expands nothing in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

PREPARE, COPY, INSTALL, PULL = "prepare", "copy the wheel", "install", "pull"
MEASURE, FETCH, CLEAN, STOP = "measure", "fetch", "clean", "stop"

FREE_KIB = 64 * 1024
"""What a host's folder needs to have free: a run's logs and records take a few MiB."""

SCRIPT = Path(__file__).with_name("host.sh")
"""What runs on a host, in its own shell."""

_FOLDER = "{{ r50_folder | default('') }}"
_WHEEL_FOLDER = "{{ r50_folder | default('~/.cache/r50-fleet', true) }}"
_PYTHON = "{{ r50_python | default('python3') }}"
_ENGINE = "{{ r50_docker | default('') }}"
_ENGINE_OPTIONS = "{{ r50_docker_options | default('') }}"
_OWN = "r50_hosts[inventory_hostname]"
_TASK = re.compile(rf"(?:{MEASURE}|{FETCH}) (\d+)")


@dataclass(frozen=True, slots=True)
class Wheel:
    """What is installed on each host.

    Attributes:
        path: of the file here.
        sha256: of it.
        extras: such as `[tensorflow]`; "" for none.
    """

    path: Path
    sha256: str
    extras: str

    @property
    def key(self) -> str:
        """What tells its environments apart on a host."""
        return self.sha256[:16] + "".join(letter for letter in self.extras if letter.isalnum())


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be done.

    Attributes:
        cases: the words behind `r50 run`, of each.
        missing: the numbers of the cases that each host is to run, by its name.
        folders: a harmless name of each host, by its name.
        installed: the command of an r50 that is on every host, or None.
        wheel: to install, or None.
        image: that has r50 in it, for docker or podman of the hosts; or None.
        limit_s: how long a case may take.
        token: what tells this call's folders on a host from those of others.
        incoming: where records arrive.
    """

    cases: tuple[tuple[str, ...], ...]
    missing: Mapping[str, tuple[int, ...]]
    folders: Mapping[str, str]
    installed: str | None
    wheel: Wheel | None
    image: str | None
    limit_s: int
    token: str
    incoming: Path


class _Unsafe(str):
    """Text in which Ansible is to expand nothing."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    """Writes `!unsafe`, and no anchors."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


_Dumper.add_representer(
    _Unsafe, lambda dumper, text: dumper.represent_scalar("!unsafe", str(text), style='"')
)


def render_playbook(job: Job) -> str:
    """Return the playbook that measures."""
    tasks = [_run_script(PREPARE, PREPARE, _PYTHON, _find_key(job), str(FREE_KIB))]
    tasks[0]["register"] = "r50_prepared"
    if job.wheel is not None:
        tasks += _list_installing(job.wheel)
    if job.image is not None:
        # With a word before it, Ansible takes no name for a number.
        tasks.append(_run_script(PULL, PULL, _ENGINE, _Unsafe(f"image {job.image}")))
    for number, words in enumerate(job.cases):
        tasks += _list_case(job, number, words)
    tasks.append(_run_script(CLEAN, STOP, _Unsafe(job.token)))
    return _render(job, tasks)


def render_stopping(job: Job) -> str:
    """Return the playbook that ends what this call has started."""
    return _render(job, [_run_script(STOP, STOP, _Unsafe(job.token))])


def read_case(task: str) -> int | None:
    """Return the number of the case that a task belongs to; None for those of all."""
    found = _TASK.fullmatch(task)
    return int(found[1]) if found else None


def _find_key(job: Job) -> str:
    """What tells the script where r50 is."""
    if job.image is not None:
        return "image"
    return "-" if job.wheel is None else job.wheel.key


def _run_script(name: str, action: str, *words: str) -> dict[str, Any]:
    argv = ["sh", "-c", _Unsafe(SCRIPT.read_text()), "r50-fleet", action, _FOLDER, *words]
    return {"name": name, "ansible.builtin.command": {"argv": argv}, "changed_when": False}


def _list_installing(wheel: Wheel) -> list[dict[str, Any]]:
    needed = "'have=1' not in r50_prepared.stdout"
    copy = {
        "name": COPY,
        "ansible.builtin.copy": {
            "src": _Unsafe(wheel.path.absolute()),
            "dest": f"{_WHEEL_FOLDER}/",
            "mode": "0600",
        },
        "when": needed,
    }
    name = _Unsafe(wheel.path.name)
    words = (_PYTHON, wheel.key, wheel.sha256, name, _Unsafe(wheel.extras))
    return [copy, {**_run_script(INSTALL, INSTALL, *words), "when": needed}]


def _list_case(job: Job, number: int, words: Sequence[str]) -> list[dict[str, Any]]:
    place = f"{job.token}-{number}"
    lines = "\n".join(["words", job.image or job.installed or "r50", "run", *words])
    measure = _run_script(
        *(f"{MEASURE} {number}", "run", place, str(job.limit_s), _find_key(job), _Unsafe(lines)),
        *(_ENGINE, _ENGINE_OPTIONS),
    )
    measure |= {
        "register": f"r50_run_{number}",
        "when": f"{number} in {_OWN}.cases",
        "failed_when": False,
    }
    fetch = {
        "name": f"{FETCH} {number}",
        "ansible.builtin.fetch": {
            "src": f"{_WHEEL_FOLDER}/{place}/record.json",
            "dest": f"{{{{ r50_incoming }}}}/{{{{ {_OWN}.folder }}}}-{number}.json",
            "flat": True,
        },
        "when": f"'sha256=' in (r50_run_{number}.stdout | default(''))",
        "changed_when": False,
        "ignore_errors": True,
    }
    return [measure, fetch]


def _render(job: Job, tasks: list[dict[str, Any]]) -> str:
    hosts = {
        name: {"folder": job.folders[name], "cases": list(cases)}
        for name, cases in job.missing.items()
    }
    play = {
        "hosts": "all",
        "gather_facts": False,
        "strategy": "ansible.builtin.host_pinned",
        "vars": {"r50_incoming": _Unsafe(job.incoming), "r50_hosts": hosts},
        "tasks": tasks,
    }
    return yaml.dump([play], Dumper=_Dumper, sort_keys=False, allow_unicode=False)
