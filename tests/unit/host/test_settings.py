"""Settings of firmware and kernel, from made-up files."""

from __future__ import annotations

from pathlib import Path

from resnet50_bench.host.settings import Settings, read_settings


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def test_what_can_be_read_is_read(tmp_path):
    cpufreq = "sys/devices/system/cpu/cpu{}/cpufreq/"
    write(
        tmp_path,
        {
            "sys/class/dmi/id/bios_vendor": "AMI\n",
            "sys/class/dmi/id/bios_version": "1.2\n",
            "sys/class/dmi/id/bios_date": "01/02/2026\n",
            "proc/cpuinfo": "processor\t: 0\nmicrocode\t: 0xa101154\n",
            "proc/cmdline": "root=/dev/sda password=geheim mitigations=off isolcpus=1 quiet\n",
            "sys/devices/system/cpu/cpuidle/current_driver": "acpi_idle\n",
            cpufreq.format(0) + "scaling_driver": "amd-pstate-epp\n",
            cpufreq.format(0) + "energy_performance_preference": "performance\n",
            cpufreq.format(1) + "energy_performance_preference": "power\n",
            cpufreq.format(2) + "energy_performance_preference": "balance_power\n",
        },
    )
    assert read_settings(tmp_path, (0, 1)) == Settings(
        bios="AMI 1.2 01/02/2026",
        microcode="0xa101154",
        frequency_driver="amd-pstate-epp",
        energy_preference="performance,power",
        idle_driver="acpi_idle",
        boot_options=("isolcpus=1", "mitigations=off"),
    )


def test_what_cannot_be_read_is_unknown(tmp_path):
    assert read_settings(tmp_path, (0,)) == Settings()
