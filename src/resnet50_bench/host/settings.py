"""Settings of firmware and kernel that sway a benchmark: machines of one model differ in them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from resnet50_bench.host.kernel_files import read_text, search

_DMI = "sys/class/dmi/id"
_CPU = "sys/devices/system/cpu"

BOOT_OPTIONS = frozenset(
    {
        "amd_pstate",
        "default_hugepagesz",
        "hugepages",
        "idle",
        "intel_idle.max_cstate",
        "intel_pstate",
        "iommu",
        "isolcpus",
        "mitigations",
        "nohz_full",
        "nosmt",
        "numa",
        "numa_balancing",
        "preempt",
        "processor.max_cstate",
        "rcu_nocbs",
        "spectre_v2",
        "transparent_hugepage",
        "tsc",
    }
)
"""Names of options on the kernel's command line that sway speed (the kernel's own
admin-guide/kernel-parameters). The others are nobody's business: some hold addresses and secrets.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What firmware and kernel are set to; None where not readable.

    Attributes:
        bios: vendor, version and date of the firmware.
        microcode: revision of the CPUs' microcode.
        frequency_driver: who sets the CPUs' frequency.
        energy_preference: what the CPUs lean to, comma separated where they differ.
        idle_driver: who puts idle CPUs to sleep.
        boot_options: those of `BOOT_OPTIONS` that the kernel was started with, sorted.
    """

    bios: str | None = None
    microcode: str | None = None
    frequency_driver: str | None = None
    energy_preference: str | None = None
    idle_driver: str | None = None
    boot_options: tuple[str, ...] = ()


def read_settings(root: Path, cpus: Iterable[int]) -> Settings:
    """Return the settings of the machine whose `/sys` and `/proc` are below `root`.

    Args:
        root: `/`, or the folder of a snapshot.
        cpus: that are usable.
    """
    usable = tuple(cpus)
    parts = (read_text(root / _DMI / f"bios_{name}") for name in ("vendor", "version", "date"))
    return Settings(
        bios=" ".join(part for part in parts if part) or None,
        microcode=search(read_text(root / "proc/cpuinfo"), r"^microcode\s*: (\S+)"),
        frequency_driver=_read_each(root, usable, "scaling_driver"),
        energy_preference=_read_each(root, usable, "energy_performance_preference"),
        idle_driver=read_text(root / _CPU / "cpuidle/current_driver"),
        boot_options=_find_options(read_text(root / "proc/cmdline") or ""),
    )


def _read_each(root: Path, cpus: tuple[int, ...], name: str) -> str | None:
    values = {read_text(root / _CPU / f"cpu{cpu}/cpufreq/{name}") for cpu in cpus}
    return ",".join(sorted(value for value in values if value)) or None


def _find_options(line: str) -> tuple[str, ...]:
    words = line.split()
    return tuple(sorted({word for word in words if word.partition("=")[0] in BOOT_OPTIONS}))
