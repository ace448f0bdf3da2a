"""The first process of the guest: makes it usable, runs the scenarios, reports, switches off.

It needs no shell and no other program. What it reports of the workers it reads from /proc itself:
the test is to compare what r50 claims with what another process sees.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
import subprocess
import sys
import time
import traceback
from pathlib import Path

SCENARIOS = Path("/scenarios.json")
REPORT = Path("/dev/ttyS1")
RUNS = Path("/tmp/runs")
CGROUP = Path("/sys/fs/cgroup")
MEASURING = "[4/4]"
LOOK_SECONDS = 0.5
POWER_OFF = 0x4321FEDC  # include/uapi/linux/reboot.h
ENTER = (
    "import os, pathlib, sys; pathlib.Path(sys.argv[1], 'cgroup.procs').write_text('0'); "
    "os.execv(sys.argv[2], sys.argv[2:])"
)

libc = ctypes.CDLL(None, use_errno=True)


def mount(kind: str, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    if libc.mount(kind.encode(), str(target).encode(), kind.encode(), 0, None) != 0:
        raise OSError(ctypes.get_errno(), f"mounting {kind} on {target}")


def run_scenario(scenario: dict, number: int) -> dict:
    """Run the scenario's commands, one after the other, in a cgroup of its own."""
    folder = CGROUP / f"scenario{number}"
    folder.mkdir()
    for file, text in scenario["limits"].items():
        (folder / file).write_text(text)
    outcomes = [run_command(command, folder) for command in scenario["commands"]]
    return {"name": scenario["name"], "outcomes": outcomes}


def run_command(command: list[str], folder: Path) -> dict:
    began = time.monotonic()
    out, err = Path("/tmp/out"), Path("/tmp/err")
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-c", ENTER, str(folder), *command], stdout=stdout, stderr=stderr
        )
        workers = watch_workers(process, err)
    records = [path.read_text() for path in RUNS.glob("*/record.json")]
    shutil.rmtree(RUNS, ignore_errors=True)
    return {
        "record": records[0] if records else None,
        "code": process.returncode,
        "stdout": out.read_text(),
        "stderr": err.read_text(),
        "workers": workers,
        "seconds": round(time.monotonic() - began, 1),
    }


def watch_workers(process: subprocess.Popen, stderr: Path) -> dict[str, dict]:
    """A look at each worker while they all measure, by process id."""
    seen: dict[str, dict] = {}
    while process.poll() is None:
        if MEASURING in stderr.read_text():
            for entry in Path("/proc").iterdir():
                if entry.name.isdigit():
                    look_at(entry, seen)
        time.sleep(LOOK_SECONDS)
    return seen


def look_at(process: Path, seen: dict[str, dict]) -> None:
    try:
        if b"resnet50_bench.instance.worker" not in (process / "cmdline").read_bytes():
            return
        threads = [(task / "status").read_text() for task in (process / "task").iterdir()]
        looked = {
            "cpus": sorted(
                {re.findall(r"Cpus_allowed_list:\s*(\S+)", text)[0] for text in threads}
            ),
            "numa_maps": (process / "numa_maps").read_text(),
        }
    except OSError:  # it has ended
        return
    # One that is ending has given back some of its memory, or all.
    before = seen.get(process.name)
    if before is None or count_pages(looked) >= count_pages(before):
        seen[process.name] = looked


def count_pages(looked: dict) -> int:
    return sum(map(int, re.findall(r" anon=(\d+)", looked["numa_maps"])))


def main() -> None:
    for kind, target in (
        ("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev"), ("tmpfs", "/tmp"),
    ):  # fmt: skip
        mount(kind, Path(target))
    mount("cgroup2", CGROUP)
    (CGROUP / "cgroup.subtree_control").write_text("+cpuset +cpu +memory")
    os.environ.update(PATH="/usr/bin:/bin", HOME="/tmp", LANG="C.UTF-8")
    with REPORT.open("w") as report:
        for number, scenario in enumerate(json.loads(SCENARIOS.read_text())):
            print("scenario:", scenario["name"], flush=True)
            report.write(json.dumps(run_scenario(scenario, number)) + "\n")
            report.flush()


try:
    main()
except BaseException:  # noqa: BLE001 - the console is the only place to say so
    traceback.print_exc()
finally:
    sys.stdout.flush()
    sys.stderr.flush()
    libc.reboot(POWER_OFF)
