"""A Python interpreter on another CPU than this machine's: QEMU's user mode around it.

The kernel is this machine's, so `/proc/cpuinfo` would still tell of the outer CPU. QEMU looks below
a folder first for every absolute path that is opened (`-L`), and a snapshot lies there.
"""

from __future__ import annotations

import os
import platform
import re
import shlex
import shutil
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

QEMU = "qemu-x86_64"
SOURCES = Path(__file__).parents[2] / "src"

_EVERY_FLAGS = (
    "fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx fxsr sse "
    "sse2 syscall nx lm constant_tsc rep_good nopl cpuid pni cx16 hypervisor lahf_lm"
)
_NEHALEM_FLAGS = f"{_EVERY_FLAGS} ssse3 sse4_1 sse4_2 popcnt"
_SANDY_BRIDGE_FLAGS = f"{_NEHALEM_FLAGS} rdtscp pclmulqdq aes xsave avx"
_HASWELL_FLAGS = (
    f"{_SANDY_BRIDGE_FLAGS} fma movbe f16c rdrand abm fsgsbase bmi1 avx2 smep bmi2 erms"
)


@dataclass(frozen=True, slots=True)
class Machine:
    """A CPU that QEMU knows.

    Attributes:
        name: for people, and of its folder.
        model: QEMU's name; what follows it leaves out features that QEMU's user mode warns of.
        flags: as this CPU's /proc/cpuinfo has them.
    """

    name: str
    model: str
    flags: str


HASWELL = Machine(
    "Haswell", "Haswell,-pcid,-x2apic,-tsc-deadline,-hle,-invpcid,-rtm", _HASWELL_FLAGS
)
"""AVX2 and FMA; no VNNI, no AVX-512."""

SANDY_BRIDGE = Machine(
    "SandyBridge", "SandyBridge,-pcid,-x2apic,-tsc-deadline", _SANDY_BRIDGE_FLAGS
)
"""AVX, no AVX2: TensorFlow starts, and r50 has no precision for it."""

NEHALEM = Machine("Nehalem", "Nehalem", _NEHALEM_FLAGS)
"""No AVX: TensorFlow cannot run."""

QEMU64 = Machine("qemu64", "qemu64", _EVERY_FLAGS)
"""The model many virtual machines have when nobody chose one: no SSE4, which numpy needs."""


def find_obstacle() -> str | None:
    """Say why no other CPU can be shown here; None if it can."""
    if platform.machine() != "x86_64":
        return f"QEMU's user mode is used on x86-64 only, and this is {platform.machine()}"
    if shutil.which(QEMU) is None:
        return f"{QEMU} is not installed (Debian: apt-get install qemu-user)"
    return None


def make_python(folder: Path, machine: Machine) -> Path:
    """Write an interpreter that runs on the machine, with the packages of this one.

    `sys.executable` is the script in it, so processes it starts by that name run there too; a
    program started by any other name runs on the outer CPU.
    """
    home = folder / machine.name
    python = home / "bin/python"
    snapshot = home / "root/proc/cpuinfo"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = home / "lib" / version / "site-packages"
    for each in (python.parent, snapshot.parent, packages):
        each.mkdir(parents=True, exist_ok=True)
    real = Path(os.path.realpath(sys.executable))
    (home / "pyvenv.cfg").write_text(f"home = {real.parent}\n")
    (packages / "outer.pth").write_text(f"{SOURCES}\n{sysconfig.get_path('purelib')}\n")
    snapshot.write_text(describe_cpu(Path("/proc/cpuinfo").read_text(), machine))
    command = [QEMU, "-L", home / "root", "-cpu", machine.model, "-0", python, real]
    python.write_text(f'#!/bin/sh\nexec {shlex.join(map(str, command))} "$@"\n')
    python.chmod(0o755)
    return python


def describe_cpu(cpuinfo: str, machine: Machine) -> str:
    """Return /proc/cpuinfo with the machine's name and flags in place of the outer one's."""
    named = re.sub(r"(?m)^(model name\s*: ).*", rf"\g<1>{machine.name} (QEMU)", cpuinfo)
    return re.sub(r"(?m)^(flags\s*: ).*", rf"\g<1>{machine.flags}", named)
