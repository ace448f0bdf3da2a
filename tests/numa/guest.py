"""Boots the guest, two sockets of two cores of two threads with a memory node each, and listens.

Software emulation only: with hardware virtualization the guest would be quick and less sure to
start where this runs inside a virtual machine.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from resnet50_bench.results.record import Record

from .initramfs import write_initramfs

QEMU = "qemu-system-x86_64"
KERNEL_VARIABLE = "R50_NUMA_KERNEL"
BOOT_SECONDS = 3600
MEBIBYTES_PER_NODE = 1024

RUNS = "/tmp/runs"
"""Where the guest's runs go, and where its first process looks for them."""

NULL = (
    "--engine", "null", "--engine-option", "query_ms=20", "--batch-size", "1", "--min-time", "5",
    "--output", RUNS,
)  # fmt: skip

INIT = Path(__file__).with_name("guest_init.py")


@dataclass(frozen=True)
class Scenario:
    """Commands to run in a cgroup of their own.

    Attributes:
        name: to find its outcome by.
        run: the arguments of `r50 run` that decide the placement; None for no run.
        limits: what to write into which file of the cgroup.
        before: commands of r50 to run before, without `r50`.
    """

    name: str
    run: tuple[str, ...] | None
    limits: dict[str, str] = field(default_factory=dict)
    before: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Worker:
    """A worker as another process of the guest saw it while it measured.

    Attributes:
        cpus: the affinity of its threads, as the kernel lists it; one entry if all agree.
        numa_maps: the kernel's text.
    """

    cpus: tuple[str, ...]
    numa_maps: str

    def pages_by_node(self) -> Counter[int]:
        """Anonymous pages of 4 KiB by node, of mappings that hold nothing else."""
        pages: Counter[int] = Counter()
        for line in self.numa_maps.splitlines():
            if "anon=" in line and "file=" not in line:
                for node, count in re.findall(r" N(\d+)=(\d+)", line):
                    pages[int(node)] += int(count)
        return pages

    def pages_by_policy(self) -> Counter[str]:
        """Anonymous pages by the memory policy of their mapping, e.g. `bind:1`."""
        pages: Counter[str] = Counter()
        for line in self.numa_maps.splitlines():
            found = re.search(r" anon=(\d+)", line)
            if found:
                pages[line.split()[1]] += int(found[1])
        return pages


@dataclass(frozen=True)
class Outcome:
    """How a command ended in the guest."""

    code: int
    stdout: str
    stderr: str
    workers: dict[int, Worker]
    record: Record | None


def find_kernel() -> Path | None:
    """The kernel to boot: named by a variable, fetched by `make test-numa`, or this system's."""
    if os.environ.get(KERNEL_VARIABLE):
        return Path(os.environ[KERNEL_VARIABLE])
    found = [path for path in sorted(Path("/boot").glob("vmlinuz-*")) if os.access(path, os.R_OK)]
    return found[-1] if found else None


def find_obstacle() -> str | None:
    """Why no guest can be booted here; None when it can."""
    if shutil.which(QEMU) is None:
        return f"{QEMU} is not installed: apt-get install qemu-system-x86 seabios"
    kernel = find_kernel()
    if kernel is None or not kernel.is_file():
        return f"no kernel to boot: name one with {KERNEL_VARIABLE}"
    if os.uname().machine != "x86_64":
        return "the guest runs this machine's own Python, which is not for x86_64"
    return None


def run_guest(folder: Path, scenarios: list[Scenario]) -> dict[str, list[Outcome]]:
    """Boot the guest, run the scenarios in it, and return the outcomes of their commands."""
    initrd, console, report = (folder / name for name in ("initrd", "console.log", "report"))
    document = [
        {"name": item.name, "limits": item.limits, "commands": _list_commands(item)}
        for item in scenarios
    ]
    write_initramfs(initrd, INIT, {"/scenarios.json": json.dumps(document).encode()})
    done = subprocess.run(
        _plan_command(initrd, console, report),
        capture_output=True, text=True, timeout=BOOT_SECONDS, check=False,
    )  # fmt: skip
    initrd.unlink()
    lines = report.read_text().splitlines() if report.exists() else []
    said = console.read_text(errors="replace") if console.exists() else ""
    assert len(lines) == len(scenarios), f"{done.stderr[-2000:]}\n{said[-6000:]}"
    answers = [json.loads(line) for line in lines]
    return {item["name"]: [_read_outcome(outcome) for outcome in item["outcomes"]]
            for item in answers}  # fmt: skip


def _list_commands(scenario: Scenario) -> list[list[str]]:
    r50 = str(Path(sys.prefix) / "bin/r50")
    commands = [[r50, *arguments] for arguments in scenario.before]
    if scenario.run is not None:
        commands.append([r50, "plan", *scenario.run, "--json"])
        commands.append([r50, "run", *scenario.run, *NULL])
    return commands


def _plan_command(initrd: Path, console: Path, report: Path) -> list[str]:
    nodes = []
    for node, cpus in enumerate(("0-3", "4-7")):
        nodes += ["-object", f"memory-backend-ram,size={MEBIBYTES_PER_NODE}M,id=m{node}"]
        nodes += ["-numa", f"node,nodeid={node},cpus={cpus},memdev=m{node}"]
    return [
        QEMU, "-accel", "tcg,thread=multi", "-cpu", "Skylake-Server-v4",
        "-smp", "8,sockets=2,cores=2,threads=2", "-m", str(2 * MEBIBYTES_PER_NODE),
        *nodes, "-numa", "dist,src=0,dst=1,val=21", "-kernel", str(find_kernel()), "-initrd", str(initrd),
        "-append", "console=ttyS0 quiet panic=-1", "-display", "none", "-nodefaults",
        "-no-reboot", "-serial", f"file:{console}", "-serial", f"file:{report}",
    ]  # fmt: skip


def _read_outcome(answer: dict) -> Outcome:
    workers = {
        int(pid): Worker(tuple(item["cpus"]), item["numa_maps"])
        for pid, item in answer["workers"].items()
    }
    record = None
    if answer["record"] is not None:
        record = msgspec.json.decode(answer["record"].encode(), type=Record)
    return Outcome(answer["code"], answer["stdout"], answer["stderr"], workers, record)
